"""Rows of a table, one at a time: CSV, JSON lines, YAML, or a prompt a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...words.bounds import first_duplicate
from ...words.errors import KandiError, quote, shorten
from ...words.files import refuse_device

Row = tuple[int, dict[str, Any]]  # its number, as messages say it, and column → value
Lines = Iterator[tuple[int, str]]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"
_PIECE = 2**12  # bytes that are read at once
_LONGEST = 2**24  # bytes of a line: ten times what a row of the longest texts takes
_MARKS = ",;\t"  # between the cells of a row
_SAID = re.compile(r"sep=(.)\s*")  # what Excel wants to be told of them
_LINE_END = re.compile(rb"(?<=\n)|(?<=\r)(?!\n)")
PLAIN = (str, int, float, bool, type(None))  # what a cell of a file may hold


def rows(path: Path, only: Collection[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a table file; memory does not grow with it.

    A row's number is that of its line, so in a CSV file the first below the head is row 2, as
    spreadsheets count; in YAML it is the place in the list. Cells of CSV and text files are
    text. Lines end as on any system; empty rows, and columns without name or content, are
    passed over. `only` names the columns that are read: others may hold lists, too. Raises
    KandiError, which names the row, for what cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise KandiError(f"{path} is no table that can be read; known: {', '.join(READERS)}")
    try:
        refuse_device(path, path, "a table")
        with path.open("rb") as file:
            yield from reader(path, _lines(path, file), only)
    except OSError as error:
        reason = error.strerror or error
        raise KandiError(
            f"the table {path} cannot be read ({reason}); check the path"
        ) from None


def _lines(path: Path, file: Any) -> Lines:
    """Yield number and text of each line, as UTF-8 without a byte-order mark."""
    for number, line in enumerate(_pieces(path, file), start=1):
        if number == 1 and line.startswith(_UTF16):
            raise _not_utf8(path, number, "it is UTF-16")
        try:
            yield number, line.removeprefix(_BOM if number == 1 else b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(path, number, f"byte 0x{line[error.start]:02x}") from None


def _pieces(path: Path, file: Any) -> Iterator[bytes]:
    r"""Yield the lines of a file with their ends: \n, \r\n, or the \r of old systems."""
    number, begun = 0, bytearray()  # of the lines that ended, and the one that did not yet
    while piece := file.read(_PIECE):
        while piece.endswith(b"\r") and (more := file.read(1)):  # its \n may come next
            piece += more
        if b"\n" in piece or b"\r" in piece:
            first, *others = _LINE_END.split(piece)
            *whole, rest = [bytes(begun) + first, *others]
            number += len(whole)
            yield from whole
            begun = bytearray(rest)
        else:  # each byte is looked at once, however long the line is
            begun += piece
        if len(begun) > _LONGEST:
            raise at(path, number + 1, "this line has no end for 16 MB; is it a table of text?")
    if begun:
        yield bytes(begun)


def _not_utf8(path: Path, number: int, why: str) -> KandiError:
    return KandiError(
        f"{path.name}, row {number}: this is not UTF-8 ({why}); save the table as “CSV UTF-8”, "
        "or convert it: iconv -f latin1 -t utf8"
    )


def at(path: Path, number: int, what: Any) -> KandiError:
    """Return an error that names the row of a table."""
    return KandiError(f"{path.name}, row {number}: {what}")


def _csv(path: Path, lines: Lines, only: Collection[str] | None) -> Iterator[Row]:
    above, names, mark = _head(path, lines)
    reader = csv.reader((text for _, text in lines), delimiter=mark, strict=True)
    while True:
        number = above + reader.line_num + 1
        cells = _cells(path, number, reader)
        if cells is None:
            return
        if _is_empty(cells) and (len(cells) != 1 or len(names) > 1):
            continue
        if strange := [cell for cell in cells[len(names) :] if cell.strip()]:
            raise at(
                path,
                number,
                f"{len(cells)} cells below {len(names)} columns, the first too many "
                f"{quote(strange[0])}; put quotes around texts that hold {quote(mark)}",
            )
        row = dict(zip(names, cells, strict=False))
        if (unnamed := row.pop("", "")).strip():
            raise at(
                path,
                number,
                f"{quote(unnamed)} stands in a column without a name; name it in the first "
                "row, or leave it out",
            )
        yield number, row


def _head(path: Path, lines: Lines) -> tuple[int, list[str], str]:
    """Return the number of the line with the columns' names, these, and what is between them.

    Names of empty columns are ""; one of several such columns stands for all of them.
    """
    number, mark = 0, None
    for number, line in lines:
        if said := _SAID.fullmatch(line):
            mark = said[1]
            continue
        kinds = {each: _split(path, number, line, each) for each in mark or _MARKS}
        if all(map(_is_empty, kinds.values())):
            continue
        mark = max(kinds, key=lambda each: len(kinds[each]))
        names = [name.strip() for name in kinds[mark]]
        while names and not names[-1]:
            names.pop()
        if twice := [name for name in names if name and names.count(name) > 1]:
            raise at(path, number, f"the column {quote(twice[0])} stands there twice; keep one")
        return number, names, mark
    return number, [], ","


def _split(path: Path, number: int, line: str, mark: str) -> list[str]:
    return _cells(path, number, csv.reader([line], delimiter=mark)) or []


def _cells(path: Path, number: int, reader: Iterator[list[str]]) -> list[str] | None:
    """Return the cells of the next row, None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        what = str(error)
        if "field limit" in what:
            what = f"a cell has more than {csv.field_size_limit():,} characters"
        raise at(path, number, f"{what}; check its quotes") from None


