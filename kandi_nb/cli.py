"""The command kandi-nb: exit code 0 when all went well, 1 when it failed, 2 for bad input."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .drivers import commands, painting, teaching
from .drivers.batches import command as batches
from .drivers.client import URL
from .drivers.options import (
    DEVICES,
    add_adapter_option,
    add_machine_options,
    add_model_option,
    add_painting_options,
    add_setting_option,
    add_setting_options,
)
from .drivers.service.options import add_options
from .drivers.studio import command as pages
from .model.threads import wait_passively
from .pictures.join import WAYS
from .words.errors import Cancelled, KandiError, KandiWarning
from .words.fields import FIELDS, number_or_text

GENERATIONS = ["mini-2.1", "mini-2.2", "mini-3"]
BAD_INPUT, INTERRUPTED = 2, 130

# Tools of the bundled model: they read their own words, `kandi-nb mini train --help` included.
MINI_TOOLS = {
    "export": ("kandi_nb.mini.export", "write its folders as the publisher lays them out"),
    "train": ("kandi_nb.mini.train", "train a part of it anew"),
    "judge": ("kandi_nb.mini.evaluate", "let the judge read what it draws"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's own) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    code = _run(words)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()  # at the exit of Python nobody could say that this fails
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        return _unwritten(error)
    return code


def _run(words: list[str]) -> int:
    # A prompt in Russian must not end in an error on a terminal that knows Latin only.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _plain_warning
            if len(words) > 1 and words[0] == "mini" and words[1] in MINI_TOOLS:
                tool = importlib.import_module(MINI_TOOLS[words[1]][0])
                return int(tool.main(words[2:]) or 0)
            wait_passively(os.environ)
            options = _parser().parse_args(words)
            return int(options.command(options) or 0)
    except (KeyboardInterrupt, Cancelled):
        _say("stopped")
        return INTERRUPTED
    except KandiError as error:
        from .drivers.notebooks.run import NotebookFailed

        _say(str(error))
        return commands.FAILED if isinstance(error, NotebookFailed) else BAD_INPUT
    except BrokenPipeError:  # the reader went away, as in `kandi-nb models | head -1`
        _drop_output()
        return 0
    except OSError as error:
        return _unwritten(error)
    except SystemExit as error:  # argparse: 0 after --help, 2 after words it does not know
        return error.code if isinstance(error.code, int) else BAD_INPUT


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # where no error can be written, the exit code says it
        print(f"kandi-nb: {message}", file=sys.stderr)


def _unwritten(error: OSError) -> int:
    """Say what the system refused, such as output to a full disk, and return the exit code."""
    place = "" if error.filename is None else f" ({error.filename})"
    _say(f"cannot go on: {error.strerror or error}{place}")
    _drop_output()
    return commands.FAILED


def _drop_output() -> None:
    """Send what is left of the output nowhere, for at its exit Python writes it once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kandi-nb", description="Kandinsky picture models, from the command line."
    )
    from . import __version__

    parser.add_argument("--version", action="version", version=f"kandi_nb {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Any, text: str) -> argparse.ArgumentParser:
        made = group.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(command=command)
        return made

    add(
        "check", commands.check, "check this machine and say what to type if something is wrong"
    )
    listing = add("models", commands.models, "list the models, their sizes and licences")
    listing.add_argument("model", nargs="?", metavar="MODEL", help="list what this one draws")

    fetch = add("fetch", commands.fetch, "download a published model, or go on, and verify it")
    fetch.add_argument("model", metavar="MODEL", help="a key that `kandi-nb models` lists")

    draw = add("draw", painting.draw, "draw what a prompt says and save it with its recipe")
    draw.add_argument("--depth", metavar="FILE", help="a depth map to follow: white is near")
    add_painting_options(draw, "generate")

    edit = add("edit", painting.edit, "redraw a picture as a prompt says")
    edit.add_argument("image", metavar="IMAGE", help="the picture to start from")
    edit.add_argument("--depth", metavar="FILE", help="its depth map to follow: white is near")
    add_painting_options(edit, "edit")

    inpaint = add("inpaint", painting.inpaint, "repaint a part of a picture, keep the rest")
    inpaint.add_argument("image", metavar="IMAGE", help="the picture to start from")
    where = inpaint.add_mutually_exclusive_group(required=True)
    where.add_argument("--mask", metavar="FILE", help="a picture: white is repainted")
    where.add_argument("--box", metavar="L,T,R,B", help="repaint this box, end exclusive")
    inpaint.add_argument("--join", default=WAYS[0], help=f"{', '.join(WAYS)}: see kn.inpaint")
    add_painting_options(inpaint, "inpaint")

    versus = add("versus", painting.versus, "draw the same prompt with several models in turn")
    versus.add_argument("prompt", help=FIELDS["prompt"].help)
    versus.add_argument(
        "--models", nargs="+", metavar="MODEL", default=GENERATIONS,
        help=f"keys or folders (default: {' '.join(GENERATIONS)})",
    )  # fmt: skip
    versus.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="a sub-folder for each model"
    )
    versus.add_argument("--device", help=DEVICES)
    add_setting_options(versus, "generate")

    outpaint = add("outpaint", painting.outpaint, "paint what lies beyond a picture's frame")
    outpaint.add_argument("image", metavar="IMAGE", help="the picture to go on from")
    for side in ("left", "right", "top", "bottom"):
        outpaint.add_argument(
            f"--{side}", type=number_or_text, metavar="N", default=0, help="pixels to add there"
        )
    outpaint.add_argument("--aspect", metavar="W:H", help="grow to this shape, such as 16:9")
    outpaint.add_argument("--size", metavar="W,H", help="grow to this size")
    outpaint.add_argument("--join", default=WAYS[0], help=f"{', '.join(WAYS)}: see kn.outpaint")
    add_painting_options(outpaint, "outpaint")

    upscale = add("upscale", painting.upscale, "enlarge a picture, and redraw a little of it")
    upscale.add_argument("image", metavar="IMAGE", help="the picture to enlarge")
    upscale.add_argument(
        "--factor", type=number_or_text, metavar="N", default=2, help="2, 3 or 4 (default: 2)"
    )
    add_painting_options(upscale, "upscale")

    strip = add(
        "strip", painting.strip, "take the original pictures out of a file, keep their hashes"
    )
    strip.add_argument("file", metavar="FILE", help="a .png file that kandi_nb wrote")
    strip.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: FILE-stripped.png"
    )
    strip.add_argument("--force", action="store_true", help="replace the file if it exists")

    mix = add("mix", painting.mix, "draw a mixture of texts and pictures")
    mix.add_argument("items", nargs="+", metavar="ITEM", help="a text or a picture's file")
    mix.add_argument(
        "--weights",
        nargs="+",
        type=number_or_text,
        metavar="N",
        help="one an item (default: equal)",
    )
    path = add("path", painting.path, "draw the way from one text or picture to another")
    path.add_argument("items", nargs=2, metavar="ITEM", help="a text or a picture's file")
    path.add_argument(
        "--frames", type=number_or_text, default=24, metavar="N", help="default: 24"
    )
    path.add_argument("--seconds", type=number_or_text, default=0.1, help="for each frame")
    for mixing, ending in ((mix, ".png"), (path, ".gif, .webp or .mp4")):
        mixing.add_argument("--how", default="mean", help="mean (default), slerp or sum")
        add_model_option(mixing)
        mixing.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help=f"a {ending} file to write"
        )
        mixing.add_argument("--force", action="store_true", help="replace FILE if it exists")
        add_machine_options(mixing)
        add_setting_options(mixing, "mix", without=("count",) if mixing is path else ())

    teach = add("teach", teaching.teach, "teach a model what pictures show, as an adapter file")
    teaching.add_options(teach)
    add_model_option(teach)
    teach.add_argument("--device", help=DEVICES)

    batch = add("batch", batches.batch, "draw a table of prompts so that nothing can be lost")
    batches.add_options(batch)
    add_model_option(batch)
    batch.add_argument("--device", help=DEVICES)
    add_adapter_option(batch)
    for name, setting in FIELDS.items():
        add_setting_option(batch, name, setting)

    run = add("run", commands.run, "run notebooks without a browser, by number or name, or all")
    run.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", help='"03", a path, or "all"')
    run.add_argument(
        "-p", dest="pairs", action="append", default=[], metavar="NAME=VALUE",
        help="set a parameter that each of the notebooks has; again for another one",
    )  # fmt: skip
    run.add_argument("--out", type=Path, default=Path("outputs"), help="default: outputs")
    run.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=600, help="for each cell"
    )
    run.add_argument("--junit", type=Path, metavar="FILE", help="also write a JUnit XML report")

    new = add("new", commands.new, "write a notebook of the workbook's form, to fill in")
    new.add_argument("name", metavar="NN_NAME", help="such as 05_my_masks")
    new.add_argument("--folder", type=Path, help="default: the notebooks folder in use")

    lab = add(
        "lab", commands.lab, "open JupyterLab on copies of the notebooks, for this machine only"
    )
    which = lab.add_mutually_exclusive_group()
    which.add_argument(
        "--fresh", action="store_true", help="begin with new copies; yours are kept aside"
    )
    which.add_argument(
        "--originals", action="store_true", help="open the notebooks themselves, to write them"
    )
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument("--port", type=int, help="default: 8888 or the next free one")

    serve = add("serve", commands.serve, "draw for others over HTTP, until it is told to end")
    add_model_option(serve)
    serve.add_argument("--device", help=DEVICES)
    add_options(serve)

    page = add("studio", commands.studio, "serve every task as a page for browsers, by Voilà")
    add_model_option(page)
    pages.add_options(page, URL)

    measure = add("bench", commands.bench, "measure how long pictures take on this machine")
    add_model_option(measure)
    measure.add_argument("--steps", type=int, nargs="+", default=[10, 25])
    measure.add_argument("--count", type=int, nargs="+", default=[1, 4], help="pictures")
    measure.add_argument("--repeats", type=int, default=3)

    mini = add("mini", None, "the bundled model: export, train, judge")
    tools = mini.add_subparsers(title="tools", metavar="TOOL", required=True)
    for name, (_, text) in MINI_TOOLS.items():
        tools.add_parser(name, help=f"{text} (kandi-nb mini {name} --help)")
    return parser


def _plain_warning(message: Any, category: type, *rest: Any, **named: Any) -> None:
    # Ours are meant for the user; what libraries warn of, the user of a command cannot mend.
    if issubclass(category, KandiWarning):
        _say(str(message))


if __name__ == "__main__":
    sys.exit(main())
