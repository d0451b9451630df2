"""Pictures side by side: grids with labels, comparisons, plots of measured rows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import KandiError, nearest, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

PAGE = 960  # pixels that a notebook is wide
SMALL = 256  # pictures with a longer side below this are shown enlarged


@dataclass(repr=False)
class Grid:
    """Hold pictures in rows with a label each; None is an empty cell.

    Shows itself in a notebook; `.image` is the whole as one picture and `save` writes it.
    `scale` is the factor of enlargement, None for one that suits size and number.
    """

    cells: list[list[Image | None]]
    labels: list[list[str | None]]
    rows: list[str] | None = None
    cols: list[str] | None = None
    caption: str | None = None
    scale: float | None = None

    def __len__(self) -> int:
        return sum(cell is not None for row in self.cells for cell in row)

    def __repr__(self) -> str:
        return f"Grid({len(self.cells)} × {len(self.cells[0])}, {len(self)} pictures)"

    @property
    def factor(self) -> float:
        """Return by how much the pictures are shown enlarged (or reduced, below 1)."""
        if self.scale is not None:
            return self.scale
        pictures = [cell for row in self.cells for cell in row if cell is not None]
        side = max(max(picture.size) for picture in pictures)
        room = PAGE // len(self.cells[0])
        if side < SMALL:
            # Whole factors keep the pixels of a small picture square and equal.
            return max(2 if side < SMALL // 2 else 1, min(SMALL, room) // side)
        return min(1.0, room / side)

    def _repr_html_(self) -> str:
        from .contact import to_html

        return to_html(self)

    @property
    def image(self) -> Image:
        """Return the grid as one RGB picture, labels included where a font can draw them."""
        from .contact import to_image

        return to_image(self)

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the grid as one picture; KandiError if the file exists and not `overwrite`."""
        from .contact import encoded
        from .writing import write

        return write(path, encoded(self.image, path), overwrite=overwrite)


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
    lines, own_labels, caption = _lines(images)
    flat = [picture for line in lines for picture in line]
    if not flat:
        raise KandiError("there are no pictures to show; give at least one")
    for picture in flat:
        _check_picture(picture)
    _check_scale(scale)
    texts = own_labels if labels is None else _flat_labels(labels, lines)
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
        _side_labels("rows", rows, len(lines)),
        _side_labels("cols", cols, width),
        caption,
        scale,
    )


def _lines(images: Any) -> tuple[list[list[Any]], list[str | None], str | None]:
    """Return pictures in rows, their own labels (flat) and a caption."""
    if _is_result(images):
        prompts = {params.prompt for params in images.params}
        caption = prompts.pop() if len(prompts) == 1 and len(images) > 1 else None
        return [list(images.images)], list(images.labels), caption
    if hasattr(images, "size") and hasattr(images, "mode"):
        return [[images]], [None], None
    if isinstance(images, (str, bytes, Mapping)) or not isinstance(images, Iterable):
        raise KandiError(f"grid needs a Result or a list of pictures, not {shown(images)}")
    items = list(images)
    if items and all(_is_result(item) for item in items):
        from .recipes import labels

        texts = labels([params for item in items for params in item.params])
        return [list(item.images) for item in items], list(texts), None
    if items and all(isinstance(item, (list, tuple)) for item in items):
        lines = [list(item) for item in items]
        return lines, [None] * sum(map(len, lines)), None
    return [items], [None] * len(items), None


def _is_result(item: Any) -> bool:
    return hasattr(item, "images") and hasattr(item, "params")


def _check_picture(picture: Any) -> None:
    from PIL.Image import Image

    if not isinstance(picture, Image):
        raise KandiError(f"a grid holds PIL pictures, not {shown(picture)}; open files first")
    if not all(picture.size):
        raise KandiError("a picture of size 0 cannot be shown; leave it out")


def _check_scale(scale: Any) -> None:
    good = isinstance(scale, (int, float)) and not isinstance(scale, bool)
    if scale is not None and not (good and 0 < scale <= 64):
        raise KandiError(f"scale must be a number above 0 and at most 64, not {shown(scale)}")


