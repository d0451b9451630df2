"""Let the judge read what the bundled models draw, and write the figures into their cards.

``python -m kandi_nb.mini.evaluate [NAME…]`` evaluates the named checkpoint folders, by default
all of them, prints one table and exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...words.errors import KandiError, did_you_mean
from ...words.files import write
from ...words.tables import Table
from .. import judge, names
from ..captions import LANGUAGE_NAMES
from ..training.stage import Checkpoint
from ..training.stages import CHECKPOINTS
from ..world.render import SIZE, render_many
from ..world.scenes import Scene
from .bars import AT_SMALL, Evaluation, bar_of, reached_bars, table_of
from .cards import write_card
from .inpaint import read_depth, read_inpaint
from .mix import read_edit, read_mix
from .painter import Painter
from .text import (
    cosines,
    language_sheet,
    read_judge,
    read_movq,
    read_text,
    seconds_a_picture,
    sheet,
)

if TYPE_CHECKING:
    from PIL import Image

FILE = "evaluation.json"  # beside the checkpoint folders


def _evaluate_text(painter: Painter, count: int) -> Evaluation:
    table, drawn = read_text(painter, count)
    # A bar holds in each language: the figure is that of the worst.
    figures = {what: min(scores[what] for scores in table.values()) for what in judge.HEADS}
    figures |= read_movq(painter)
    every = [image for images in drawn["images"].values() for image in images]
    figures[f"sharpness at {painter.size} px"] = sharpness(every, drawn["scenes"])
    if painter.family == "2.2":
        figures = read_judge() | figures | cosines(painter, drawn["images"])
    edited, _ = read_edit(painter, 3 * count // 2)
    figures |= edited | {"seconds": seconds_a_picture(painter)}
    rows = f"{', '.join(LANGUAGE_NAMES.values())}, and the drawn scene"
    return Evaluation(figures, table, language_sheet(drawn), rows)


def _evaluate_mix(painter: Painter, count: int) -> Evaluation:
    figures, rows = read_mix(painter, 3 * count // 2)
    words = "two things half and half (three times cat and dog first), a picture, and the same "
    words += "thing moved by a sentence"
    rows = [rows[0][3 * count // 10 - 3 :], *rows[1:]]
    return Evaluation(figures, {}, sheet([row[:12] for row in rows]), words)


def _evaluate_inpaint(painter: Painter, count: int) -> Evaluation:
    figures, rows = read_inpaint(painter, count)
    figures["seconds"] = seconds_a_picture(painter, "inpaint")
    some = [row[i] for row in rows for i in _spread(len(row), 12)]
    picture = sheet([some[i : i + 12] for i in range(0, len(some), 12)])
    return Evaluation(figures, {}, picture, "the picture, the mask, what was painted")


def _evaluate_depth(painter: Painter, count: int) -> Evaluation:
    figures, rows = read_depth(painter, 2 * count)
    figures["seconds"] = seconds_a_picture(painter, "depth")
    picture = sheet([row[:12] for row in rows])
    return Evaluation(figures, {}, picture, "the depth map, the picture")


def _spread(total: int, count: int) -> list[int]:
    return [i * total // count for i in range(min(count, total))]


# Role of a checkpoint → what the judge reads of it.
READERS: dict[str, Callable[[Painter, int], Evaluation]] = {
    "prior": _evaluate_mix,
    "decoder": _evaluate_text,
    "inpaint": _evaluate_inpaint,
    "depth": _evaluate_depth,
}


def checkpoint(name: str) -> Checkpoint:
    """Return a checkpoint of the family by its folder's name; KandiError if there is none."""
    if name not in CHECKPOINTS:
        hint = did_you_mean(name, CHECKPOINTS)
        raise KandiError(f"unknown checkpoint {name!r}; {hint}known: {', '.join(CHECKPOINTS)}")
    return CHECKPOINTS[name]


def evaluate(
    name: str,
    weights: Path = names.WEIGHTS,
    count: int = 40,
    size: int | None = None,
    **settings: Any,
) -> Evaluation:
    """Return what the judge reads of one checkpoint, on ``count`` held-out scenes a language.

    Pictures have a side of ``size`` pixels. By default that is the checkpoint's own, and what
    draws larger ones than 64 is read at 64, too, as figures whose names begin with `AT_SMALL`.

    Raises KandiError for a name that is not in the family or whose folder is not there.
    """
    row = checkpoint(name)
    if not (weights / name / "model_index.json").exists():
        raise KandiError(
            f"no checkpoint {weights / name}: train it with python -m kandi_nb.mini.train"
        )
    painter = Painter(weights, row.family, size=size, **settings)
    evaluation = READERS[row.role](painter, count)
    evaluation.size = painter.size
    if size is None and painter.size > SIZE:
        painter.size = SIZE
        small = READERS[row.role](painter, count).figures
        evaluation.figures |= {
            AT_SMALL + what: value
            for what, value in small.items()
            if not what.startswith("judge: ")
        }
    return evaluation


