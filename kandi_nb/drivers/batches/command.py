"""The command that draws a table: `kandi-nb batch prompts.csv --task edit --out DIR`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from ...words.errors import Cancelled
from ...words.fields import FIELDS

FAILED, INTERRUPTED = 1, 130


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside the model and the settings, which fill empty cells."""
    parser.add_argument(
        "table", metavar="TABLE", help="a .csv, .jsonl, .yaml or .txt; columns are settings"
    )
    parser.add_argument("--task", default="generate", help="default: generate")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/batch"), metavar="DIR",
        help="folder of the pictures; one that holds some is gone on with",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes, a model each"
    )
    parser.add_argument("--engine", help="ray: draw on a cluster")
    parser.add_argument("--address", metavar="HOST:PORT", help="of the cluster")
    parser.add_argument(
        "--retry", type=int, default=1, metavar="N", help="tries more for what fails"
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="so many combinations of each template"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be drawn and how long it takes"
    )
    parser.add_argument(
        "--no-inputs", action="store_true", help="leave the original pictures out of the files"
    )


def batch(options: argparse.Namespace) -> int:
    """Draw the table; 1 where a row failed, 130 after Ctrl-C."""
    from ...model.progress import in_log
    from ...words.params import Params
    from .batch import batch

    given = {name: getattr(options, name) for name in FIELDS if hasattr(options, name)}
    try:
        with in_log(), contextlib.redirect_stdout(sys.stderr):
            done = batch(
                options.task,
                _model(options),
                options.table,
                out=options.out,
                workers=options.workers,
                engine=options.engine,
                address=options.address,
                retry=options.retry,
                sample=options.sample,
                defaults=Params(**given),
                device=None if options.adapter else options.device,
                dry_run=options.dry_run,
                inputs=not options.no_inputs,
            )
    except (Cancelled, KeyboardInterrupt) as error:
        # Ours say how to go on; an interrupt before anything was drawn has no words.
        print(f"kandi-nb: {str(error) or 'stopped'}", file=sys.stderr)
        return INTERRUPTED
    print(done)
    return FAILED if done.failed else 0


def _model(options: argparse.Namespace) -> Any:
    """Return the model's key or folder, or the model itself where it has adapters."""
    if not options.adapter:
        return options.model
    from ...model.adapters.scales import scales_of
    from ...model.loading.load import load

    return load(options.model, device=options.device, adapter=scales_of(options.adapter))
