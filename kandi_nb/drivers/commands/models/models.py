"""List the models, their sizes and licences."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the model to tell more of."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="list what this one draws")


def run(options: argparse.Namespace) -> None:
    """Print the table of models, or the words that one of them knows."""
    from ....words.models import models, spec

    print(spec(options.model).vocabulary if options.model else models())
