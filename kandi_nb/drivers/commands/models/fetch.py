"""Download a published model, or go on, and verify it."""

from __future__ import annotations

import argparse

from ..terminal import FAILED, say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the model's name."""
    parser.add_argument("model", metavar="MODEL", help="a key that `kandi-nb models` lists")


def run(options: argparse.Namespace) -> int:
    """Fetch the model's files and print where they lie."""
    from ....model.find import fetch
    from ....model.hub import NotFetched
    from ....model.integrity import Damaged

    try:
        print(fetch(options.model))
    except (NotFetched, Damaged) as error:
        say(str(error))
        return FAILED
    return 0
