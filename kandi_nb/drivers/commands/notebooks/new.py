"""Write a notebook of the workbook's form, to fill in."""

from __future__ import annotations

import argparse
import sys

from ....words.files import expand_path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its name and folder."""
    parser.add_argument("name", metavar="NN_NAME", help="such as 05_my_masks")
    parser.add_argument(
        "--folder", type=expand_path, help="default: the notebooks folder in use"
    )


def run(options: argparse.Namespace) -> None:
    """Write the notebook and its solutions, and print their paths."""
    from ...notebooks.new import new_notebook

    for path in new_notebook(options.name, options.folder):
        print(path)
    print("to fill them in: kandi-nb lab --originals", file=sys.stderr)
