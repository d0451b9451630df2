"""Pictures side by side: grids with labels, comparisons, plots of measured rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..words.bounds import real, whole
from ..words.embedding import Embedding
from ..words.errors import KandiError, did_you_mean, quote
from . import pixels
from .reading.levels import largest_value
from .sheet import Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


_LONGEST_ROW = 10  # pictures of a path side by side; a longer one is folded


def grid(
    images: Any,
    labels: Sequence[Any] | None = None,
    *,
    columns: int | None = None,
    rows: Sequence[Any] | None = None,
    cols: Sequence[Any] | None = None,
    scale: float | None = None,
) -> Grid:
    """Arrange pictures in a labelled grid.

    `images`: a Result, a list of pictures, a list of rows of pictures (of any lengths) or a
    list of Results, one row each. `labels`: one for each picture, flat or in rows. `rows` and
    `cols`: labels of the whole rows and columns. `columns`: pictures in a row. `scale`:
    enlargement, by default small pictures are enlarged. Raises KandiError.
    """
    lines, own_labels, own_rows, caption = _lines(images)
    if pixels.is_result(images) and columns is rows is cols is None:
        lines, columns = _laid_out(images, lines)
    rows = rows if rows is None else _list("rows", rows)
    cols = cols if cols is None else _list("cols", cols)
    flat = [picture for line in lines for picture in line]
    if not flat:
        raise KandiError("there are no pictures to show; give at least one")
    for picture in flat:
        pixels.check_pixels(picture, "a grid")
    _check_scale(scale)
    texts = own_labels if labels is None else _flat_labels(labels, lines)
    wraps = len(lines) == 1 and not rows and not cols and not own_rows
    if len(lines) == 1:
        width = _width(len(flat), columns, rows, cols)
        lines = [flat[i : i + width] for i in range(0, len(flat), width)]
    elif columns is not None:
        raise KandiError("columns is for a flat list; these pictures are in rows already")
    width = max(len(line) for line in lines)
    left = iter(texts)
    matrix = [[next(left) for _ in line] for line in lines]
    for line, row in zip(lines, matrix, strict=True):
        line.extend([None] * (width - len(line)))
        row.extend([None] * (width - len(row)))
    return Grid(
        lines,
        matrix,
        _side_labels("rows", own_rows if rows is None else rows, len(lines)),
        _side_labels("cols", cols, width),
        caption,
        scale,
        wraps,
    )


def _lines(
    images: Any,
) -> tuple[list[list[Any]], list[str | None], list[str] | None, str | None]:
    """Return pictures in rows, their own labels (flat), labels of the rows and a caption."""
    if pixels.is_result(images):
        prompts = {params.prompt for params in images.params}
        caption = prompts.pop() if len(prompts) == 1 and len(images.images) > 1 else None
        return [list(images.images)], list(images.labels), None, caption
    if hasattr(images, "size") and hasattr(images, "mode"):
        return [[images]], [None], None, None
    if isinstance(images, (str, bytes, Mapping)) or not isinstance(images, Iterable):
        raise KandiError(f"grid needs a Result or a list of pictures, not {quote(images)}")
    items = list(images)
    if items and all(pixels.is_result(item) for item in items):
        return _lines_of_results(items)
    if items and all(isinstance(item, (list, tuple)) for item in items):
        lines = [list(item) for item in items]
        return lines, [None] * sum(map(len, lines)), None, None
    return [items], [None] * len(items), None, None


def _laid_out(result: Any, lines: list[list[Any]]) -> tuple[list[list[Any]], int | None]:
    """Return the rows of a result that is a grid, and how many columns one row of it has.

    A square layout with too few pictures is a triangle: one picture, two, three…
    """
    (flat,), layout = lines, getattr(result, "layout", None)
    if not layout or (layout[0] == 1 and layout[1] > _LONGEST_ROW):
        return lines, None
    if layout[0] == 1:
        return lines, layout[1]
    height, width = layout
    widths = [width] * height if height * width == len(flat) else range(1, height + 1)
    ends = list(itertools.accumulate(widths))
    return [flat[end - w : end] for end, w in zip(ends, widths, strict=True)], None


def _lines_of_results(results: Sequence[Any]):
    """Put each Result in a row; a prompt that a row shares stands before it, once."""
    from .diff import labels

    every = [params for result in results for params in result.params]
    prompts = [{params.prompt for params in result.params} for result in results]
    shared = len(results) > 1 and all(len(each) == 1 and None not in each for each in prompts)
    inputs = [each for result in results for each in getattr(result, "inputs", ())]
    texts = labels(every, leave_out=["prompt"] if shared else [], inputs=inputs)
    rows = [each.pop() for each in prompts] if shared else None
    return [list(result.images) for result in results], texts, rows, None


def _check_scale(scale: Any) -> None:
    if scale is not None:
        says = "scale must be a number above 0 and at most 64"
        real("scale", scale, most=64, says=says, above=0)


def _flat_labels(labels: Any, lines: list[list[Any]]) -> list[str | None]:
    count = sum(map(len, lines))
    labels = _list("labels", labels)
    if labels and all(isinstance(row, (list, tuple)) for row in labels):
        if len(lines) > 1 and [len(row) for row in labels] != [len(line) for line in lines]:
            raise KandiError(
                f"labels stand in rows of {[len(row) for row in labels]}, pictures in rows of "
                f"{[len(line) for line in lines]}; give one label a picture"
            )
        labels = [label for row in labels for label in row]
    if len(labels) != count:
        raise KandiError(f"{len(labels)} labels for {count} pictures; give one a picture")
    return [None if label is None else _printable(label) for label in labels]


def _list(name: str, given: Any) -> list[Any]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable):
        raise KandiError(f"{name} must be a list of texts, not {quote(given)}")
    return list(given)


def _side_labels(name: str, given: list[Any] | None, count: int) -> list[str] | None:
    if given is None:
        return None
    if len(given) != count:
        raise KandiError(f"{len(given)} labels in {name} for {count} {name}; give one each")
    return ["" if label is None else _printable(label) for label in given]


def _printable(label: Any) -> str:
    """Return the label as text that a page can hold: half a letter (a surrogate) becomes ?."""
    return str(label).encode("utf-8", "replace").decode()


def _width(count: int, columns: Any, rows: list[Any] | None, cols: list[Any] | None) -> int:
    """Return how many of `count` pictures stand in a row."""
    if columns is not None:
        says = "columns must be a whole number from 1"
        return min(whole("columns", columns, 1, says=says), count)
    if cols:
        return min(len(cols), count)
    if rows:
        return math.ceil(count / len(rows))
    if count <= 6:
        return count if count != 6 else 3
    return 5 if count % 5 == 0 and count % 4 else 4


def compare(
    before: Any, after: Any = None, labels: Sequence[str] = ("before", "after")
) -> Grid:
    """Show two pictures of one size and their difference, amplified until it is visible.

    Each is a picture or a Result of one picture. The third panel shows the difference d of
    each channel as √(d / largest); its label names the largest, of 255. Raises KandiError.
    """
    from PIL import ImageChops

    if after is None:
        raise KandiError("compare takes two pictures: kn.compare(before, after)")
    first, second = _single(before), _single(after)
    if first.size != second.size:
        raise KandiError(
            f"compare needs pictures of one size, not {first.width} × {first.height} and "
            f"{second.width} × {second.height}; resize one of them"
        )
    if isinstance(labels, str) or len(labels) != 2:
        raise KandiError(f"compare needs two labels, not {quote(labels)}")
    gap = ImageChops.difference(pixels.rgba(first), pixels.rgba(second))
    # Where only the transparency differs, show that: a grey difference in all channels.
    colour, alpha = gap.convert("RGB"), gap.getchannel("A").convert("RGB")
    gap = ImageChops.lighter(colour, alpha)
    largest = largest_value(gap)
    # The square root lifts small differences beside large ones.
    bright = gap.point(lambda v: round(255 * math.sqrt(v / largest)) if largest else 0)
    text = f"difference (brightened), at most {largest}/255" if largest else "no difference"
    return grid([first, second, bright], [*labels, text], columns=3)


def _single(item: Any) -> Image:
    if pixels.is_result(item):
        if len(item.images) != 1:
            raise KandiError(
                f"compare takes one picture a side, not {len(item.images)}; say result[0]"
            )
        item = item.images[0]
    pixels.check_pixels(item, "compare")
    return item


def plot(
    rows: Iterable[Mapping[str, Any]] | Embedding,
    x: str | None = None,
    y: str | None = None,
    *,
    by: str | None = None,
    label: str | None = None,
) -> Figure:
    """Plot column `y` over column `x` of measured rows, one line for each value of `by`.

    An Embedding is plotted as a map, its rows as named points: seen from where they spread most
    (PCA); x, y and by have no place there.

    With `label`, the name of a column, each row is a point with that value beside it, less is
    taken to be better on both axes, and a line joins the rows that no other beats in both.

    Rows with equal x are shown as points; the line runs through their mean. Rows where x or y
    is None are left out. The figure is closed, so that a notebook shows it once. Raises
    KandiError for unknown columns and values of y that are no numbers.
    """
    from .charts import front_plot, line_plot, map_plot

    if isinstance(rows, Embedding):
        if (x, y, by, label) != (None, None, None, None):
            raise KandiError(
                "an embedding is plotted as a map, without x, y, by and label; leave them out"
            )
        return map_plot(rows)
    found: list[Any] = list(rows) if isinstance(rows, Iterable) else [rows]
    for row in found:
        if not isinstance(row, Mapping):
            raise KandiError(f"plot needs a list of dicts, one a row, not {quote(row)}")
    if not found:
        raise KandiError("there are no rows to plot; measure something first")
    known = list(dict.fromkeys(str(key) for row in found for key in row))
    if by and label:
        raise KandiError("by draws a line for each value, label names single points; take one")
    for name in (x, y, *filter(None, [by, label])):
        if name is None or name not in known:
            hint = did_you_mean(str(name), known)
            raise KandiError(f"no column {name!r}; {hint}known: {', '.join(known)}")
    across, up = str(x), str(y)  # both are names of columns here
    return front_plot(found, across, up, label) if label else line_plot(found, across, up, by)
