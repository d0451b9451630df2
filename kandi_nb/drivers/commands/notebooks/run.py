"""Run notebooks without a browser, by number or name, or all."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....words.errors import KandiError
from ....words.fields import number_or_text
from ....words.files import expand_path
from ..terminal import FAILED, clear_line, progress_line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add which notebooks, their parameters, and where what they make goes."""
    parser.add_argument(
        "notebooks", nargs="+", metavar="NOTEBOOK", help='"03", a path, or "all"'
    )
    parser.add_argument(
        "-p", dest="pairs", action="append", default=[], metavar="NAME=VALUE",
        help="set a parameter of the notebooks that have it; again for another one",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=expand_path, default=Path("outputs"), help="default: outputs"
    )
    parser.add_argument(
        "--timeout", type=number_or_text, metavar="SECONDS", default=600, help="for each cell"
    )
    parser.add_argument(
        "--junit", type=expand_path, metavar="FILE", help="also write a JUnit XML report"
    )


def run(options: argparse.Namespace) -> int:
    """Run notebooks, and print how they ended; 1 where one failed."""
    from ....words.files import writable, write
    from ....words.tables import Table
    from ...notebooks.run import find, notebook_paths, output_folder, run_notebooks
    from ...notebooks.runs.gallery import junit, write_gallery
    from ...notebooks.runs.jobs import GALLERY

    everything = options.notebooks == ["all"]
    chosen = notebook_paths() if everything else [*map(find, options.notebooks)]
    parameters = _parameters(chosen, options.pairs)
    page = output_folder(options.out) / GALLERY
    for file in filter(None, (page, options.junit)):
        if os.path.isdir(file):
            raise KandiError(f"{file} is a folder where a file is to be written; move it away")
    if options.junit:
        writable(options.junit.parent)
    runs = run_notebooks(
        None if everything else options.notebooks,
        parameters,
        out=options.out,
        timeout=options.timeout,
        progress=progress_line(),
    )
    clear_line()
    if len(runs) == 1:
        print(runs[0])
    else:
        rows = [
            {
                "notebook": run.notebook,
                "status": run.verdict,
                "seconds": f"{run.seconds:.1f}",
                "pictures": run.pictures,
            }
            for run in runs
        ]
        print(Table(rows))
        for run in runs:
            if not run.ok:
                print(f"{run.notebook}: {run.reason}{run.where_to_look}")
    if options.junit:
        print(f"report: {write(options.junit, junit(runs), overwrite=True)}")
    write_gallery(runs, page, merge=True)
    print(f"gallery: {options.out / GALLERY}")
    return FAILED if any(not run.ok for run in runs) else 0


def _parameters(chosen: Sequence[Path], pairs: Sequence[str]) -> dict[str, Any] | None:
    """Return the parameters that `pairs` say, typed as those notebooks do that have them."""
    from ...notebooks.run import defaults, from_text

    if not pairs:
        return None
    values: dict[str, Any] = {}
    for path in chosen:
        known, read = defaults(path), from_text(path, pairs)
        for name in known.keys() & read.keys():
            if values.setdefault(name, read[name]) != read[name]:
                raise KandiError(
                    f"these notebooks read {name} differently; run them one after the other"
                )
    # What none has is named by the runner, with the nearest name that there is.
    return from_text(chosen[0], pairs) | values if chosen else None
