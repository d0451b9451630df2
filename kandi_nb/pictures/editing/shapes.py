"""Masks in shapes: rectangle, ellipse, polygon and brush stroke.

Pixels are counted from the upper left corner; pixel (x, y) covers x … x + 1 and belongs to a
shape when its middle does. So `rectangle` and the `polygon` of its corners are the same mask.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...words.bounds import real
from ...words.errors import KandiError, quote
from .. import images
from ..masks import Mask

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

MOST = 2**15  # pixels of a side


def rectangle(image_or_size: Any, box: Any) -> Mask:
    """Return the mask of a box (left, top, right, bottom), right and bottom exclusive.

    `image_or_size`: the picture that is masked, or its (width, height). Raises KandiError.
    """
    size, picture = canvas(image_or_size)
    left, top, right, bottom = checked_box(box, size)
    inside = _nothing(size)
    inside[top:bottom, left:right] = True
    return Mask(inside, picture=picture)


def ellipse(image_or_size: Any, box: Any) -> Mask:
    """Return the mask of the ellipse that fills a box; see `rectangle`."""
    import numpy as np

    size, picture = canvas(image_or_size)
    left, top, right, bottom = whole_box(box)
    checked_box(box, size)
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1])[:, None] + 0.5
    across = (2 * x - left - right) / (right - left)
    down = (2 * y - top - bottom) / (bottom - top)
    return Mask(across**2 + down**2 <= 1, picture=picture)


def polygon(image_or_size: Any, points: Any) -> Mask:
    """Return the mask of a polygon of at least three corners (x, y); it closes itself.

    Where it crosses itself, parts covered twice are kept. Raises KandiError.
    """
    import numpy as np

    size, picture = canvas(image_or_size)
    corners = _points(points, 3)
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    inside = _nothing(size)
    # Even-odd rule: a row is turned round to the right of each edge that crosses it.
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        rows = (y0 <= y) != (y1 <= y)
        if rows.any():
            crossing = x0 + (y[rows] - y0) * (x1 - x0) / (y1 - y0)
            inside[rows] ^= x > crossing[:, None]
    return Mask(inside, picture=picture)


def stroke(image_or_size: Any, points: Any, width: float = 16) -> Mask:
    """Return the mask of a round brush of `width` pixels drawn through points (x, y).

    One point is a dot. Raises KandiError.
    """
    import numpy as np

    size, picture = canvas(image_or_size)
    says = "width is a number of pixels above 0"
    width = real("width", width, most=MOST, says=says, above=0)
    path, radius = _points(points, 1), width / 2
    inside = _nothing(size)
    for start, end in zip(path, [*path[1:], path[-1]], strict=True):
        # Only the pixels around a part of the path can lie under the brush.
        low = np.floor(np.minimum(start, end) - radius).clip(0).astype(int)
        high = np.ceil(np.maximum(start, end) + radius).clip(0).astype(int) + 1
        part = inside[low[1] : high[1], low[0] : high[0]]
        y, x = np.indices(part.shape) + 0.5
        x, y = x + low[0] - start[0], y + low[1] - start[1]
        dx, dy = end - start
        along = ((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-9)).clip(0, 1)
        part |= (x - along * dx) ** 2 + (y - along * dy) ** 2 <= radius**2
    return Mask(inside, picture=picture)


def canvas(image_or_size: Any) -> tuple[tuple[int, int], Image | None]:
    """Return the (width, height) to draw on, and the picture if one was given."""
    if isinstance(image_or_size, (tuple, list)):
        try:
            width, height = image_or_size
            whole = all(type(side) is int and 0 < side <= MOST for side in (width, height))
        except ValueError:
            whole = False
        if whole:
            return (width, height), None
        raise KandiError(f"a size is (width, height) in pixels, not {quote(image_or_size)}")
    picture = images.picture(image_or_size)
    return picture.size, picture


def checked_box(box: Any, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of a box that lies in the picture; raise KandiError when none does."""
    left, top, right, bottom = whole_box(box)
    if left >= right or top >= bottom:
        raise KandiError(
            f"box is left, top, right, bottom, so {quote(box)} is empty; right must be above "
            "left, bottom above top"
        )
    inside = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise KandiError(f"box {quote(box)} lies outside the picture of {size[0]} × {size[1]}")
    return inside


def whole_box(box: Any) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom as plain numbers; raise KandiError for others."""
    import operator

    try:
        left, top, right, bottom = map(operator.index, box)
    except (TypeError, ValueError):
        raise KandiError(
            f"box is four whole numbers, left, top, right, bottom, not {quote(box)}"
        ) from None
    return left, top, right, bottom


def _points(points: Any, least: int) -> np.ndarray:
    """Return points as float [n, 2]; raise KandiError."""
    import numpy as np

    try:
        pairs = np.array([list(map(float, pair)) for pair in points], float)
    except (TypeError, ValueError):
        pairs = np.empty(0)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) < least:
        raise KandiError(f"points are at least {least} pairs, [(x, y), …], not {quote(points)}")
    if not all(map(math.isfinite, pairs.ravel())) or np.abs(pairs).max() > MOST:
        raise KandiError(f"points are finite and at most {MOST} away, not {quote(points)}")
    return pairs


def _nothing(size: tuple[int, int]) -> np.ndarray:
    import numpy as np

    return np.zeros(size[::-1], bool)
