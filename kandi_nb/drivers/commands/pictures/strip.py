"""Take the original pictures out of a file, keep their hashes."""

from __future__ import annotations

import argparse

from ....words.errors import KandiError
from ....words.files import expand_path, refuse_device
from ..terminal import check_free


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the file, and where the other one goes."""
    parser.add_argument("file", metavar="FILE", help="a .png file that kandi_nb wrote")
    parser.add_argument(
        "-o", "--output", type=expand_path, metavar="FILE", help="default: FILE-stripped.png"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def run(options: argparse.Namespace) -> None:
    """Write the file without its inputs, and print its path."""
    from ....pictures.inputs import strip_inputs
    from ....words.files import write

    source = expand_path(options.file)
    try:
        refuse_device(source, source, "a .png file")
        data = source.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise KandiError(f"{source} cannot be read ({reason}); give a .png file") from None
    rest = strip_inputs(data, source)
    target = expand_path(options.output or source.with_stem(f"{source.stem}-stripped"))
    check_free(target, options.force, target.name)
    print(write(target, rest, overwrite=options.force))
