"""Let the judge read what the bundled model draws, and write the figures into its model cards.

``python -m kandi_nb.mini.evaluate`` prints one table and exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..writing import write
from . import assemble, judge
from .captions import LANGUAGE_NAMES, canonical
from .painter import Painter
from .render import render_many
from .vocabulary import LANGUAGES
from .world import Scene, scenes

if TYPE_CHECKING:
    from PIL import Image

BARS = {
    "judge, object": 0.99,
    "judge, colour": 0.99,
    "judge, place": 0.99,
    "judge, headwear": 0.99,
    "MoVQ, object": 0.98,
    "MoVQ, colour": 0.98,
    "MoVQ, place": 0.98,
    "MoVQ, headwear": 0.98,
    "object": 0.90,
    "colour": 0.90,
    "place": 0.95,
    "headwear": 0.85,
    "same scene": 0.9,
}


def held_out(count: int, salt: str = "evaluate") -> list[Scene]:
    """Return ``count`` scenes in the plain style, each of another held-out triple."""
    found: dict[tuple, Scene] = {}
    number = 0
    while len(found) < count:
        (scene,) = scenes(1, start=number, held_out=True, salt=salt)
        number += 1
        if scene.style == "plain":
            found.setdefault(scene.triple, scene)
    return list(found.values())


def read_judge(count: int = 1000) -> dict[str, float]:
    """Return the judge's own accuracy on unseen renders, half of them of held-out triples."""
    asked = [
        *scenes(count // 2, salt="unseen"),
        *scenes(count // 2, held_out=True, salt="unseen"),
    ]
    found = judge.score(judge.read(render_many(asked)), asked)
    return {f"judge, {what}": share for what, share in found.items()}


def read_movq(painter: Painter, count: int = 400) -> dict[str, float]:
    """Return the share of reconstructions that the judge reads as it reads the originals."""
    import torch

    asked = list(scenes(count, held_out=True, salt="unseen"))
    pictures = render_many(asked, painter.size)
    movq, rows = painter.decoder.movq, []
    with torch.inference_mode():
        for part in judge.tensor(pictures, painter.size).split(50):
            back = movq.decode(movq.encode(part).latents, force_not_quantize=True).sample
            rows.append(
                ((back.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
            )
    before, after = judge.read(pictures), judge.read(np.concatenate(rows))
    return {
        f"MoVQ, {what}": float(
            np.mean(
                [
                    getattr(a, what) == getattr(b, what)
                    for a, b in zip(before, after, strict=True)
                ]
            )
        )
        for what in judge.HEADS
    }


def read_text(
    painter: Painter, count: int = 40, seeds: Sequence[int] = (1, 2)
) -> tuple[dict[str, dict[str, float]], dict]:
    """Draw held-out scenes in every language; return the judge's scores and the pictures."""
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


def cosines(painter: Painter, drawn: dict[str, list]) -> tuple[float, float]:
    """Return the mean CLIP cosine of two languages' pictures: of one scene, of two scenes."""
    import torch

    stacked = torch.stack(
        [painter.embed(drawn[language]) for language in LANGUAGES]
    )  # (5, n, 128)
    every = torch.einsum("and,bmd->abnm", stacked, stacked)
    languages, pictures = len(LANGUAGES), stacked.shape[1]
    other = ~torch.eye(languages, dtype=torch.bool)
    same = every.diagonal(dim1=2, dim2=3)[other].mean()
    scene = torch.arange(pictures) // 2
    apart = scene[:, None] != scene[None]
    return same.item(), every[other][:, apart].mean().item()


def seconds_a_picture(painter: Painter, repeats: int = 5) -> float:
    """Return the median seconds of one picture with both stages, after loading."""
    times = []
    for number in range(repeats + 1):
        start = time.perf_counter()
        painter.draw(["A red fox in a snowy forest"], [number])
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def sheet(drawn: dict, columns: int = 8, zoom: int = 96) -> Image.Image:
    """Lay pictures out: a row a language, a column a scene, the drawn scenes last."""
    from PIL import Image

    rows = [drawn["images"][language][: 2 * columns : 2] for language in LANGUAGES]
    rows.append([Image.fromarray(image) for image in render_many(drawn["scenes"][:columns])])
    made = Image.new("RGB", (columns * (zoom + 2), len(rows) * (zoom + 2)), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            made.paste(
                image.resize((zoom, zoom), Image.BICUBIC), (x * (zoom + 2), y * (zoom + 2))
            )
    return made


def evaluate(
    weights: Path = assemble.WEIGHTS, count: int = 40, **settings
) -> tuple[dict, dict]:
    """Return all figures of the bundled 2.2 model, and what was drawn."""
    painter = Painter(weights, **settings)
    figures: dict = {**read_judge(), **read_movq(painter)}
    table, drawn = read_text(painter, count)
    figures["languages"] = table
    same, different = cosines(painter, drawn["images"])
    figures |= {"same scene": same, "different scenes": different}
    figures["seconds a picture"] = seconds_a_picture(painter)
    files = [path for path in weights.rglob("*") if path.is_file()]
    figures["megabytes"] = sum(path.stat().st_size for path in files) / 1e6
    return figures, drawn


def missed(figures: dict) -> list[str]:
    """Return a line for every bar that is not reached."""
    lines = []
    for what, bar in BARS.items():
        if what in figures and figures[what] < bar:
            lines.append(f"{what}: {figures[what]:.3f} < {bar}")
        for language, scores in figures["languages"].items():
            if what in scores and scores[what] < bar:
                lines.append(
                    f"{what} in {LANGUAGE_NAMES[language]}: {scores[what]:.3f} < {bar}"
                )
    return lines


def tables(figures: dict) -> str:
    """Return the figures as Markdown."""
    rows = [
        "| held-out scenes asked in | object | colour | place | headwear |",
        "|---|---|---|---|---|",
    ]
    for language, scores in figures["languages"].items():
        cells = " | ".join(f"{100 * scores[what]:.1f} %" for what in judge.HEADS)
        rows.append(f"| {LANGUAGE_NAMES[language]} | {cells} |")
    rows += ["", "| what | figure |", "|---|---|"]
    for what, value in figures.items():
        if what == "languages":
            continue
        share = what.startswith(("judge", "MoVQ"))
        rows.append(f"| {what} | {f'{100 * value:.1f} %' if share else f'{value:.2f}'} |")
    return "\n".join(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate from the command line; returns 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="kandi-nb mini judge", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "--scenes", type=int, default=40, help="held-out scenes (each in 5 languages, 2 seeds)"
    )
    parser.add_argument(
        "--weights", type=Path, default=assemble.WEIGHTS, help="folder with the checkpoints"
    )
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--prior-guidance", type=float, default=4.0)
    parser.add_argument("--sheet", type=Path, help="also save the contact sheet here")
    parser.add_argument(
        "--write", action="store_true", help="write the figures into the model cards"
    )
    given = parser.parse_args(argv)
    figures, drawn = evaluate(
        given.weights,
        given.scenes,
        guidance=given.guidance,
        prior_guidance=given.prior_guidance,
    )
    print(tables(figures))
    if given.sheet:
        sheet(drawn).save(given.sheet)
    if given.write:
        from .cards import write_cards

        text = json.dumps(figures, indent=2) + "\n"
        write(given.weights / "evaluation.json", text.encode(), overwrite=True)
        sheet(drawn).save(given.weights / assemble.DECODER / "contact-sheet.png", optimize=True)
        write_cards(given.weights, figures, given.scenes)
    lines = missed(figures)
    print("\n".join(["bars missed:", *lines]) if lines else "every bar is reached")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
