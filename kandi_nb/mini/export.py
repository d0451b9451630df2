"""Put the bundled checkpoints where code written for the published ones looks for them."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..words.errors import KandiError
from ..words.files import expand_path
from .names import PUBLISHER, WEIGHTS
from .shared import whole


def export(folder: str | os.PathLike, *, weights: Path = WEIGHTS) -> list[Path]:
    """Copy the bundled checkpoints to ``folder/kandinsky-community`` and return their paths.

    In that folder,
    ``KandinskyV22PriorPipeline.from_pretrained("kandinsky-community/kandinsky-2-2-prior")`` and
    the like run unchanged and offline: diffusers takes an existing local folder before it asks
    the hub. A checkpoint that is already there, in whole or in part, raises `KandiError`;
    nothing is overwritten.
    """
    sources = sorted(path.parent for path in whole(weights).glob("*/model_index.json"))
    if not sources:
        raise KandiError(
            f"no bundled checkpoints in {weights}: "
            f"restore them with `git checkout -- {weights}`"
        )
    target = expand_path(folder) / PUBLISHER
    taken = [source.name for source in sources if (target / source.name).exists()]
    if taken:
        raise KandiError(
            f"{target / taken[0]} exists already: remove it or choose another folder"
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as scratch:
            for source in sources:
                shutil.copytree(source, Path(scratch) / source.name)
            for source in sources:
                os.replace(Path(scratch) / source.name, target / source.name)
    except OSError as error:
        raise KandiError(
            f"cannot write to {target}: {error.strerror or error}; choose another folder"
        ) from error
    return [target / source.name for source in sources]


def main(argv: Sequence[str] | None = None) -> int:
    """Export from the command line."""
    parser = argparse.ArgumentParser(prog="kandi-nb mini export", description=__doc__)
    parser.add_argument("folder", help="a folder; kandinsky-community/ is made in it")
    try:
        for path in export(parser.parse_args(argv).folder):
            print(path)
    except KandiError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
