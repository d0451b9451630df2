"""Look whether a model works here as promised."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ....words.files import expand_path
from ..options import add_loading_options, loading
from ..terminal import FAILED


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the model, how long it may take, and where the report goes."""
    parser.add_argument(
        "model", metavar="MODEL", help="a key of `kandi-nb models`, or a folder"
    )
    parser.add_argument("--quick", action="store_true", help="two minutes instead of ten")
    parser.add_argument(
        "--out", type=expand_path, default=Path("outputs/verify"), metavar="DIR",
        help="the report's folder (default: outputs/verify); the same again goes on",
    )  # fmt: skip
    add_loading_options(parser, named=True)


def run(options: argparse.Namespace) -> int:
    """Verify a model, print the findings, and say where the report is."""
    from ...verify.verify import verify

    def tell(line: str) -> None:
        print(f"{line} …", file=sys.stderr, flush=True)

    findings = verify(
        options.model,
        options.out,
        quick=options.quick,
        progress=tell,
        **loading(options),
    )
    print(findings)
    print(f"The report, to read or to send: {findings.folder / 'report.html'}")
    return FAILED if findings.wrong else 0