def table(done: dict[str, Evaluation]) -> Table:
    """Return all figures beside their bars."""
    rows = []
    for name, evaluation in done.items():
        for what, value in evaluation.figures.items():
            good = reached_bars(what, value)
            rows.append(
                {
                    "checkpoint": name,
                    "what": what,
                    "figure": table_of(what, value),
                    "bar": "" if good is None else table_of(what, bar_of(what)),
                    "": {True: "reached", False: "MISSED", None: ""}[good],
                }
            )
    return Table(rows)


def missed_bars(done: dict[str, Evaluation]) -> list[str]:
    """Return a line for every bar that is not reached."""
    return [
        f"{name}: {what} {table_of(what, value)}, not {table_of(what, bar_of(what))}"
        for name, evaluation in done.items()
        for what, value in evaluation.figures.items()
        if reached_bars(what, value) is False
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate from the command line; returns 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="kandi-nb mini judge", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(CHECKPOINTS)} (default: all)"
    )
    parser.add_argument(
        "--scenes", type=int, default=40, help="held-out scenes (each in 5 languages, 2 seeds)"
    )
    parser.add_argument(
        "--weights", type=Path, default=names.WEIGHTS, help="folder with the checkpoints"
    )
    parser.add_argument(
        "--size",
        type=int,
        choices=(64, 128),
        help="pixels of the pictures, instead of the checkpoint's own; for a look, not a card",
    )
    parser.add_argument("--guidance", type=float, help="instead of the pipelines' default")
    parser.add_argument("--prior-guidance", type=float, default=4.0)
    parser.add_argument("--sheets", type=Path, help="a folder for copies of the contact sheets")
    parser.add_argument(
        "--no-write",
        action="store_true",
        help="print only, and leave the model cards as they are",
    )
    options = parser.parse_args(argv)
    chosen = options.names or list(CHECKPOINTS)
    settings = {"guidance": options.guidance, "prior_guidance": options.prior_guidance}
    done: dict[str, Evaluation] = {}
    try:
        for name in chosen:  # before minutes of drawing
            checkpoint(name)
        for number, name in enumerate(chosen, 1):
            print(f"{number}/{len(chosen)} {name} …", file=sys.stderr, flush=True)
            done[name] = evaluate(
                name, options.weights, options.scenes, options.size, **settings
            )
            if options.sheets and done[name].picture:
                options.sheets.mkdir(parents=True, exist_ok=True)
                done[name].picture.save(options.sheets / f"{name}.png")
            if not (options.no_write or options.size):
                keep(name, done[name], options.weights, options.scenes)
    except KandiError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(table(done))
    lines = missed_bars(done)
    print("\n".join(["bars missed:", *lines]) if lines else "every bar is reached")
    return 1 if lines else 0


def keep(name: str, evaluation: Evaluation, weights: Path, scenes: int) -> None:
    """Write one checkpoint's figures beside the weights, its contact sheet and its card."""
    path = weights / FILE
    with names.changing(weights):
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        known[name] = {
            "figures": evaluation.figures,
            "languages": evaluation.languages,
            "size": evaluation.size,
        }
        ordered = {each: known[each] for each in CHECKPOINTS if each in known}
        write(path, (json.dumps(ordered, indent=2) + "\n").encode(), overwrite=True)
        write_card(name, evaluation, weights, scenes)


if __name__ == "__main__":
    raise SystemExit(main())


def gradient_energy(pictures: Iterable[Image.Image | np.ndarray]) -> float:
    """Return the mean squared difference of neighbouring pixels, of values in 0…1.

    Pictures are PIL's or uint8 (h, w, 3); all weigh the same. Blurred ones have little.

    >>> edge = np.zeros((8, 8, 3), np.uint8)
    >>> edge[:, 4:] = 255
    >>> round(gradient_energy([edge]), 4)  # one step of seven
    0.1429
    """
    energies = []
    for picture in pictures:
        pixels = np.asarray(picture, np.float32) / 255
        energies.append(sum(float(np.square(np.diff(pixels, axis=a)).mean()) for a in (0, 1)))
    return float(np.mean(energies))


def sharpness(
    pictures: Sequence[Image.Image | np.ndarray], scenes: Sequence[Scene], draws: int = 2
) -> float:
    """Return the gradient energy of pictures ÷ that of rendered pictures of their scenes.

    Each scene is rendered as large as the pictures and ``draws`` times, from other seeds: what
    a prompt does not say differs in the pictures, too. 1 is as sharp as the world.
    """
    size = np.shape(pictures[0])[0]
    again = [replace(s, seed=s.seed + n) for s in dict.fromkeys(scenes) for n in range(draws)]
    return gradient_energy(pictures) / gradient_energy(render_many(again, size))
