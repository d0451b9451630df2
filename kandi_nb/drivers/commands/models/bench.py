"""Measure how long pictures take on this machine."""

from __future__ import annotations

import argparse

from ....words.fields import number_or_text
from ..options import add_loading_options, loaded_as


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is measured."""
    add_loading_options(parser)
    parser.add_argument("--steps", type=number_or_text, nargs="+", default=[10, 25])
    parser.add_argument(
        "--count", type=number_or_text, nargs="+", default=[1, 4], help="pictures"
    )
    parser.add_argument("--repeats", type=number_or_text, default=3)


def run(options: argparse.Namespace) -> None:
    """Print a row for each number of steps and pictures."""
    from ....tasks.generate import generate
    from ....words.params import Params, sweep
    from ....words.tables import Table
    from ...measure.bench import bench, check_repeats

    runs = sweep(
        Params("a red fox in a snowy forest"), steps=options.steps, count=options.count
    )
    check_repeats(options.repeats)
    rows = bench(generate, loaded_as(options).load(), runs, repeats=options.repeats)
    print(Table(rows, ("model", "steps", "count", "seconds", "per_picture", "peak_mb")))
