"""Write the model cards of the bundled checkpoints."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from ..writing import write
from . import judge, names
from .captions import LANGUAGE_NAMES
from .evaluate import BARS, Evaluation, reached, shown
from .record import recorded

WORLD = """\
One thing (fox, cat, dog, frog, lion, bear, rabbit, owl, castle, house, car, rocket, sailboat,
mushroom, apple, butterfly) in one place (a bare backdrop, a snowy forest, space, a sunset over
mountains, a city at night, a beach, a green meadow, a cherry blossom garden), in its natural
colour or dyed red, blue, green, purple, golden or white; animals may wear a crown or a hat; as
it is, as a pencil sketch or as an oil painting. Prompts in English, Russian, Chinese, German
and French. Nothing else: it has never seen a photograph, a person or a letter. Pictures of
64 x 64 pixels."""

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
(`kandi_nb/mini/world.py`); a tenth of all (object, colour, place) triples was never shown and
is what everything below is measured on. The sprites are drawn after Noto Color Emoji (images
Apache-2.0, see NOTICE). The project's `docs/training-log.md` tells what was tried on the way.

{stages}

## How good it is
{how}

{figures}
"""


@dataclass(frozen=True)
class Card:
    """What a card says that figures do not: ``stages`` are those whose weights it holds."""

    title: str
    tag: str
    about: str
    stages: str
    how: str
    prior: str | None = None


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
_MASKS = (
    "White in the mask is repainted. Latent cells are 8 pixels wide, and the pipeline lets "
    "what is repainted grow by one of them."
)
_MIX = (
    "Its embeddings are judged by what the decoder draws of them. “mix”: two sentences about "
    "one thing each, half and half, and both things are among the judge's first three words "
    "(“by chance”: the same where only one of the two was asked for). "
    "“picture + text”: half a picture, half a sentence about a place, and the picture's thing "
    "stands in the sentence's place."
)
_PRIOR = (
    "CLIP, made anew for five languages, and the diffusion prior that turns a sentence into "
    "the embedding of a picture. The priors of 2.1 and 2.2 are the same here. Of two things "
    "mixed half and half, the decoders draw the left half of one beside the right half of the "
    "other; a sentence without a thing gives its place."
)
_COMMON = "judge clip movq movq-decoder"

CARDS = {
    names.PRIOR: Card("Kandinsky 2.2 prior", "prior", _PRIOR, "judge clip prior", _MIX),
    names.PRIOR_21: Card("Kandinsky 2.1 prior", "prior", _PRIOR, "judge clip prior", _MIX),
    names.DECODER: Card(
        "Kandinsky 2.2 decoder",
        "text-to-image",
        "The decoder draws from a picture embedding alone; it reads no text.",
        f"{_COMMON} decoder-2.2",
        _TEXT,
        names.PRIOR,
    ),
    names.INPAINT: Card(
        "Kandinsky 2.2 inpainting decoder",
        "inpainting",
        _MASKS,
        f"{_COMMON} decoder-2.2 inpaint-2.2",
        _INPAINT,
        names.PRIOR,
    ),
    names.DEPTH: Card(
        "Kandinsky 2.2 depth decoder",
        "controlnet",
        "The hint is the scene's depth, the same in three channels: 0 far, 1 near.",
        f"{_COMMON} decoder-2.2 depth-2.2",
        "Read by the judge from two times {scenes} held-out scenes, the five languages and two "
        "seeds in turn, 25 steps. “silhouette IoU” is the overlap of the asked and the drawn "
        "object, on the bare backdrop, where all that differs from it is object; white and "
        "natural things, which it could resemble, are left out." + _SECONDS,
        names.PRIOR,
    ),
    names.DECODER_21: Card(
        "Kandinsky 2.1 decoder",
        "text-to-image",
        "The decoder is told the text itself beside the picture embedding: a small XLM-R "
        "(`MultilingualCLIP`) reads it. `ddpm_scheduler` holds a second scheduler, as in the "
        "published one.",
        f"{_COMMON} text-2.1 decoder-2.1",
        _TEXT,
        names.PRIOR_21,
    ),
    names.INPAINT_21: Card(
        "Kandinsky 2.1 inpainting decoder",
        "inpainting",
        _MASKS,
        f"{_COMMON} text-2.1 inpaint-2.1",
        _INPAINT,
        names.PRIOR_21,
    ),
    names.KANDINSKY_3: Card(
        "Kandinsky 3",
        "text-to-image",
        "A small T5 reads the text, and the decoder draws from its states: there is no prior. "
        "The files of the `fp16` variant hold the same bytes as the plain ones, which are "
        "half precision too.",
        "judge clip movq movq-decoder text-3 decoder-3",
        _TEXT,
    ),
}


def _training(weights: Path, stages: str) -> str:
    """Return what is recorded of some stages as a Markdown table.

    Under "began" stands with which earlier weights a stage began, if it did: its own, or those
    of another stage as it then was.
    """
    known = recorded(weights)
    rows = [
        "| stage | steps | seconds | loss at the end | on | began with |",
        "|---|---|---|---|---|---|",
    ]
    for stage in stages.split():
        if stage in known:
            what = known[stage]
            cells = [stage, *(str(what[c]) for c in ("steps", "seconds", "loss", "hardware"))]
            rows.append(f"| {' | '.join(cells)} | {what.get('began', '–')} |")
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
        good = reached(what, value)
        bar = "" if good is None else shown(what, BARS[what])
        rows.append(f"| {what} | {shown(what, value)} | {bar} | {_VERDICTS[good]} |")
    return "\n".join(rows)


_VERDICTS = {True: "reached", False: "**missed**", None: ""}


def write_card(name: str, evaluation: Evaluation, weights: Path, scenes: int) -> None:
    """Write a checkpoint's ``README.md`` and contact sheet from what the judge read of it.

    Call it inside `names.changing`, so that the folder is not replaced meanwhile.
    """
    from PIL import Image

    card = CARDS[name]
    how = card.how.format(scenes=scenes)
    how += f" Repeat it with `python -m kandi_nb.mini.evaluate {name}`."
    text = HEADER.format(
        title=card.title,
        tag=card.tag,
        about=textwrap.fill(card.about, 92),
        world=WORLD,
        prior=f"prior: [kandinsky-community/{card.prior}]\n" if card.prior else "",
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