def _flat_labels(labels: Any, lines: list[list[Any]]) -> list[str | None]:
    count = sum(map(len, lines))
    labels = [labels] if isinstance(labels, str) else list(labels)
    if labels and all(isinstance(row, (list, tuple)) for row in labels):
        if len(lines) > 1 and [len(row) for row in labels] != [len(line) for line in lines]:
            raise KandiError(
                f"labels stand in rows of {[len(row) for row in labels]}, pictures in rows of "
                f"{[len(line) for line in lines]}; give one label a picture"
            )
        labels = [label for row in labels for label in row]
    if len(labels) != count:
        raise KandiError(f"{len(labels)} labels for {count} pictures; give one a picture")
    return [None if label is None else str(label) for label in labels]


def _side_labels(name: str, given: Sequence[Any] | None, count: int) -> list[str] | None:
    if given is None:
        return None
    given = [given] if isinstance(given, str) else list(given)
    if len(given) != count:
        raise KandiError(f"{len(given)} labels in {name} for {count} {name}; give one each")
    return ["" if label is None else str(label) for label in given]


def _width(
    count: int, columns: Any, rows: Sequence[Any] | None, cols: Sequence[Any] | None
) -> int:
    """Return how many of `count` pictures stand in a row."""
    if columns is not None:
        if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
            raise KandiError(f"columns must be a whole number from 1, not {shown(columns)}")
        return min(columns, count)
    if cols is not None and not isinstance(cols, str) and len(cols):
        return min(len(cols), count)
    if rows is not None and not isinstance(rows, str) and len(rows):
        return math.ceil(count / len(rows))
    if count <= 6:
        return count if count != 6 else 3
    return 5 if count % 5 == 0 and count % 4 else 4


def compare(before: Any, after: Any, labels: Sequence[str] = ("before", "after")) -> Grid:
    """Show two pictures of one size and their difference, amplified until it is visible.

    Each is a picture or a Result of one picture. The third label names the largest
    difference of any channel, of 255, and the amplification.
    """
    from PIL import ImageChops

    first, second = _single(before), _single(after)
    if first.size != second.size:
        raise KandiError(
            f"compare needs pictures of one size, not {first.width} × {first.height} and "
            f"{second.width} × {second.height}; resize one of them"
        )
    if isinstance(labels, str) or len(labels) != 2:
        raise KandiError(f"compare needs two labels, not {shown(labels)}")
    gap = ImageChops.difference(first.convert("RGBA"), second.convert("RGBA"))
    # Where only the transparency differs, show that: a grey difference in all channels.
    colour, alpha = gap.convert("RGB"), gap.getchannel("A").convert("RGB")
    gap = ImageChops.lighter(colour, alpha)
    largest = max(high for _, high in gap.getextrema())
    gain = 255 // largest if largest else 1
    text = f"difference × {gain}, at most {largest}/255" if largest else "no difference"
    return grid([first, second, gap.point(lambda v: v * gain)], [*labels, text], columns=3)


def _single(item: Any) -> Image:
    if _is_result(item):
        if len(item.images) != 1:
            raise KandiError(
                f"compare takes one picture a side, not {len(item.images)}; say result[0]"
            )
        item = item.images[0]
    _check_picture(item)
    return item


def plot(rows: Iterable[Mapping[str, Any]], x: str, y: str, *, by: str | None = None) -> Figure:
    """Plot column `y` over column `x` of measured rows, one line for each value of `by`.

    Rows with equal x are shown as points; the line runs through their mean. Rows where x or y
    is None are left out. The figure is closed, so that a notebook shows it once. Raises
    KandiError for unknown columns and values of y that are no numbers.
    """
    from .plots import line_plot

    found = list(rows)
    if not found:
        raise KandiError("there are no rows to plot; measure something first")
    for name in (x, y, by):
        known = list(dict.fromkeys(key for row in found for key in row))
        if name is not None and name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close}? " if close else ""
            raise KandiError(f"no column {name!r}; {hint}known: {', '.join(map(str, known))}")
    return line_plot(found, x, y, by)
