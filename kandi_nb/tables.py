"""Rows that show themselves: aligned text in a terminal, an HTML table in a notebook."""

from __future__ import annotations

import html
import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


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

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    def __repr__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return the table as aligned text of at most `width` columns (default: the terminal).

        The last column is wrapped to what the others leave, at least 24 columns.
        """
        if not self.rows:
            return self.empty
        lines = [[_cell(row.get(column)) for column in self.columns] for row in self.rows]
        lines.insert(0, list(self.columns))
        widths = [max(map(_columns, column)) for column in zip(*lines, strict=True)]
        width = width or shutil.get_terminal_size((100, 24)).columns
        widths[-1] = min(widths[-1], max(24, width - sum(widths[:-1]) - 2 * (len(widths) - 1)))
        printed = [line for cells in lines for line in _wrapped(cells, widths)]
        printed.insert(1, "  ".join("─" * w for w in widths))
        return "\n".join([*printed, self.note] if self.note else printed)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{html.escape(self.empty)}</p>"
        head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:left;vertical-align:top">'
                f"{html.escape(_cell(row.get(column)))}</td>"
                for column in self.columns
            )
            + "</tr>"
            for row in self.rows
        )
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


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


def _wrapped(cells: list[str], widths: list[int]) -> list[str]:
    *first, last = cells
    pieces = textwrap.wrap(last, widths[-1]) or [""]
    start = "".join(
        c + " " * (w - _columns(c) + 2) for c, w in zip(first, widths, strict=False)
    )
    gap = " " * _columns(start)
    return [(gap if i else start) + piece for i, piece in enumerate(pieces)]
