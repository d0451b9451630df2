"""Let the judge read what inpainting and depth control draw on held-out scenes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .. import judge
from ..world.render import SIZE, Render, render
from ..world.scenes import Scene, scenes
from ..world.vocabulary import ANIMALS, PLACES
from .mix import render_all
from .text import sentences

if TYPE_CHECKING:
    from .mix import Read
    from .painter import Painter


@dataclass(frozen=True)
class Task:
    """One repainting: what is there, what is asked for, the mask, and which words must stay.

    ``mask`` is float32 (size, size), 1 = repaint; ``wanted`` and ``kept`` name attributes.
    """

    before: Scene
    after: Scene
    mask: np.ndarray
    wanted: str
    kept: tuple[str, ...]


def _outside(box: Sequence[int], size: int, slack: int = 2) -> np.ndarray:
    """Return 1 all around a box in pixels, whose slack is that of pictures of 64 px."""
    left, top, right, bottom = box
    slack = slack * size // SIZE
    mask = np.ones((size, size), np.float32)
    mask[max(0, top - slack) : bottom + slack, max(0, left - slack) : right + slack] = 0
    return mask


def tasks(count: int, size: int = SIZE) -> list[Task]:
    """Return ``count`` tasks a kind: put headwear on, put an object in, change a place.

    Boxes and masks are those of pictures of ``size`` pixels.
    """
    draw = random.Random("inpaint")
    plain = [
        replace(s, style="plain") for s in scenes(40 * count, held_out=True, salt="inpaint")
    ]
    every: list[Task] = []
    animals = [s for s in plain if s.object in ANIMALS and s.headwear == "none"]
    for before in animals[:count]:
        after = replace(before, headwear=draw.choice(("crown", "hat")))
        mask = 1 - _outside(render(before, size).head, size, 3)
        every.append(Task(before, after, mask, "headwear", ("object", "colour", "place")))
    for after in [s for s in plain if s.headwear == "none"][:count]:
        before = Scene("nothing", place=after.place, seed=after.seed)
        middle = [side * size // SIZE for side in (10, 14, 54, 58)]
        mask = 1 - _outside(middle, size, 0)
        every.append(Task(before, after, mask, "object", ("place",)))
    for before in [s for s in plain if s.headwear == "none"][count : 2 * count]:
        after = replace(before, place=draw.choice([p for p in PLACES if p != before.place]))
        mask = _outside(render(before, size).box, size)
        every.append(Task(before, after, mask, "place", ("object", "colour")))
    return every


def _share(right: list[bool]) -> float:
    return float(np.mean(right)) if right else float("nan")


def read_inpaint(painter: Painter, count: int = 40) -> Read:
    """Return the shares of tasks done and of words kept; and before, mask and after.

    Languages and seeds take turns. The pictures are as the loop gives them: nothing is pasted
    back.
    """
    from PIL import Image

    asked = tasks(count, painter.size)
    images = render_all([task.before for task in asked], painter.size)
    masks = [Image.fromarray((task.mask * 255).astype(np.uint8)) for task in asked]
    prompts = sentences([task.after for task in asked])
    seeds = [i % 2 for i in range(len(asked))]
    drawn = painter.repaint(prompts, seeds, images, masks)
    done: dict[str, list[bool]] = {}
    kept: list[bool] = []
    for task, reading in zip(asked, judge.read(drawn), strict=True):
        right = reading.agrees(**{what: getattr(task.after, what) for what in judge.HEADS})
        done.setdefault(task.wanted, []).append(right[task.wanted])
        kept += [right[what] for what in task.kept]
    figures = {f"put there: {what}": _share(right) for what, right in done.items()}
    figures["put there"] = _share([one for right in done.values() for one in right])
    return figures | {"kept": _share(kept)}, [images, masks, drawn]


def _covered_pixels(picture: np.ndarray) -> np.ndarray:
    """Return where a picture on the plain backdrop differs from that backdrop."""
    backdrop = np.median(picture.reshape(-1, 3), 0)
    return np.abs(picture - backdrop).max(-1) > 60


def read_depth(painter: Painter, count: int = 80) -> Read:
    """Return how well silhouettes are followed, and colour and place; and hints and pictures.

    The drawn silhouette is taken on the plain backdrop, where what is not backdrop is object:
    half of the scenes are put there for that; the other half tell about places.
    """
    from PIL import Image

    asked = list(scenes(count, held_out=True, salt="depth"))
    asked = [
        replace(s, style="plain", place="plain" if i % 2 else s.place, headwear="none")
        for i, s in enumerate(asked)
    ]
    real: list[Render] = [render(scene, painter.size) for scene in asked]
    prompts = sentences(asked)
    seeds = [i % 2 for i in range(count)]
    drawn = painter.draw(prompts, seeds, depth=[r.depth for r in real])
    overlap = []
    for scene, picture, wanted in zip(asked, drawn, real, strict=True):
        if scene.place == "plain" and scene.colour not in ("white", "natural"):
            mine = _covered_pixels(np.asarray(picture))
            theirs = wanted.silhouette > 127
            overlap.append((mine & theirs).sum() / (mine | theirs).sum())
    scores = judge.score(judge.read(drawn), asked)
    figures = {"silhouette IoU": float(np.mean(overlap))}
    figures |= {f"depth: {what}": scores[what] for what in ("object", "colour", "place")}
    return figures, [[Image.fromarray(r.depth) for r in real], drawn]
