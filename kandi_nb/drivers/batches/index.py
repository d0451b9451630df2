"""The index of a folder of pictures: derived from them, a line each, to be rebuilt at any time.

The pictures are the truth. A line is written just before its picture, so after a kill there may
be a line too many, which is passed over; where one is missing, damaged or all are deleted, the
picture itself is read.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ...pictures.recipe import recipe
from ...words.errors import KandiError, warn
from ...words.fields import FIELDS
from ...words.files import expanded
from ...words.tables import Table

INDEX = "index.jsonl"
_NAME = re.compile(r"[0-9a-f]{64}\.png")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_SHORT = 12  # letters of a hash that a table shows


def line(name: str, made: Mapping[str, Any], seconds: float | None, when: float) -> dict:
    """Return what the index says of a picture: its file, settings, inputs and seconds."""
    return {
        "file": name,
        "task": made["task"],
        "model": made["model"],
        **{name: made["params"].get(name) for name in FIELDS if name != "count"},
        "inputs": {name: held.get("file", "") for name, held in made["inputs"].items()},
        "seconds": seconds,
        "saved": datetime.fromtimestamp(when).isoformat(timespec="seconds"),
    }


class Index:
    """Add lines to the index of a folder; several processes may."""

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        binary = getattr(os, "O_BINARY", 0)  # Windows would add its own ends of lines
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | binary, 0o666)
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
        with path.open("rb") as file:
            file.seek(-len(_PNG_END), os.SEEK_END)
            return file.read() == _PNG_END
    except OSError:  # not there, or shorter than that
        return False


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of an index that can be read and whose pictures are there."""
    try:
        with (folder / INDEX).open("rb") as file:
            for raw in file:
                entry = _entry(raw)
                if entry is not None and (folder / entry["file"]).exists():
                    yield entry
    except FileNotFoundError:
        return


def _entry(raw: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(raw)
        return entry if _NAME.fullmatch(entry["file"]) else None
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
    place = expanded(folder)
    if not place.is_dir():
        raise KandiError(f"there is no folder {place}; name the out of a batch")
    known = {entry["file"]: entry for entry in lines(place)}
    others = [of_picture(place / name) for name in sorted(names(place)) if name not in known]
    rows = [
        {"picture": entry["file"][:_SHORT], "path": place / entry["file"], **entry}
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
