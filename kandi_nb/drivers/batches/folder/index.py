"""The index of a folder of pictures: derived from them, a line each, to be rebuilt at any time.

The pictures are the truth. A line is written just before its picture, so after a kill there may
be a line too many, which is passed over; where one is missing, damaged or all are deleted, the
picture itself is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ....pictures.recipe import recipe
from ....tasks.checks import every_task
from ....words.errors import KandiError, warn
from ....words.fields import FIELDS
from ....words.files import expand_path
from ....words.tables import Table
from .hashes import run_hash

INDEX = "index.jsonl"
_NAME = re.compile(r"[0-9a-f]{64}\.png")
_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_NONE = type(None)
# What is read of a line, and may be of another hand or half there.
_KINDS = {
    "task": str, "model": str, "inputs": dict, "saved": str, "seconds": (int, float, _NONE),
    "prompt": (str, _NONE), "steps": int, "width": (int, _NONE), "height": (int, _NONE),
    "strength": (int, float, _NONE),
}  # fmt: skip
_SHORT = 12  # letters of a hash that a table shows


def line(
    name: str,
    made: Mapping[str, Any],
    seconds: float | None,
    when: float,
    sha256: str | None = None,
) -> dict:
    """Return what the index says of a picture: its file and its bytes, settings, seconds."""
    return {
        "file": name,
        "task": made["task"],
        "model": made["model"],
        **{name: made["params"].get(name) for name in FIELDS if name != "count"},
        "inputs": {name: held.get("file", "") for name, held in made["inputs"].items()},
        "seconds": seconds,
        "saved": datetime.fromtimestamp(when).isoformat(timespec="seconds"),
        "sha256": sha256,
    }


class Index:
    """Add lines to the index of a folder; several processes may."""

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
            # What a link leads to may be anybody's file.
            raise KandiError(f"{path} is no file that can be written to; move it away")
        # Windows would add its own ends of lines.
        flags = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | flags, 0o666)
        if _is_cut(path):  # a killed process was at it
            os.write(self._file, b"\n")

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append a line in one piece; raise OSError where the disk has no room for it."""
        data = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if os.write(self._file, data) < len(data):
            os.write(self._file, b"\n")  # raises what is wrong; else the next line begins here

    def close(self) -> None:
        os.close(self._file)


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def is_whole(path: Path) -> bool:
    """Tell whether a picture is there to its end: a power cut may leave less."""
    try:
        if not path.is_file():  # a pipe, whose bytes may never come
            return False
        with path.open("rb") as file:
            file.seek(-len(_PNG_END), os.SEEK_END)
            return file.read() == _PNG_END
    except OSError:  # not there, or shorter than that
        return False


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of an index that can be read and whose pictures are there."""
    if not (folder / INDEX).is_file():
        return
    with (folder / INDEX).open("rb") as file:
        for raw in file:
            entry = _entry(raw)
            if entry is not None and (folder / entry["file"]).exists():
                yield entry


def _entry(raw: bytes) -> dict[str, Any] | None:
    """Return a line of the index, None for one that is not as `line` makes them."""
    try:
        entry = json.loads(raw)
        right = _NAME.fullmatch(entry["file"]) and all(
            isinstance(entry[name], kinds) for name, kinds in _KINDS.items()
        )
        return entry if right else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def latest(folder: Path, count: int) -> list[dict[str, Any]]:
    """Return the lines of the pictures that were saved last, each once, newest first."""
    newest = {entry["file"]: entry for entry in deque(lines(folder), maxlen=2 * count)}
    return list(newest.values())[: -count - 1 : -1]


def names(folder: Path) -> Iterator[str]:
    """Yield the names of the pictures in a folder."""
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if _NAME.fullmatch(entry.name))


def changed_pictures(
    folder: Path, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, str]]:
    """Yield name and reason of each picture in which a byte is not as it was saved.

    By the SHA-256 in the index; where that says none, by the checksums inside of the PNG and
    by the recipe, whose hash is the name. Each file is read once, whole.
    """
    known: dict[str, set[str]] = {}  # a killed process leaves a line too many
    for entry in lines(folder):
        if isinstance(digest := entry.get("sha256"), str):
            known.setdefault(entry["file"], set()).add(digest)
    for name in sorted(names(folder)):
        tick()
        if why := _change(folder / name, known.get(name, ())):
            yield name, why


def _change(path: Path, digests: Container[str]) -> str:
    if path.exists() and not path.is_file():
        return "is no file"
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if digests:
        same = hashlib.sha256(data).hexdigest() in digests
        return "" if same else "is not the file that was saved under this name"
    if not _is_intact(data):
        return "is damaged"
    try:
        made = recipe(path)
    except KandiError:
        return "has no recipe that can be read"
    mine = made["task"] not in every_task() or run_hash(made) == path.stem
    return "" if mine else "is another picture than its name says"


def _is_intact(png: bytes) -> bool:
    """Tell whether all chunks of a PNG have the checksum that they were written with."""
    place = len(_PNG_BEGIN)
    if not png.startswith(_PNG_BEGIN):
        return False
    while place + 12 <= len(png):
        end = place + 8 + int.from_bytes(png[place : place + 4], "big")
        if zlib.crc32(png[place + 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            return False
        if png[place + 4 : place + 8] == b"IEND":
            return True
        place = end + 4
    return False


def of_picture(path: Path) -> dict[str, Any] | None:
    """Return the line of a picture from its own recipe; None, with a warning, without one."""
    try:
        return line(path.name, recipe(path), None, path.stat().st_mtime)
    except KandiError as error:
        warn(f"left out of the index: {error}")
        return None


def rebuild(folder: Path) -> None:
    """Write the lines anew where the index is gone; memory does not grow with the pictures."""
    if (folder / INDEX).exists():
        return
    index = Index(folder)
    try:
        for name in names(folder):
            if entry := of_picture(folder / name):
                index.add(entry)
    finally:
        index.close()


def read_batch(folder: str | os.PathLike) -> Table:
    """Return the pictures of a batch's folder as a table that shows itself, as they were saved.

    A row holds `path`, all settings, `task`, `model`, `inputs`, `seconds` (None if unknown) and
    `saved`; shown are the settings in which the pictures differ. It is read from the index and,
    where that has no line, from the picture's recipe. Raises KandiError for what is no folder.
    """
    place = expand_path(folder)
    if not place.is_dir():
        raise KandiError(f"there is no folder {place}; name the out of a batch")
    known = {entry["file"]: entry for entry in lines(place)}
    others = [of_picture(place / name) for name in sorted(names(place)) if name not in known]
    rows = [
        {**entry, "picture": entry["file"][:_SHORT], "path": place / entry["file"]}
        for entry in [*known.values(), *filter(None, others)]
    ]
    return Table(rows, _columns(rows), empty=f"no pictures of a batch are in {place}")


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns to show: the prompt, what differs, the seconds, the name."""
    differ = [
        name
        for name in ("task", "model", *FIELDS)
        if name not in ("prompt", "count") and len({row.get(name) for row in rows}) > 1
    ]
    return ["prompt", *differ, "seconds", "picture"]