def _is_empty(cells: Sequence[str]) -> bool:
    return not any(map(str.strip, cells))


def _text(path: Path, lines: Lines, only: Collection[str] | None) -> Iterator[Row]:
    for number, line in lines:
        if line.strip():
            yield number, {"prompt": line.strip()}


def _json_lines(path: Path, lines: Lines, only: Collection[str] | None) -> Iterator[Row]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return _once(path, number, pairs)

    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=once)
        except (ValueError, RecursionError) as error:
            raise at(path, number, f"this is no JSON ({shorten(str(error))})") from None
        yield number, _row(path, number, value, only)


def _once(path: Path, number: int, pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return pairs as a dict; raise KandiError for a name that stands there twice."""
    if (twice := first_duplicate(name for name, _ in pairs)) is not None:
        raise at(path, number, f"{quote(twice)} stands there twice; keep one")
    return dict(pairs)


def _yaml(path: Path, lines: Lines, only: Collection[str] | None = None) -> Iterator[Row]:
    """Yield the entries of the list that the file holds, each built when its turn comes.

    Plain data alone: PyYAML's safe constructors know no tag that runs code.
    """
    import yaml

    from .plain_yaml import PlainLoader, Stream, check_tag

    loader, number = None, 0
    try:
        loader = PlainLoader(Stream(lines))
        loader.get_event()  # the stream begins
        if loader.check_event(yaml.StreamEndEvent):
            return
        loader.get_event()  # the document begins
        if not loader.check_event(yaml.SequenceStartEvent):
            raise at(path, 1, "YAML tables are lists, each entry of which begins with “- ”")
        check_tag(loader.get_event())
        while not loader.check_event(yaml.SequenceEndEvent):
            number += 1
            node = loader.compose_node(None, None)
            if isinstance(node, yaml.MappingNode):
                keys = [(key.value, None) for key, _ in node.value if key.id == "scalar"]
                _once(path, number, keys)
            yield number, _row(path, number, loader.construct_document(node), only)
        loader.get_event()
        loader.get_event()  # the document ends
        if not loader.check_event(yaml.StreamEndEvent):
            raise at(
                path,
                number,
                "another YAML document (“---”) begins below; a table is one list, so join "
                "them or make two files",
            )
    # A ValueError is a date of no calendar, a RecursionError what is nested too deep.
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        why = shorten(" ".join(str(getattr(error, "problem", None) or error).split()))
        raise at(
            path, number or 1, f"this YAML is refused ({why}); plain values alone"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _row(path: Path, number: int, value: Any, only: Collection[str] | None) -> dict[str, Any]:
    """Return what an entry says, column → value; a text alone is a prompt."""
    if isinstance(value, str):
        return {"prompt": value}
    if not isinstance(value, dict):
        raise at(path, number, f"a row is column: value, not a {type(value).__name__}")
    for name, cell in value.items():
        if not isinstance(name, str) or not isinstance(cell, PLAIN):
            if only is not None and name not in only:
                continue
            kind = type(cell if isinstance(name, str) else name).__name__
            where = quote(name) if isinstance(name, str) else "a column's name"
            raise at(path, number, f"{where} is a {kind}; give a text or a number")
    return value


READERS: dict[str, Callable[[Path, Lines, Collection[str] | None], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".txt": _text,
}
TEXTS: Sequence[str] = (".csv", ".tsv", ".txt")  # whose cells are all text
