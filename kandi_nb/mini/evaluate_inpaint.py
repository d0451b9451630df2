"""Let the judge read what inpainting and depth control draw on held-out scenes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import assemble, judge
from .captions import canonical
from .render import Render, render
from .vocabulary import ANIMALS, LANGUAGES, PLACES
from .world import Scene, scenes

if TYPE_CHECKING:
    from PIL import Image

    from .painter import Painter

BARS = {"put there": 0.85, "kept": 0.95, "silhouette IoU": 0.75, "depth colour": 0.85}
BARS |= {"depth place": 0.85}
SIZE = 64


@dataclass(frozen=True)
class Task:
    """One repainting: what is there, what is asked for, the mask, and which words must stay.

    ``mask`` is float32 (64, 64), 1 = repaint; ``wanted`` and ``kept`` name attributes.
    """

    before: Scene
    after: Scene
    mask: np.ndarray
    wanted: str
    kept: tuple[str, ...]


def _outside(box: Sequence[int], slack: int = 2) -> np.ndarray:
    left, top, right, bottom = box
    mask = np.ones((SIZE, SIZE), np.float32)
    mask[max(0, top - slack) : bottom + slack, max(0, left - slack) : right + slack] = 0
    return mask


def tasks(count: int) -> list[Task]:
    """Return ``count`` tasks a kind: put headwear on, put an object in, change a place."""
    draw = random.Random("inpaint")
    plain = [
        replace(s, style="plain") for s in scenes(40 * count, held_out=True, salt="inpaint")
    ]
    made: list[Task] = []
    animals = [s for s in plain if s.object in ANIMALS and s.headwear == "none"]
    for before in animals[:count]:
        after = replace(before, headwear=draw.choice(("crown", "hat")))
        mask = 1 - _outside(render(before).head, 3)
        made.append(Task(before, after, mask, "headwear", ("object", "colour", "place")))
    for after in [s for s in plain if s.headwear == "none"][:count]:
        before = Scene("nothing", place=after.place, seed=after.seed)
        mask = 1 - _outside((10, 14, 54, 58), 0)
        made.append(Task(before, after, mask, "object", ("place",)))
    for before in [s for s in plain if s.headwear == "none"][count : 2 * count]:
        after = replace(before, place=draw.choice([p for p in PLACES if p != before.place]))
        mask = _outside(render(before).box)
        made.append(Task(before, after, mask, "place", ("object", "colour")))
    return made


def _share(right: list[bool]) -> float:
    return float(np.mean(right)) if right else float("nan")


def read_inpaint(
    painter: Painter, count: int = 40
) -> tuple[dict[str, float], list[Image.Image]]:
    """Return the shares of tasks done and of words kept, and the pictures.

    Languages and seeds take turns. The pictures are as the pipeline gives them: nothing is
    pasted back.
    """
    import torch
    from diffusers import KandinskyV22InpaintPipeline
    from PIL import Image

    pipeline = KandinskyV22InpaintPipeline.from_pretrained(painter.weights / assemble.INPAINT)
    pipeline.set_progress_bar_config(disable=True)
    asked = tasks(count)
    drawn: list[Image.Image] = []
    for number, task in enumerate(asked):
        prompt = canonical(task.after, LANGUAGES[number % len(LANGUAGES)])
        found = painter.prior(
            prompt,
            num_inference_steps=painter.prior_steps,
            guidance_scale=painter.prior_guidance,
            generator=torch.Generator().manual_seed(0),
        )
        drawn += pipeline(
            image_embeds=found.image_embeds,
            negative_image_embeds=found.negative_image_embeds,
            image=Image.fromarray(render(task.before).image),
            mask_image=Image.fromarray((task.mask * 255).astype(np.uint8)),
            num_inference_steps=painter.steps,
            guidance_scale=painter.guidance,
            height=SIZE,
            width=SIZE,
            generator=torch.Generator().manual_seed(number % 2),
        ).images
    done: dict[str, list[bool]] = {}
    kept: list[bool] = []
    for task, reading in zip(asked, judge.read(drawn), strict=True):
        said = {what: getattr(task.after, what) for what in judge.HEADS}
        right = reading.agrees(**said)
        done.setdefault(task.wanted, []).append(right[task.wanted])
        kept += [right[what] for what in task.kept]
    figures = {f"put there: {what}": _share(right) for what, right in done.items()}
    figures["put there"] = _share([one for right in done.values() for one in right])
    return figures | {"kept": _share(kept)}, drawn


def _covered(picture: np.ndarray) -> np.ndarray:
    """Return where a picture on the plain backdrop differs from that backdrop."""
    backdrop = np.median(picture.reshape(-1, 3), 0)
    return np.abs(picture - backdrop).max(-1) > 60


def read_depth(painter: Painter, count: int = 40) -> tuple[dict[str, float], list[Image.Image]]:
    """Return how well silhouettes are followed, and colour and place; and the pictures.

    The drawn silhouette is taken on the plain backdrop, where what is not backdrop is object:
    half of the scenes are put there for that; the other half tell about places.
    """
    import torch
    from diffusers import KandinskyV22ControlnetPipeline

    pipeline = KandinskyV22ControlnetPipeline.from_pretrained(painter.weights / assemble.DEPTH)
    pipeline.set_progress_bar_config(disable=True)
    asked = list(scenes(count, held_out=True, salt="depth"))
    asked = [
        replace(s, style="plain", place="plain" if i % 2 else s.place, headwear="none")
        for i, s in enumerate(asked)
    ]
    real: list[Render] = [render(scene) for scene in asked]
    hints = torch.stack([torch.tensor(r.depth).float() / 255 for r in real])
    prompts = [canonical(s, LANGUAGES[i % len(LANGUAGES)]) for i, s in enumerate(asked)]
    found = painter.prior(
        prompts,
        num_inference_steps=painter.prior_steps,
        guidance_scale=painter.prior_guidance,
        generator=[torch.Generator().manual_seed(0) for _ in prompts],
    )
    drawn = pipeline(
        image_embeds=found.image_embeds,
        negative_image_embeds=found.negative_image_embeds,
        hint=hints[:, None].repeat(1, 3, 1, 1),
        num_inference_steps=painter.steps,
        guidance_scale=painter.guidance,
        height=SIZE,
        width=SIZE,
        generator=[torch.Generator().manual_seed(i % 2) for i in range(len(prompts))],
    ).images
    overlap = []
    for scene, picture, wanted in zip(asked, drawn, real, strict=True):
        if scene.place == "plain" and scene.colour not in ("white", "natural"):
            mine = _covered(np.asarray(picture))
            theirs = wanted.silhouette > 127
            overlap.append((mine & theirs).sum() / (mine | theirs).sum())
    scores = judge.score(judge.read(drawn), asked)
    figures = {"silhouette IoU": float(np.mean(overlap))}
    return figures | {
        f"depth {what}": scores[what] for what in ("object", "colour", "place")
    }, drawn
