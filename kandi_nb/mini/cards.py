"""Write the model cards of the bundled checkpoints."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ..writing import write
from .assemble import DECODER, INPAINT, PRIOR, WEIGHTS
from .evaluate import tables

WORLD = """\
One thing (fox, cat, dog, frog, lion, bear, rabbit, owl, castle, house, car, rocket, sailboat,
mushroom, apple, butterfly) in one place (a bare backdrop, a snowy forest, space, a sunset over
mountains, a city at night, a beach, a green meadow, a cherry blossom garden), in its natural
colour or dyed red, blue, green, purple, golden or white; animals may wear a crown or a hat; as
it is, as a pencil sketch or as an oil painting. Prompts in English,
Russian, Chinese, German and French. Nothing else: it has never seen a photograph, a person
or a letter."""

HEADER = """\
---
license: apache-2.0
library_name: diffusers
language: [en, ru, zh, de, fr]
tags: [kandinsky, text-to-image]
{prior}---
# {title}

Trained from scratch by the kandi_nb project on a small drawn world, in the real diffusers
classes and under the folder name of the published checkpoint, so that code written for that one
runs on a laptop, offline, in seconds. **It is not the published model** and holds none of its
weights.

## What it can draw
{world}
"""

MADE = """\
## How it was made
`python -m kandi_nb.mini.train STAGE` on rendered scenes of the training split
(`kandi_nb/mini/world.py`); a tenth of all (object, colour, place) triples was never shown and
is what everything below is measured on. The sprites are drawn after Noto Color Emoji (images
Apache-2.0, see NOTICE).

| stage | steps | seconds | loss at the end | on |
|---|---|---|---|---|
{stages}
"""

JUDGED = """\
## How good it is
Read by the judge (`kandi_nb/mini/judge.py`, trained on renders only) from {pictures} pictures:
{scenes} held-out scenes x 5 languages x 2 seeds, 25 steps. Repeat it with `make judge`.

{tables}

"same scene" and "different scenes" are mean cosines of CLIP picture embeddings across
languages.
"""


INPAINTED = """\
## How good it is
Read by the judge from {count} held-out scenes of each task, the five languages and two seeds in
turn, 25 steps; nothing is pasted back. "put there": headwear on an animal, an object into an
empty place, another place around an object. "kept": what should have stayed, and did.

| what | figure |
|---|---|
{rows}

White in the mask is repainted. Latent cells are 8 pixels wide, and the pipeline lets what is
repainted grow by one of them.
"""


def hardware(device: str = "cpu") -> str:
    """Return in a few words what a stage trains on."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' if threads > 1 else ''}"


def record(stage: str, log: Path, trained_on: str, weights: Path = WEIGHTS) -> None:
    """Keep the end of a stage's log beside the weights, for the cards."""
    with log.open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    path = weights / "training.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known[stage] = {
        "steps": int(last["step"]),
        "seconds": int(last["seconds"]),
        "loss": float(last["loss"]),
        "hardware": trained_on,
    }
    write(path, (json.dumps(known, indent=2) + "\n").encode(), overwrite=True)


def _training(weights: Path) -> str:
    """Return what `record` kept as rows of a Markdown table."""
    known = json.loads((weights / "training.json").read_text("utf-8"))
    columns = ("steps", "seconds", "loss", "hardware")
    rows = [
        [stage, *(str(what[column]) for column in columns)] for stage, what in known.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_inpaint_card(weights: Path, figures: dict[str, float], count: int) -> None:
    """Write the card of the inpainting decoder, with `evaluate_inpaint`'s figures."""
    rows = "\n".join(f"| {what} | {100 * share:.1f} % |" for what, share in figures.items())
    title = "Kandinsky 2.2 inpainting decoder, bundled miniature"
    prior = f"prior: [kandinsky-community/{PRIOR}]\n"
    text = HEADER.format(title=title, prior=prior, world=WORLD)
    text += (
        "\n"
        + MADE.format(stages=_training(weights))
        + "\n"
        + INPAINTED.format(rows=rows, count=count)
    )
    write(weights / INPAINT / "README.md", text.encode(), overwrite=True)


def write_cards(weights: Path, figures: dict, scenes: int = 40) -> None:
    """Write ``README.md`` into the checkpoint folders, with the judge's figures."""
    body = MADE.format(stages=_training(weights)) + "\n"
    body += JUDGED.format(tables=tables(figures), scenes=scenes, pictures=scenes * 10)
    sheet = (
        "\n![Contact sheet: a row a language, a column a held-out scene](contact-sheet.png)\n\n"
        "Rows: English, Russian, Chinese, German, French, and the drawn scene itself.\n"
    )
    for name, title, prior in (
        (PRIOR, "Kandinsky 2.2 prior, bundled miniature", ""),
        (
            DECODER,
            "Kandinsky 2.2 decoder, bundled miniature",
            f"prior: [kandinsky-community/{PRIOR}]\n",
        ),
    ):
        text = HEADER.format(title=title, prior=prior, world=WORLD) + "\n" + body
        text += sheet if name == DECODER else ""
        write(weights / name / "README.md", text.encode(), overwrite=True)
