"""Run notebooks that learners handed in, with our checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ....words.fields import number_or_text
from ....words.files import expand_path
from ..terminal import FAILED


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the folder of what was handed in, and where the table goes."""
    parser.add_argument(
        "folder", type=expand_path, metavar="DIR", help="a folder a learner in it"
    )
    parser.add_argument("--out", type=expand_path, default=Path("outputs/handed-in"))
    parser.add_argument(
        "--timeout", type=number_or_text, metavar="SECONDS", default=600, help="a cell"
    )
    parser.add_argument("--csv", type=expand_path, metavar="FILE", help="also write the table")


def run(options: argparse.Namespace) -> int:
    """Run them and print a table; 1 where one does not pass."""
    from ....words.files import write
    from ...notebooks.hand_in import hand_in

    table = hand_in(options.folder, out=options.out, timeout=options.timeout)
    print(table)
    if options.csv:
        write(options.csv, _csv(table).encode("utf-8"), overwrite=True)
    return 0 if all(row["passed"] for row in table) else FAILED


def _csv(table) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(table.columns))
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in table)
    return text.getvalue()


def _inert(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: learners choose names and errors.

    >>> _inert("=1+1"), _inert("anna"), _inert(3)
    ("'=1+1", 'anna', 3)
    """
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
