"""Rows that show themselves: aligned text in a terminal, an HTML table in a notebook."""

from __future__ import annotations

import dataclasses
import html
import itertools
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import KandiError, quote

_LONGEST = 24  # letters: a longer word may be cut where there is no room


@dataclass
class Table:
    """Hold rows as dicts; `columns` gives their order (default: that of the first row).

    `empty` is what stands there when there are no rows, `note` a closing line.
    """

    rows: list[dict[str, Any]]
    columns: Sequence[str] = ()
    empty: str = "nothing to show"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.columns and self.rows:
            self.columns = list(self.rows[0])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """Return a row, or for a slice a Table of some rows."""
        if isinstance(index, slice):
            return dataclasses.replace(self, rows=self.rows[index])
        return self.rows[index]

    def __repr__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return the table as aligned text of at most `width` columns (default: the terminal).

        Cells that are too wide are folded, the widest columns first.
        """
        if not self.rows:
            return self.empty
        lines = [[_cell(row.get(column)) for column in self.columns] for row in self.rows]
        lines.insert(0, list(self.columns))
        widths = [max(map(_columns, column)) for column in zip(*lines, strict=True)]
        spare = (width or shutil.get_terminal_size((100, 24)).columns) - 2 * (len(widths) - 1)
        least = [max(map(_longest_word, column)) for column in zip(*lines, strict=True)]
        while sum(widths) > spare:
            wide = [(w, n) for n, w in enumerate(widths) if w > least[n]]
            if not wide:
                break
            widths[max(wide)[1]] -= 1
        printed = [line for cells in lines for line in _fold_row(cells, widths)]
        printed.insert(1, "  ".join("─" * w for w in widths))
        return "\n".join([*printed, self.note] if self.note else printed)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{html.escape(self.empty)}</p>"
        texts = [[_cell(row.get(column)) for column in self.columns] for row in self.rows]
        return _page(list(self.columns), texts, self.note)


_LEFT = "text-align:left;vertical-align:top"
_LETTER, _PADDING = 8, 16  # pixels, a little more than Lab's
# Where the page is too narrow for the columns, each row becomes lines of "column: value".
_NARROW = """<style>@container (max-width:{least}px) {{
.kn-{least} thead {{display:none}} .kn-{least} tr, .kn-{least} td {{display:block}}
.kn-{least} td::before {{content:attr(data-column) ": ";font-weight:bold}} }}</style>"""


def _page(columns: list[str], texts: list[list[str]], note: str) -> str:
    """Return an HTML table that is never wider than its page."""
    longest = [max(map(_longest_word, column)) for column in zip(columns, *texts, strict=True)]
    least = sum(_LETTER * letters + _PADDING for letters in longest)
    head = "".join(f'<th scope="col" style="{_LEFT}">{html.escape(c)}</th>' for c in columns)
    body = "".join(f"<tr>{''.join(map(_html, columns, row))}</tr>" for row in texts)
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return (
        f'<div style="container-type:inline-size">{_NARROW.format(least=least)}'
        f'<table class="kn-{least}" style="max-width:100%;margin-left:0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"
    )


def _html(column: str, text: str) -> str:
    """Return a cell that folds at spaces, inside of words only where they are too long."""
    longest = max(map(len, text.split()), default=0)
    if longest > _LONGEST:  # a path, a checksum
        fold = ";overflow-wrap:anywhere"
    else:  # a key such as kandinsky-2.2 must not break at its hyphen
        fold = ";white-space:nowrap" if longest == len(text) and text.isascii() else ""
    name = f'data-column="{html.escape(column)}"'
    return f'<td {name} style="{_LEFT}{fold}">{html.escape(text)}</td>'


def table(rows: Iterable[Any], columns: Sequence[str] = ()) -> Table:
    """Return rows as a table that shows itself; each is a dict, such as those of `bench`.

    `columns` are the names to show, in their order; by default all, as they first occur. With
    `columns` a row may also be a tuple or list of as many values. A cell without a value shows
    a dash. Raises KandiError for other rows, and for a column that no row has.

    >>> table([{"model": "mini-2.2", "seconds": 1.25}], columns=["seconds"])
    seconds
    ───────
    1.25
    """
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise KandiError(f"table takes a list of dicts, one a row, not {quote(rows)}")
    names = [columns] if isinstance(columns, str) else columns
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        raise KandiError(f"columns is a list of names, not {quote(columns)}")
    dicts = [_row(row, names) for row in rows]
    known = list(dict.fromkeys(name for row in dicts for name in row))
    strange = [name for name in names if name not in known]
    if dicts and strange:
        raise KandiError(f"no row has {quote(strange[0])}; there are: {', '.join(known)}")
    return Table(dicts, names or known)


def _row(row: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return {str(name): value for name, value in row.items()}
    if not isinstance(row, (tuple, list)) or not names:
        raise KandiError(f"a row is a dict, name → value, not {quote(row)}")
    if len(row) != len(names):
        raise KandiError(f"a row has a value for each of {len(names)} columns, not {len(row)}")
    return dict(zip(names, row, strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())


def _columns(text: str) -> int:
    """Return how many terminal columns a text takes: two for wide Chinese characters."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _longest_word(text: str) -> int:
    """Return the width below which a column would cut words, at most `_LONGEST`."""
    return min(_LONGEST, max((_columns(word) for word in text.split()), default=0))


def _fold_row(cells: list[str], widths: list[int]) -> list[str]:
    """Return the lines of one row, each cell folded to its column."""
    folded = [_fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    return [
        "  ".join(
            piece + " " * (width - _columns(piece))
            for piece, width in zip(pieces, widths, strict=True)
        ).rstrip()
        for pieces in itertools.zip_longest(*folded, fillvalue="")
    ]


def _fold(text: str, width: int) -> list[str]:
    """Cut text into pieces of at most `width` columns, at spaces where there are any."""
    pieces = [""]
    for word in text.split():
        joined = f"{pieces[-1]} {word}".strip()
        if _columns(joined) <= width:
            pieces[-1] = joined
            continue
        if pieces[-1]:
            pieces.append("")
        for character in word:  # a long word, or Chinese, which has no spaces
            if _columns(pieces[-1] + character) > width:
                pieces.append("")
            pieces[-1] += character
    return pieces
