"""Rows of a table, one at a time: CSV, JSON lines, YAML, or a prompt a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...words.errors import KandiError, shortened, shown

Row = tuple[int, dict[str, Any]]  # its number, as messages say it, and column → value
Lines = Iterator[tuple[int, str]]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"
_LONGEST = 2**20  # characters of a cell: ten times what a prompt may have
PLAIN = (str, int, float, bool, type(None))  # what a cell of a file may hold


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table file; memory does not grow with it.

    A row's number is that of its line, so in a CSV file the first below the head is row 2, as
    spreadsheets count; in YAML it is the place in the list. Cells of CSV and text files are
    text. Raises KandiError, which names the row, for what cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise KandiError(f"{path} is no table that can be read; known: {', '.join(READERS)}")
    try:
        with path.open("rb") as file:
            yield from reader(path, _lines(path, file))
    except OSError as error:
        reason = error.strerror or error
        raise KandiError(
            f"the table {path} cannot be read ({reason}); check the path"
        ) from None


def _lines(path: Path, file: Any) -> Lines:
    """Yield number and text of each line, as UTF-8 without a byte-order mark."""
    for number, line in enumerate(file, start=1):
        if number == 1 and line.startswith(_UTF16):
            raise _not_utf8(path, number, "it is UTF-16")
        try:
            yield number, line.removeprefix(_BOM if number == 1 else b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(path, number, f"byte 0x{line[error.start]:02x}") from None


def _not_utf8(path: Path, number: int, why: str) -> KandiError:
    return KandiError(
        f"{path.name}, row {number}: this is not UTF-8 ({why}); save the table as “CSV UTF-8”, "
        "or convert it: iconv -f latin1 -t utf8"
    )


def at(path: Path, number: int, what: Any) -> KandiError:
    """Return an error that names the row of a table."""
    return KandiError(f"{path.name}, row {number}: {what}")


def _csv(path: Path, lines: Lines) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST)
    first = next(lines, (1, ""))[1]
    kinds = [next(csv.reader([first], delimiter=mark), []) for mark in ",;\t"]
    names = [name.strip() for name in max(kinds, key=len)]
    mark = ",;\t"[kinds.index(max(kinds, key=len))]
    if twice := [name for name in names if names.count(name) > 1]:
        raise at(path, 1, f"the column {shown(twice[0])} stands there twice; keep one")
    reader = csv.reader((text for _, text in lines), delimiter=mark, strict=True)
    while True:
        number = reader.line_num + 2
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise at(path, number, f"{error}; check its quotes") from None
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) > len(names):
            raise at(
                path,
                number,
                f"{len(cells)} cells below {len(names)} columns; put quotes around texts that "
                f"hold {shown(mark)}",
            )
        yield number, dict(zip(names, cells, strict=False))


def _text(path: Path, lines: Lines) -> Iterator[Row]:
    for number, line in lines:
        if line.strip():
            yield number, {"prompt": line.strip()}


def _json_lines(path: Path, lines: Lines) -> Iterator[Row]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise at(path, number, f"this is no JSON ({shortened(str(error))})") from None
        yield number, _row(path, number, value)


def _yaml(path: Path, lines: Lines) -> Iterator[Row]:
    """Yield the entries of the list that the file holds, each built when its turn comes.

    Plain data alone: PyYAML's safe constructors know no tag that runs code.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    loader = Loader(_Stream(lines))
    number = 0
    try:
        loader.get_event()  # the stream begins
        if loader.check_event(yaml.StreamEndEvent):
            return
        loader.get_event()  # the document begins
        if not loader.check_event(yaml.SequenceStartEvent):
            raise at(path, 1, "YAML tables are lists, each entry of which begins with “- ”")
        loader.get_event()
        while not loader.check_event(yaml.SequenceEndEvent):
            number += 1
            value = loader.construct_document(loader.compose_node(None, None))
            yield number, _row(path, number, value)
    # A ValueError is a date of no calendar, a RecursionError what is nested too deep.
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        why = shortened(str(getattr(error, "problem", None) or error))
        raise at(
            path, number or 1, f"this YAML is refused ({why}); plain values alone"
        ) from None
    finally:
        loader.dispose()


class _Stream:
    """Give lines as a file that is read in pieces, as PyYAML wants it."""

    def __init__(self, lines: Lines) -> None:
        self._lines, self._left = lines, ""

    def read(self, size: int = -1) -> str:
        while len(self._left) < size:
            line = next(self._lines, None)
            if line is None:
                break
            self._left += line[1]
        piece, self._left = self._left[:size], self._left[size:]
        return piece


def _row(path: Path, number: int, value: Any) -> dict[str, Any]:
    """Return what an entry says, column → value; a text alone is a prompt."""
    if isinstance(value, str):
        return {"prompt": value}
    if not isinstance(value, dict):
        raise at(path, number, f"a row is column: value, not a {type(value).__name__}")
    for name, cell in value.items():
        if not isinstance(name, str) or not isinstance(cell, PLAIN):
            kind = type(cell if isinstance(name, str) else name).__name__
            where = shown(name) if isinstance(name, str) else "a column's name"
            raise at(path, number, f"{where} is a {kind}; give a text or a number")
    return value


READERS: dict[str, Callable[[Path, Lines], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".txt": _text,
}
TEXTS: Sequence[str] = (".csv", ".tsv", ".txt")  # whose cells are all text
