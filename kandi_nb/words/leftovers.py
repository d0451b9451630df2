"""Name temporary files after the process that writes them; clear away those of dead ones."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.part")


def temporary_name() -> str:
    """Return a hidden file name that tells which process of which machine is writing.

    Give the file its own name when it is whole; `clear` finds it if that never happens.
    """
    return f".{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.part"


def clear(folder: Path) -> None:
    """Remove the temporary files in a folder whose processes have ended on this machine.

    Never raises: what cannot be removed is in nobody's way.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            name = _NAME.fullmatch(path.name)
            if name and name[1] == _machine() and not _lives(int(name[2])):
                with suppress(OSError):
                    path.unlink()


def _machine() -> str:
    # A folder on a network disk also holds files of processes that cannot be seen from here.
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]


def _lives(process: int) -> bool:
    import psutil

    # A number beyond what the system hands out belongs to nobody.
    with suppress(OverflowError):
        return psutil.pid_exists(process)
    return False
