"""Seeds by chance in a table: another one for each row, the same ones when it is read again."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from pathlib import Path

from ....words.errors import KandiError
from ....words.files import write
from ....words.params import ABOVE
from ..folder.claims import HIDDEN


class Chance:
    """Draw seeds for the rows of a table.

    A batch reads its table more than once, and is called again to go on: so what was drawn by
    chance is one number for a folder of pictures, kept there, and a row's seed follows from it.
    """

    def __init__(self) -> None:
        self._drawn = secrets.token_hex(16)

    def keep_in(self, folder: Path) -> None:
        """Take the number of a folder from now on; one without gets this one."""
        with suppress(KandiError):  # another batch, or an earlier call, was first
            write(folder / HIDDEN / "chance", self._drawn.encode())
        self.look_in(folder)

    def look_in(self, folder: Path) -> None:
        """Take the number of a folder, if it has one; nothing is written."""
        with suppress(OSError, ValueError):
            self._drawn = (folder / HIDDEN / "chance").read_text("ascii")

    def seed(self, row: int, name: str) -> int:
        """Return the seed of a row, below 2³²."""
        digest = hashlib.sha256(f"{self._drawn} {row} {name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % ABOVE
