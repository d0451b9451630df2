"""Draw a table of prompts so that nothing can be lost."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from ....words.errors import Cancelled
from ....words.fields import FIELDS, number_or_text
from ....words.files import expand_path
from ..options import add_loading_options, add_setting_option, loaded_as, loading
from ..terminal import FAILED, INTERRUPTED, say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the table, how it is drawn, the model, and settings, which fill empty cells."""
    parser.add_argument(
        "table", metavar="TABLE", help="a .csv, .jsonl, .yaml or .txt; columns are settings"
    )
    parser.add_argument("--task", default="generate", help="default: generate")
    parser.add_argument(
        "--out", type=expand_path, default=Path("outputs/batch"), metavar="DIR",
        help="folder of the pictures; one that holds some is gone on with",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=number_or_text, default=1, metavar="N", help="processes, a model each"
    )
    parser.add_argument("--engine", help="ray: draw on a cluster")
    parser.add_argument("--address", metavar="HOST:PORT", help="of the cluster")
    parser.add_argument(
        "--retry", type=number_or_text, default=1, metavar="N", help="tries more for what fails"
    )
    parser.add_argument(
        "--sample",
        type=number_or_text,
        metavar="N",
        help="so many combinations of each template",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be drawn and how long it takes"
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="first read every byte of what is there, and draw anew what was changed",
    )  # fmt: skip
    parser.add_argument(
        "--no-inputs", action="store_true", help="leave the original pictures out of the files"
    )
    add_loading_options(parser)
    for name, setting in FIELDS.items():
        add_setting_option(parser, name, setting, of_rows=True)


def run(options: argparse.Namespace) -> int:
    """Draw the table; 1 where a row failed, 130 after Ctrl-C."""
    from ....model.progress import in_log
    from ...batches.batch import batch

    given = {name: getattr(options, name) for name in FIELDS if hasattr(options, name)}
    try:
        with in_log(), contextlib.redirect_stdout(sys.stderr):
            done = batch(
                options.task,
                # By its name alone, where nothing else is said: who only counts loads nothing.
                loaded_as(options).load() if loading(options) else options.model,
                options.table,
                out=options.out,
                workers=options.workers,
                engine=options.engine,
                address=options.address,
                retry=options.retry,
                sample=options.sample,
                defaults=given,
                dry_run=options.dry_run,
                inputs=not options.no_inputs,
                verify=options.verify,
            )
    except (Cancelled, KeyboardInterrupt) as error:
        # Ours say how to go on; an interrupt before anything was drawn has no words.
        say(str(error) or "stopped")
        return INTERRUPTED
    print(done)
    return FAILED if done.failed else 0
