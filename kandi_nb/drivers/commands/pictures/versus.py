"""Draw the same prompt with several models in turn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ....words.fields import FIELDS
from ....words.files import expand_path
from ..options import add_loading_options, add_setting_options, loading
from .targets import params_of

GENERATIONS = ["mini-2.1", "mini-2.2", "mini-3"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the prompt, the models, and the settings."""
    parser.add_argument("prompt", help=FIELDS["prompt"].help)
    parser.add_argument(
        "-o", "--output", type=expand_path, metavar="FOLDER", help="a sub-folder for each model"
    )
    add_loading_options(parser, models=GENERATIONS)
    add_setting_options(parser, "generate")


def run(options: argparse.Namespace) -> None:
    """Draw with each of the models, print the pictures' paths, and what each took."""
    from ....words.files import writable

    params = params_of(options)
    folder = writable(options.output or Path.cwd())

    from ....model.progress import in_log
    from ....tasks.versus import versus

    with in_log():
        comparison = versus(params, options.models, **loading(options))
    for path in comparison.save(folder):
        print(path)
    print(comparison, file=sys.stderr)
