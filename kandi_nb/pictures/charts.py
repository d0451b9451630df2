"""Line plots of measured rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError, shown
from .fonts import SANS, drawable, family_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNITS = {"seconds": "s", "mb": "MB", "gb": "GB", "ms": "ms", "percent": "%", "px": "px"}


def line_plot(rows: Sequence[Mapping[str, Any]], x: str, y: str, by: str | None) -> Figure:
    """Return a closed matplotlib figure; `show.plot` checks the names and says the rest."""
    import matplotlib
    from matplotlib import pyplot

    rows = [row for row in rows if row.get(x) is not None and row.get(y) is not None]
    if not rows:
        raise KandiError(f"no row has both {x} and {y}; nothing can be plotted")
    for row in rows:
        if not _is_number(row[y]):
            raise KandiError(f"{y} must be a number to be plotted, not {shown(row[y])}")
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
        axes.set_xlabel(_titled(x))
        axes.set_ylabel(_titled(y))
        if min(float(row[y]) for row in rows) >= 0:
            axes.set_ylim(bottom=0)  # half a bar's height should mean half the seconds
        axes.grid(alpha=0.3)
        if by:
            axes.legend(title=_titled(by))
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


def _titled(name: str) -> str:
    """Return a column name as an axis label with its unit: "peak_mb" → "peak (MB)".

    >>> _titled("seconds"), _titled("peak_mb"), _titled("prior_steps")
    ('time (s)', 'peak (MB)', 'prior steps')
    """
    *words, last = name.split("_")
    if last in _UNITS:
        return f"{' '.join(words) or 'time'} ({_UNITS[last]})"
    return " ".join([*words, last])
