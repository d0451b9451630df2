"""The canvas that a model works on: pictures of any size on sides it can draw, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..words.fields import FIELDS
from .masks import Mask

if TYPE_CHECKING:
    from PIL.Image import Image

STEP = 64  # pixels: the sides that every Kandinsky UNet can halve often enough


def canvas_size(
    size: tuple[int, int], native: int, width: int | None = None, height: int | None = None
) -> tuple[int, int]:
    """Return (width, height) in multiples of 64, about native² pixels, of the picture's aspect.

    A `width` or `height` stays as it is; if only one is given, the other follows the aspect.

    >>> canvas_size((300, 200), 512), canvas_size((64, 64), 64)
    ((640, 448), (64, 64))
    """
    aspect = size[0] / size[1]
    if width and height:
        return width, height
    whole = width or (height * aspect if height else native * math.sqrt(aspect))
    sides = whole, height or whole / aspect
    most = FIELDS["width"].high
    width, height = (min(most, max(STEP, round(side / STEP) * STEP)) for side in sides)
    return width, height


class Canvas:
    """Lay pictures of one size on a canvas of (width, height), and take them off again.

    The picture keeps its aspect and stands in the middle; beside it its edge pixels go on.
    """

    def __init__(self, size: tuple[int, int], canvas: tuple[int, int]) -> None:
        self.size, self.canvas = size, canvas
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        # Rounding must not leave the canvas, nor a long picture without any pixel.
        inner = [
            max(1, min(round(side * scale), most))
            for side, most in zip(size, canvas, strict=True)
        ]
        left, top = ((most - side) // 2 for most, side in zip(canvas, inner, strict=True))
        self.inner = inner[0], inner[1]
        self.box = left, top, left + inner[0], top + inner[1]

    def lay(self, picture: Image) -> Image:
        """Return the canvas with an RGB picture on it."""
        import numpy as np
        from PIL import Image

        scaled = np.asarray(_resized(picture, self.inner))
        return Image.fromarray(np.pad(scaled, (*self._margins(), (0, 0)), "edge"))

    def lay_mask(self, mask: Mask) -> Mask:
        """Return the mask on the canvas; beside the picture its edge goes on."""
        import numpy as np

        return Mask(np.pad(mask.resize(self.inner).array, self._margins(), "edge"))

    def take(self, canvas: Image) -> Image:
        """Return the picture that lies on a canvas, at its own size."""
        return _resized(canvas.crop(self.box), self.size)

    def _margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        left, top, right, bottom = self.box
        return (top, self.canvas[1] - bottom), (left, self.canvas[0] - right)


def _resized(picture: Image, size: tuple[int, int]) -> Image:
    from PIL import Image

    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
