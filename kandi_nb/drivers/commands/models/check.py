"""Check this machine and say what to type if something is wrong."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes no words."""


def run(options: argparse.Namespace) -> None:
    """Print what `kn.check` says."""
    from ....model.check import check

    print(check())
