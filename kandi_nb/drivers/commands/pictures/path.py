"""Draw the way from one text or picture to another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ....words.fields import number_or_text
from ..options import add_setting_options, loaded_as
from .mix import add_mixing_options
from .targets import params_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add both ends, the frames between them, and how they are drawn."""
    parser.add_argument("items", nargs=2, metavar="ITEM", help="a text or a picture's file")
    parser.add_argument(
        "--frames", type=number_or_text, default=24, metavar="N", help="default: 24"
    )
    parser.add_argument("--seconds", type=number_or_text, default=0.1, help="for each frame")
    add_mixing_options(parser, ".gif, .webp or .mp4")
    add_setting_options(parser, "mix", without=("count",))


def run(options: argparse.Namespace) -> None:
    """Draw the way as a film and print its path."""
    from ....tasks.embeddings.items import gather
    from ....tasks.embeddings.mixing import path
    from ...animation import animate, target_file

    params = params_of(options)
    target = target_file(options.output or Path("path.gif"), options.force)
    gather(options.items, "path")

    k = loaded_as(options).load()
    result = path(k, params, *options.items, options.frames, options.how)
    print(animate(result, target, seconds=options.seconds, overwrite=options.force))
    print(result, file=sys.stderr)
