"""Write the model cards of the bundled checkpoints."""

from __future__ import annotations

import textwrap
from pathlib import Path

from ...words.files import write
from .. import judge, names
from ..captions import LANGUAGE_NAMES
from ..training.stage import Checkpoint
from ..training.stages import CHECKPOINTS
from ..training.store.record import read_records
from ..world.render import SIZE
from .bars import AT_SMALL, Evaluation, bar_of, reached_bars, table_of

WORLD = """\
One thing (fox, cat, dog, frog, lion, bear, rabbit, owl, castle, house, car, rocket, sailboat,
mushroom, apple, butterfly) in one place (a bare backdrop, a snowy forest, space, a sunset over
mountains, a city at night, a beach, a green meadow, a cherry blossom garden), in its natural
colour or dyed red, blue, green, purple, golden or white; animals may wear a crown or a hat; as
it is, as a pencil sketch or as an oil painting. Prompts in English, Russian, Chinese, German
and French. Nothing else: it has never seen a photograph, a person or a letter. {sizes}"""

# Whether larger ones were learned → how large its pictures are.
_SIZES = {
    False: "Pictures of\n64 x 64 pixels.",
    True: "Pictures of\n128 x 128 pixels, or of 64 x 64 if asked.",
}

HEADER = """\
---
license: apache-2.0
library_name: diffusers
language: [en, ru, zh, de, fr]
tags: [kandinsky, {tag}]
{prior}---
# {title}, bundled miniature

Trained from scratch by the kandi_nb project on a small drawn world, in the real diffusers
classes and under the folder name of the published checkpoint, so that code written for that one
runs on a laptop, offline, in seconds. **It is not the published model** and holds none of its
weights.

{about}

## What it can draw
{world}

## How it was made
`python -m kandi_nb.mini.train STAGE` on rendered scenes of the training split
(`kandi_nb/mini/world`); a tenth of all (object, colour, place) triples was never shown and
is what everything below is measured on. The sprites are drawn after Noto Color Emoji (images
Apache-2.0, see NOTICE). The project's `docs/training-log.md` tells what was tried on the way.

{stages}

## How good it is
{how}

{figures}
"""


_SECONDS = (
    " “seconds” are those of one picture of 25 steps, all stages, on two CPU cores after "
    "loading, as kandi_nb draws it: the median of five. Diffusers alone also works on the "
    "prior's padding and convolves otherwise, which takes longer."
)
_TEXT = (
    "Read by the judge (`kandi_nb/mini/judge.py`, trained on renders only) from {scenes} "
    "held-out scenes x 5 languages x 2 seeds, 25 steps; a figure without a language is that "
    "of the worst one. “edit” asks image-to-image at strength 0.5 for another colour; “MoVQ” "
    "is the share of reconstructions that are read as the originals." + _SECONDS
)
_INPAINT = (
    "Read by the judge from {scenes} held-out scenes of each task, the five languages and two "
    "seeds in turn, 25 steps; nothing is pasted back. “put there”: headwear on an animal, an "
    "object into an empty place, another place around an object. “kept”: what should have "
    "stayed, and did." + _SECONDS
)
_MIX = (
    "Its embeddings are judged by what the decoder draws of them. “mix”: two sentences about "
    "one thing each, half and half, and both things are among the judge's first three words "
    "(“by chance”: the same where only one of the two was asked for). "
    "“picture + text”: half a picture, half a sentence about a place, and the picture's thing "
    "stands in the sentence's place."
)
_DEPTH = (
    "Read by the judge from two times {scenes} held-out scenes, the five languages and two "
    "seeds in turn, 25 steps. “silhouette IoU” is the overlap of the asked and the drawn "
    "object, on the bare backdrop, where all that differs from it is object; white and natural "
    "things, which it could resemble, are left out." + _SECONDS
)
# Role of a checkpoint → its tag on the hub, and how its figures are read.
KINDS = {
    "prior": ("prior", _MIX),
    "decoder": ("text-to-image", _TEXT),
    "inpaint": ("inpainting", _INPAINT),
    "depth": ("controlnet", _DEPTH),
}


def _prior_of(card: Checkpoint) -> str | None:
    """Return the folder of the prior that a decoder needs."""
    priors = [
        other.name
        for other in CHECKPOINTS.values()
        if other.family == card.family and other.role == "prior"
    ]
    return priors[0] if priors and card.name not in priors else None


def _training(weights: Path, stages: str) -> str:
    """Return what is recorded of some stages as a Markdown table.

    Under "began" stands with which earlier weights a stage began, if it did: its own, or those
    of another stage as it then was.
    """
    known = read_records(weights)
    rows = [
        "| stage | steps | seconds | loss at the end | on | began with |",
        "|---|---|---|---|---|---|",
    ]
    for stage in stages.split():
        if stage in known:
            end = known[stage]
            cells = [stage, *(str(end[c]) for c in ("steps", "seconds", "loss", "hardware"))]
            rows.append(f"| {' | '.join(cells)} | {end.get('began', '–')} |")
    return "\n".join(rows)


def _figures(evaluation: Evaluation) -> str:
    """Return what was read as Markdown tables."""
    rows = []
    if evaluation.languages:
        rows += ["| asked in | object | colour | place | headwear |", "|---|---|---|---|---|"]
        for language, scores in evaluation.languages.items():
            cells = " | ".join(f"{100 * scores[what]:.1f} %" for what in judge.HEADS)
            rows.append(f"| {LANGUAGE_NAMES[language]} | {cells} |")
        rows.append("")
    rows += ["| what | figure | bar | |", "|---|---|---|---|"]
    for what, value in evaluation.figures.items():
        good = reached_bars(what, value)
        bar = "" if good is None else table_of(what, bar_of(what))
        rows.append(f"| {what} | {table_of(what, value)} | {bar} | {_VERDICTS[good]} |")
    return "\n".join(rows)


_VERDICTS = {True: "reached", False: "**missed**", None: ""}


def write_card(name: str, evaluation: Evaluation, weights: Path, scenes: int) -> None:
    """Write a checkpoint's ``README.md`` and contact sheet from what the judge read of it.

    Call it inside `names.changing`, so that the folder is not replaced meanwhile.
    """
    from PIL import Image

    card = CHECKPOINTS[name]
    tag, how = KINDS[card.role]
    prior, how = _prior_of(card), how.format(scenes=scenes)
    if any(what.startswith(AT_SMALL) for what in evaluation.figures):
        how += f" “{AT_SMALL}…” is the same of pictures of 64 x 64 pixels."
    how += f" Repeat it with `python -m kandi_nb.mini.evaluate {name}`."
    text = HEADER.format(
        title=card.title,
        tag=tag,
        about=textwrap.fill(card.about, 92),
        world=WORLD.format(sizes=_SIZES[evaluation.size > SIZE]),
        prior=f"prior: [{names.PUBLISHER}/{prior}]\n" if prior else "",
        stages=_training(weights, card.stages),
        how=textwrap.fill(how, 92, break_on_hyphens=False),
        figures=_figures(evaluation),
    )
    folder = weights / name
    folder.mkdir(parents=True, exist_ok=True)
    if evaluation.picture:
        # 256 colours are enough for a look, and a third of the bytes.
        few = evaluation.picture.convert("RGB").quantize(
            256, kmeans=3, dither=Image.Dither.NONE
        )
        few.save(folder / SHEET, optimize=True)
        text += f"\n![Contact sheet]({SHEET})\n\nRows: {evaluation.rows}.\n"
    write(folder / "README.md", text.encode(), overwrite=True)


SHEET = "contact-sheet.png"
