"""What every command says and returns: exit codes, and lines beside its output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from ...words.errors import KandiError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def say(message: str) -> None:
    """Print a line for people, beside what the next command of a pipe reads."""
    with contextlib.suppress(OSError):  # where no error can be written, the exit code says it
        print(f"kandi-nb: {message}", file=sys.stderr, flush=True)


def check_free(path: Path, force: bool, such_as: str | None = None) -> None:
    """Raise KandiError for a file that is there, unless `force` replaces it; for a folder, too.

    `such_as` is the name of a file to suggest in the place of a folder.
    """
    if such_as and path.is_dir():
        raise KandiError(f"{path} is a folder; name a file in it: -o {path / such_as}")
    if path.exists() and not force:
        raise KandiError(f"{path} exists; take another name or add --force")


def progress_line() -> Callable[[str], None]:
    """Return what shows how far a run is: one changing line, in a log a line a change."""
    last = ""

    def show(line: str) -> None:
        nonlocal last
        if sys.stderr.isatty():
            print(f"\r{line[:100]:<100}", end="", file=sys.stderr, flush=True)
        elif line.partition(" ")[0] != last:  # in a log: only when one more is done
            last = line.partition(" ")[0]
            print(line, file=sys.stderr, flush=True)

    return show


def clear_line() -> None:
    """Take the changing line away."""
    if sys.stderr.isatty():
        print(f"\r{'':<100}\r", end="", file=sys.stderr, flush=True)
