"""The bundled model: export, train, judge."""

from __future__ import annotations

import argparse
import importlib

# They read their own words, `kandi-nb mini train --help` included.
TOOLS = {
    "export": ("kandi_nb.mini.export", "write its folders as the publisher lays them out"),
    "train": ("kandi_nb.mini.train", "train a part of it anew"),
    "judge": ("kandi_nb.mini.evaluate", "let the judge read what it draws"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the tool, and let it read the rest of the line."""
    tools = "; ".join(f"{name}: {text}" for name, (_, text) in TOOLS.items())
    text = f"{tools} (kandi-nb mini TOOL --help)"
    parser.add_argument("tool", choices=TOOLS, metavar="TOOL", help=text)
    parser.add_argument("words", nargs=argparse.REMAINDER, help="what the tool takes")


def run(options: argparse.Namespace) -> int:
    """Hand the words on to the tool, and return its exit code."""
    tool = importlib.import_module(TOOLS[options.tool][0])
    return int(tool.main(options.words) or 0)
