"""Where a command writes its pictures, which is looked at before anything is drawn."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....words.errors import KandiError
from ....words.fields import FIELDS
from ....words.files import expand_path
from ..options import add_loading_options, add_setting_options, loaded_as
from ..terminal import check_free

if TYPE_CHECKING:
    from ....pictures.result import Result
    from ....words.params import Params

EXAMPLE = "fox.png"


def add_output_options(parser: argparse.ArgumentParser, ending: str = ".png") -> None:
    """Add the file to write, and whether it may be replaced."""
    parser.add_argument(
        "-o", "--output", type=expand_path, metavar="FILE", help=f"a {ending} file to write"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def add_drawing_options(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the prompt and the options of a command that makes pictures by a task."""
    parser.add_argument("prompt", help=FIELDS["prompt"].help)
    add_output_options(parser)
    parser.add_argument(
        "--no-inputs", action="store_true", help="leave the original pictures out of FILE"
    )
    add_loading_options(parser)
    add_setting_options(parser, task)


def params_of(options: argparse.Namespace) -> Params:
    """Return the settings that the options say."""
    from ....words.params import Params

    return Params(**{name: getattr(options, name) for name in FIELDS if hasattr(options, name)})


def draw_and_save(
    options: argparse.Namespace, task: Callable[..., Result], **inputs: Any
) -> None:
    """Run a task with the options' settings, write its pictures and print their paths."""
    params = params_of(options)
    target = _png_target(options, params.count)

    from ....model.progress import in_log

    with in_log():
        result = task(loaded_as(options).load(), params, **inputs)
    travel = not getattr(options, "no_inputs", False)
    # Only paths go to the output, for the next command.
    with contextlib.redirect_stdout(sys.stderr):
        if target is None:
            paths = result.save(Path.cwd(), inputs=travel)
        else:
            paths = _write_pngs(result, _paths_for(target, len(result)), travel, options.force)
    for path in paths:
        print(path)
    print(result, file=sys.stderr)
    if result.proof:
        print(result.proof, file=sys.stderr)


def _write_pngs(result: Result, targets: list[Path], travel: bool, force: bool) -> list[Path]:
    """Write each picture to its file."""
    from ....pictures.recipe import png_bytes
    from ....words.files import write

    if travel:
        result.announce_inputs("--no-inputs")
    every = zip(targets, result.images, result.recipes, result.inputs, strict=True)
    return [
        write(path, png_bytes(image, recipe, given if travel else None), overwrite=force)
        for path, image, recipe, given in every
    ]


def _png_target(options: argparse.Namespace, count: int) -> Path | None:
    """Return the file to write, having made sure before any drawing that it can be."""
    from ....words.files import writable

    if options.output is None:
        writable(Path.cwd())
        return None
    target = expand_path(options.output)
    if target.name.lower() == ".png":
        raise KandiError(f"{target} has no name before the ending; write -o {EXAMPLE}")
    if target.suffix.lower() != ".png":
        raise KandiError(f"{target} must end in .png: only PNG files can hold the recipe")
    for path in map(expand_path, _paths_for(target, count)):
        check_free(path, options.force, EXAMPLE)
    writable(target.parent)
    return target


def _paths_for(target: Path, count: int) -> list[Path]:
    """Return one path for each picture: the target itself, or target-1, target-2…"""
    if count == 1:
        return [target]
    return [target.with_stem(f"{target.stem}-{n}") for n in range(1, count + 1)]
