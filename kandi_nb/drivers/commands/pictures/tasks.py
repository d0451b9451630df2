"""A command for each task of the table: its pictures and options are those of its row."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ....words.errors import KandiError, quote
from ....words.fields import number_or_text
from ....words.tasks import INPUTS, TASKS, Input
from ..parser import Command
from .targets import add_drawing_options, draw_and_save

# Task → how its command is called, where it is not by the task's own name.
NAMES = {"generate": "draw"}
SAYS = {
    "generate": "draw what a prompt says and save it with its recipe",
    "edit": "redraw a picture as a prompt says",
    "inpaint": "repaint a part of a picture, keep the rest",
    "outpaint": "paint what lies beyond a picture's frame",
    "upscale": "enlarge a picture, and redraw a little of it",
}


def commands() -> Iterator[Command]:
    """Yield a command for each row of the table of tasks."""
    for task, row in TASKS.items():
        says = SAYS.get(task) or row.help or task
        add, run = partial(_add_options, task), partial(_run_task, task)
        yield Command(NAMES.get(task, task), says, add, run)


def _add_options(task: str, parser: argparse.ArgumentParser) -> None:
    row = TASKS[task]
    if row.starts_from_picture:
        parser.add_argument("image", metavar="IMAGE", help=INPUTS["image"].help)
    for name in (*row.inputs, *row.options):
        if name != "image":
            _add_input(parser, name, INPUTS[name])
    add_drawing_options(parser, task)


def _add_input(parser: argparse.ArgumentParser, name: str, given: Input) -> None:
    """Add the option of an input; embeddings and latents are none that a command can name."""
    if given.kind == "mask":
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument(f"--{name}", metavar="FILE", help=f"a picture: {given.help}")
        where.add_argument("--box", metavar="L,T,R,B", help="repaint this box, end exclusive")
    elif given.is_picture:
        parser.add_argument(f"--{name}", metavar="FILE", help=given.help)
    elif given.kind in ("number", "choice", "text"):
        choices = f": {', '.join(map(str, given.choices))}" if given.choices else ""
        usual = "" if given.default is None else f" (default: {given.default})"
        parser.add_argument(
            f"--{name}",
            # Numbers are none yet: the task says what is wrong in the words used everywhere.
            type=str if given.kind == "text" else number_or_text,
            metavar="N" if isinstance(given.default, int) else "TEXT",
            default=given.default,
            help=f"{given.help}{choices}{usual}",
        )


def _run_task(task: str, options: argparse.Namespace) -> None:
    from ....tasks.checks import every_task

    inputs = _inputs_of(task, options)
    _check(task, inputs)
    draw_and_save(options, every_task()[task].function, **inputs)


def _inputs_of(task: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what the options give a task beside its settings; pictures are read."""
    from ....pictures.editing.shapes import rectangle
    from ....tasks.sources import read_input

    row = TASKS[task]
    named = {n: getattr(options, n, None) for n in (*row.inputs, *row.options)}
    inputs = {
        name: read_input(name, value) if INPUTS[name].is_picture else value
        for name, value in named.items()
        if value is not None
    }
    if getattr(options, "box", None):
        inputs["mask"] = rectangle(
            inputs["image"], _numbers("box", options.box, "LEFT,TOP,RIGHT,BOTTOM")
        )
    if inputs.get("size"):
        inputs["size"] = _numbers(
            "size", inputs["size"].lower().replace("x", ","), "WIDTH,HEIGHT"
        )
    return inputs


def _check(task: str, inputs: Mapping[str, Any]) -> None:
    """Raise KandiError for inputs that no model could draw from, before one is loaded."""
    from ....pictures import masks
    from ....pictures.editing.join import check_join
    from ....tasks.depth import check_same_size
    from ....tasks.outpaint import check_margins
    from ....tasks.upscale import check_factor, enlarge
    from ....words.errors import collected_warnings

    image = inputs.get("image")
    if "join" in inputs:
        check_join(inputs["join"])
    if "mask" in inputs:
        with collected_warnings():  # the task says them again
            masks.check_mask(inputs["mask"], image)
    if image is not None and "depth" in inputs:
        check_same_size(inputs["depth"], image)
    if task == "outpaint":
        check_margins(image, **{n: v for n, v in inputs.items() if n not in ("image", "join")})
    if "factor" in inputs:
        check_factor(inputs["factor"])
        enlarge(image, inputs["factor"])


def _numbers(name: str, text: str, form: str) -> list[int]:
    """Return whole numbers between commas, as many as the form has."""
    numbers = [number_or_text(number) for number in text.split(",")]
    whole = all(isinstance(number, int) for number in numbers)
    if not whole or len(numbers) != form.count(",") + 1:
        many = {2: "two", 4: "four"}[form.count(",") + 1]
        raise KandiError(f"--{name} is {many} whole numbers, {form}, not {quote(text)}")
    return numbers
