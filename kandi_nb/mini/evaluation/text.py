"""What the judge reads of what needs nothing but words: the judge itself, the MoVQ, prompts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ...model.pipelines import picture_decoder
from .. import judge
from ..captions import canonical
from ..world.render import render_many
from ..world.scenes import Scene, scenes
from ..world.vocabulary import LANGUAGES

if TYPE_CHECKING:
    from PIL import Image

    from .painter import Painter


def held_out(count: int, salt: str = "evaluate") -> list[Scene]:
    """Return ``count`` scenes in the plain style, each of another held-out triple."""
    by_triple: dict[tuple, Scene] = {}
    number = 0
    while len(by_triple) < count:
        (scene,) = scenes(1, start=number, held_out=True, salt=salt)
        number += 1
        if scene.style == "plain":
            by_triple.setdefault(scene.triple, scene)
    return list(by_triple.values())


def sentences(asked: Sequence[Scene]) -> list[str]:
    """Return a sentence for each scene, in the five languages in turn."""
    return [canonical(s, LANGUAGES[i % len(LANGUAGES)]) for i, s in enumerate(asked)]


def read_judge(count: int = 1000) -> dict[str, float]:
    """Return the judge's own accuracy on unseen renders, half of them of held-out triples."""
    asked = [
        *scenes(count // 2, salt="unseen"),
        *scenes(count // 2, held_out=True, salt="unseen"),
    ]
    shares = judge.score(judge.read(render_many(asked)), asked)
    return {f"judge: {what}": share for what, share in shares.items()}


def read_movq(painter: Painter, count: int = 400) -> dict[str, float]:
    """Return the share of reconstructions that the judge reads as it reads the originals."""
    import torch

    asked = list(scenes(count, held_out=True, salt="unseen"))
    pictures = render_many(asked, painter.size)
    movq, rows = picture_decoder(painter.k.decoder), []
    with torch.inference_mode():
        for batch in judge.tensor(pictures, painter.size).split(50):
            back = movq.decode(movq.encode(batch).latents, force_not_quantize=True).sample
            rows.append(
                ((back.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
            )
    before, after = judge.read(pictures), judge.read(np.concatenate(rows))
    both = list(zip(before, after, strict=True))
    return {
        f"MoVQ: {what}": float(np.mean([getattr(a, what) == getattr(b, what) for a, b in both]))
        for what in judge.HEADS
    }


def read_text(
    painter: Painter, count: int = 40, seeds: Sequence[int] = (1, 2)
) -> tuple[dict[str, dict[str, float]], dict]:
    """Draw held-out scenes in every language; return the judge's scores and the pictures.

    The scores are language → attribute → share; the pictures come with their scenes.
    """
    asked = held_out(count)
    table, drawn = {}, {}
    for language in LANGUAGES:
        prompts = [canonical(scene, language) for scene in asked for _ in seeds]
        images = painter.draw(prompts, list(seeds) * len(asked))
        drawn[language] = images
        table[language] = judge.score(
            judge.read(images), [scene for scene in asked for _ in seeds]
        )
    return table, {"scenes": asked, "images": drawn}


def cosines(painter: Painter, drawn: dict[str, list]) -> dict[str, float]:
    """Return the mean CLIP cosine of two languages' pictures: of one scene, of two scenes."""
    import torch

    seen = [painter.see(drawn[language]) for language in LANGUAGES]
    stacked = torch.nn.functional.normalize(torch.stack(seen), dim=-1)  # (5, n, 128)
    every = torch.einsum("and,bmd->abnm", stacked, stacked)  # (5, 5, n, n)
    languages, pictures = len(LANGUAGES), stacked.shape[1]
    other = ~torch.eye(languages, dtype=torch.bool)
    same = every.diagonal(dim1=2, dim2=3)[other].mean()
    scene = torch.arange(pictures) // 2
    apart = scene[:, None] != scene[None]  # (n, n)
    different = every[other][:, apart].mean()
    return {"same scene": same.item(), "different scenes": different.item()}


def seconds_a_picture(painter: Painter, role: str = "decoder", repeats: int = 5) -> float:
    """Return the median seconds of one picture, all stages, after loading.

    What a role needs beside a prompt is as good as blank.
    """
    from PIL import Image

    side = painter.size
    white = Image.new("L", (side, side), 255)
    near = Image.linear_gradient("L").resize(white.size)
    prompts = ["A red fox in a snowy forest"]
    draw = {
        "decoder": partial(painter.draw, prompts),
        "inpaint": partial(
            painter.repaint, prompts, images=[white.convert("RGB")], masks=[white]
        ),
        "depth": partial(painter.draw, prompts, depth=[near]),
    }[role]
    times = []
    for number in range(repeats + 1):
        painter.k.forget()  # what the prior made of the same prompt before
        start = time.perf_counter()
        draw(seeds=[number])
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def language_sheet(drawn: dict, columns: int = 8, zoom: int = 96) -> Image.Image:
    """Lay pictures out: a row a language, a column a scene, the drawn scenes last."""
    from PIL import Image

    rows = [drawn["images"][language][: 2 * columns : 2] for language in LANGUAGES]
    rows.append([Image.fromarray(image) for image in render_many(drawn["scenes"][:columns])])
    return sheet(rows, zoom)


def sheet(rows: Sequence[Sequence[Image.Image]], zoom: int = 64) -> Image.Image:
    """Lay rows of pictures out on white, each picture ``zoom`` pixels wide."""
    from PIL import Image

    page = Image.new("RGB", (max(map(len, rows)) * (zoom + 2), len(rows) * (zoom + 2)), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            enlarged = image.convert("RGB").resize((zoom, zoom), Image.BICUBIC)
            page.paste(enlarged, (x * (zoom + 2), y * (zoom + 2)))
    return page
