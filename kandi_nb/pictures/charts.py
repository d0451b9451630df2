"""Measured rows as lines, and tables whose colours follow their numbers."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..words.cosines import cosines
from ..words.embedding import Embedding
from ..words.errors import KandiError, quote, shorten
from ..words.extras import check_extra
from ..words.tables import Table
from .fonts import SANS, drawable, family_for, name_offsets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NAMES = 40  # points of a map; more would cover each other
_UNITS = {"seconds": "s", "mb": "MB", "gb": "GB", "ms": "ms", "percent": "%", "px": "px"}


def line_plot(rows: Sequence[Mapping[str, Any]], x: str, y: str, by: str | None) -> Figure:
    """Return a closed matplotlib figure; `grid.plot` checks the names and says the rest."""
    check_extra("notebook", "a plot", "matplotlib")
    import matplotlib
    from matplotlib import pyplot

    rows = [row for row in rows if row.get(x) is not None and row.get(y) is not None]
    if not rows:
        raise KandiError(f"no row has both {x} and {y}; nothing can be plotted")
    for row in rows:
        if not _is_number(row[y]):
            raise KandiError(f"{y} must be a number to be plotted, not {quote(row[y])}")
    numeric = all(_is_number(row[x]) for row in rows)
    series: dict[Any, dict[Any, list[float]]] = {}
    for row in rows:
        place = float(row[x]) if numeric else str(row[x])
        group = row.get(by) if by else None
        group = group if group is None or _is_number(group) else str(group)
        series.setdefault(group, {}).setdefault(place, []).append(float(row[y]))
    places = list(dict.fromkeys(place for points in series.values() for place in points))
    order = sorted(places) if numeric else places
    groups = sorted(series) if all(map(_is_number, series)) else list(series)

    with matplotlib.rc_context(
        {"font.family": _families([*map(str, groups), *map(str, order)])}
    ):
        figure, axes = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
        # Closed at once: a notebook shows the returned figure, not this one as well.
        pyplot.close(figure)
        where = {place: place if numeric else n for n, place in enumerate(order)}
        for group, name in zip(groups, _names(groups), strict=True):
            points = {place: series[group][place] for place in order if place in series[group]}
            means = [fmean(values) for values in points.values()]
            (line,) = axes.plot([where[p] for p in points], means, marker="o", label=name)
            repeats = [(where[p], v) for p, values in points.items() for v in values]
            if len(repeats) > len(points):
                axes.plot(*zip(*repeats, strict=True), ".", color=line.get_color(), alpha=0.4)
        if not numeric:
            axes.set_xticks(range(len(order)), _names(order))
        axes.set_xlabel(_axis_label(x))
        axes.set_ylabel(_axis_label(y))
        if min(float(row[y]) for row in rows) >= 0:
            axes.set_ylim(bottom=0)  # half a bar's height should mean half the seconds
        axes.grid(alpha=0.3)
        if by:
            axes.legend(title=_axis_label(by))
    return figure


def front_plot(rows: Sequence[Mapping[str, Any]], x: str, y: str, label: str) -> Figure:
    """Return a closed figure: rows as named points, and a line through the best of them."""
    check_extra("notebook", "a plot", "matplotlib")
    import matplotlib
    from matplotlib import pyplot

    points = [
        (float(row[x]), float(row[y]), drawable(shorten(str(row.get(label)), 40)))
        for row in rows
        if _is_number(row.get(x)) and _is_number(row.get(y))
    ]
    if not points:
        raise KandiError(f"no row has numbers in both {x} and {y}; nothing can be plotted")
    front = sorted(p for p in points if not any(_beats(other, p) for other in points))
    with matplotlib.rc_context({"font.family": _families([name for *_, name in points])}):
        figure, axes = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
        pyplot.close(figure)  # as in line_plot
        axes.plot(*zip(*[p[:2] for p in front], strict=True), "-", alpha=0.5)
        axes.scatter(*zip(*[p[:2] for p in points], strict=True))
        axes.set_xlabel(_axis_label(x))
        axes.set_ylabel(_axis_label(y))
        axes.set_xlim(0, 1.35 * max(p[0] for p in points) or 1)
        axes.set_ylim(0, 1.15 * max(p[1] for p in points) or 1)
        figure.canvas.draw()  # so that it is known where points are
        spots = axes.transData.transform([p[:2] for p in points]) * 72 / figure.dpi
        style = {"fontsize": 8, "textcoords": "offset points"}
        for (*spot, name), offset in zip(points, name_offsets(spots, points), strict=True):
            axes.annotate(name, spot, xytext=offset, **style)
        axes.grid(alpha=0.3)
    return figure


def _beats(one: tuple[float, float, str], other: tuple[float, float, str]) -> bool:
    """Tell whether a point is at least as good in both, and better in one."""
    return one[0] <= other[0] and one[1] <= other[1] and one[:2] != other[:2]


def map_plot(embedding: Embedding) -> Figure:
    """Return a closed figure: each row is a point of the plane in which they spread most."""
    check_extra("notebook", "a plot", "matplotlib")
    import matplotlib
    import torch
    from matplotlib import pyplot

    rows = embedding.tensor - embedding.tensor.mean(dim=0)
    points = torch.zeros(len(rows), 2)
    plane = torch.linalg.svd(rows, full_matrices=False).Vh[:2]
    points[:, : len(plane)] = rows @ plane.T
    names = [drawable(shorten(name, 30)) for name in embedding.names]
    with matplotlib.rc_context({"font.family": _families(names)}):
        figure, axes = pyplot.subplots(figsize=(6.4, 5), layout="constrained")
        pyplot.close(figure)  # as in line_plot
        axes.scatter(*points.T.numpy())
        for point, name in zip(points.tolist(), names, strict=True):
            if len(names) <= _MOST_NAMES:
                axes.annotate(
                    name, point, xytext=(4, 4), textcoords="offset points", fontsize=8
                )
        axes.set_xlabel("first direction")
        axes.set_ylabel("second direction")
        axes.set_aspect("equal", "datalim")
    return figure


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _names(values: Sequence[Any]) -> list[str]:
    """Return a drawable text for each value; numbers tell apart what would look alike."""
    texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    drawn = [drawable(text) for text in texts]
    return [
        name if name and drawn.count(name) == 1 else f"{name} ({n})".strip()
        for n, name in enumerate(drawn, 1)
    ]


def _families(texts: Sequence[str]) -> list[str]:
    """Return the font families that draw all the texts, each after the other as a fallback."""
    found = [family_for(drawable(text)) for text in texts]
    return list(dict.fromkeys([SANS, *(family for family in found if family)]))


def _axis_label(name: str) -> str:
    """Return a column name as an axis label with its unit: "peak_mb" → "peak (MB)".

    >>> _axis_label("seconds"), _axis_label("peak_mb"), _axis_label("prior_steps")
    ('time (s)', 'peak (MB)', 'prior steps')
    """
    *words, last = name.split("_")
    if last in _UNITS:
        return f"{' '.join(words) or 'time'} ({_UNITS[last]})"
    return " ".join([*words, last])


_PALE, _DEEP = (240, 246, 252), (16, 66, 132)  # one hue: lightness alone says how much
_TURN = 0.7  # share of deep blue above which white letters read better than black ones
# On a narrow page (cqw: hundredths of its width) letters and margins shrink with it.
_BOX = "text-align:center;padding:6px clamp(1px,1cqw,10px);overflow-wrap:anywhere"
_FIT = "max-width:100%;margin-left:0;font-size:clamp(9px,2.6cqw,1em)"


@dataclass(repr=False)
class Heat:
    """Hold a matrix with labels; low to high values go from pale to deep blue.

    Shows itself as an HTML table in a notebook and as aligned text elsewhere. `values[i][j]`
    belongs to `rows[i]` and `cols[j]`; None is an empty cell.
    """

    values: list[list[float | None]]
    rows: list[str]
    cols: list[str]
    low: float
    high: float

    def __repr__(self) -> str:
        lines = [
            {"": name}
            | {
                col: _two_places(value)
                for col, value in zip(self._columns(), line, strict=True)
            }
            for name, line in zip(self.rows, self.values, strict=True)
        ]
        return Table(lines).text()

    def _columns(self) -> list[str]:
        """Return the column labels, numbered where two are alike."""
        twice = {col for col in self.cols if self.cols.count(col) > 1}
        return [f"{c} ({n})" if c in twice else c for n, c in enumerate(self.cols, 1)]

    def _repr_html_(self) -> str:
        head = "".join(_head(col, "col") for col in self.cols)
        body = "".join(
            f"<tr>{_head(name, 'row')}{''.join(map(self._cell, line))}</tr>"
            for name, line in zip(self.rows, self.values, strict=True)
        )
        table = f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody>"
        fit = f'<table style="{_FIT}">{table}</table>'
        return f'<div style="container-type:inline-size">{fit}</div>'

    def _cell(self, value: float | None) -> str:
        if value is None:
            return "<td></td>"
        span = self.high - self.low
        share = min(1.0, max(0.0, (value - self.low) / span)) if span > 0 else 0.5
        paper = [round(p + share * (d - p)) for p, d in zip(_PALE, _DEEP, strict=True)]
        ink = "#fff" if share > _TURN else "#000"
        style = f"{_BOX};background:rgb({','.join(map(str, paper))});color:{ink}"
        return f'<td style="{style}">{_two_places(value)}</td>'


def heat(
    matrix: Any,
    rows: Sequence[Any] | None = None,
    cols: Sequence[Any] | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Heat:
    """Show a matrix of numbers as a table whose colours follow the values.

    `matrix`: a tensor, an array or a list of rows, [len(rows), len(cols)]; None or nan is an
    empty cell. An Embedding is shown as the cosines of its rows with each other, labelled with
    their names unless `rows` are given. `cols` are `rows` again unless given. Colours run from
    `low` to `high`, by default the least and the greatest value. Raises KandiError.

    >>> heat([[1, 0.25]], ["fox"], ["fox", "cat"]).values
    [[1.0, 0.25]]
    """
    if isinstance(matrix, Embedding):
        rows = matrix.names if rows is None else rows
        matrix = cosines(matrix)
    rows = _labels("rows", rows)
    cols = rows if cols is None else _labels("cols", cols)
    values = _numbers(matrix)
    shape = f"{len(values)} × {len(values[0]) if values else 0}"
    if len(values) != len(rows) or any(len(line) != len(cols) for line in values):
        raise KandiError(
            f"{len(rows)} rows and {len(cols)} cols are named for a matrix of {shape}; give "
            "one label each"
        )
    known = [value for line in values for value in line if value is not None]
    if not known:
        raise KandiError("the matrix holds no numbers; measure something first")
    low = min(known) if low is None else low
    high = max(known) if high is None else high
    if not low <= high:
        raise KandiError(f"low must not be above high, here {low:g} and {high:g}")
    return Heat(values, rows, cols, low, high)


def _numbers(matrix: Any) -> list[list[float | None]]:
    if hasattr(matrix, "tolist"):
        matrix = matrix.tolist()
    try:
        return [[_number(value) for value in line] for line in matrix]
    except (TypeError, ValueError):
        raise KandiError(
            f"heat needs rows of numbers, such as kn.cosines gives, not {quote(matrix)}"
        ) from None


def _number(value: Any) -> float | None:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None


def _labels(name: str, given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise KandiError(f"{name} is a list of labels, not {quote(given)}")
    return [str(label) for label in given]


def _two_places(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _head(text: str, scope: str) -> str:
    return f'<th scope="{scope}" dir="auto" style="{_BOX}">{html.escape(text)}</th>'
