"""Who draws which picture, when several processes and batches draw into one folder.

A process that draws holds a lock file for as long as it lives, and leaves its name under the
hash of each picture that it is about to draw. The system lets go of the lock at once when the
process ends, however it ends, so what a killed one had claimed is free again.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from ....words.errors import KandiError
from ....words.files import write

_NAME = re.compile(r"\d+-[0-9a-f]{16}")
HIDDEN = ".batch"  # in the folder of the pictures, for what is no picture


class Claims:
    """Claim pictures of a folder for this process; close it when the work is done."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self._claims, self._owners = folder / HIDDEN / "claims", folder / HIDDEN / "owners"
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._lock = FileLock(self._owners / f"{self.name}.lock", thread_local=False)
        try:
            self._owners.mkdir(parents=True, exist_ok=True)
            self._claims.mkdir(exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise KandiError(
                f"{folder / HIDDEN} cannot hold who draws what ({error.strerror or error}); "
                "move it away, or take another folder"
            ) from None

    def take(self, mark: str) -> bool:
        """Claim a picture; return False while a living process has it."""
        path = self._claims / mark
        while True:
            owner = _owner(path)
            if owner is None:
                if self._begin(path):
                    return True
            elif self._lives(owner):
                return owner == self.name
            elif self._take_over(path):
                return True

    def give_back(self, mark: str) -> None:
        """Let go of a picture, drawn or not."""
        with suppress(OSError):  # the folder is gone; a claim counts while its owner lives
            (self._claims / mark).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave; what was claimed is free. Clears away what killed processes left.

        Never raises: where the folder is gone, or another, there is nothing to clear away.
        """
        with suppress(OSError):
            if self._claims.is_dir():  # else a lock would make the folder anew
                self._clear_away()
        with suppress(OSError):
            self._lock.release()
            (self._owners / f"{self.name}.lock").unlink(missing_ok=True)

    def _clear_away(self) -> None:
        with self._takeover():
            for path in list(self._claims.iterdir()):
                owner = _owner(path)
                if owner is not None and (owner == self.name or not self._lives(owner)):
                    path.unlink(missing_ok=True)
            for lock in list(self._owners.glob("*.lock")):
                if not self._lives(lock.stem):
                    lock.unlink(missing_ok=True)

    def _begin(self, path: Path) -> bool:
        """Claim what nobody has: the file comes with its name in it, or not at all."""
        try:
            write(path, self.name.encode())
        except KandiError:
            if path.exists():
                return False
            raise
        return True

    def _take_over(self, path: Path) -> bool:
        """Claim what a dead process had; one at a time, or two would both believe it."""
        with self._takeover():
            owner = _owner(path)
            if owner is None or self._lives(owner):
                return False
            write(path, self.name.encode(), overwrite=True)
            return True

    def _takeover(self):
        from filelock import FileLock

        return FileLock(self._owners.parent / "takeover.lock", thread_local=False)

    def _lives(self, owner: str) -> bool:
        from filelock import FileLock, Timeout

        path = self._owners / f"{owner}.lock"
        if owner == self.name:
            return True
        if not _NAME.fullmatch(owner) or not path.exists():
            return False
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False


def _owner(path: Path) -> str | None:
    """Return who claimed a picture; "" where a file was cut short or holds something else."""
    if not path.is_file() and path.exists():  # a pipe, whose bytes may never come
        return ""
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        return None
    except ValueError:
        return ""
