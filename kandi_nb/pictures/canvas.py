"""The canvas that a model works on: pictures of any size on sides it can draw, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..words.fields import FIELDS
from .masks import Mask

if TYPE_CHECKING:
    import numpy as np
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
        """Return the canvas with a picture on it, RGB or grey."""
        import numpy as np
        from PIL import Image

        scaled = np.asarray(_resized(picture, self.inner))
        around = (*self._margins(), (0, 0))[: scaled.ndim]
        return Image.fromarray(np.pad(scaled, around, "edge"))

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


CELL = 8  # pixels: the side of a latent cell of every Kandinsky MoVQ
NEAR = 1.5  # times the native side: a shorter side up to that is worked on as it is


class Frame:
    """Put new sides round a picture, and lay all of it on a canvas that windows can cover.

    `sides` are the pixels added at left, top, right and bottom; `window` is (width, height) of
    the largest part that is drawn in one go. The picture stands on whole latent cells, at its
    own scale where that is near what the model draws. The canvas goes on beyond the new sides
    where cells or windows need it.
    """

    def __init__(
        self,
        size: tuple[int, int],
        sides: tuple[int, int, int, int],
        window: tuple[int, int],
        scale: float | None = None,
    ) -> None:
        left, top, right, bottom = sides
        self.old, self.sides = size, sides
        self.size = size[0] + left + right, size[1] + top + bottom
        if scale is None:
            scale = min(window) / min(size)
            scale = 1 if 1 / NEAR <= scale <= NEAR else scale
        self.inner = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        along = [
            _margins(inner, round_up(before * scale), round_up(after * scale), most)
            for inner, before, after, most in zip(
                self.inner, (left, top), (right, bottom), window, strict=True
            )
        ]
        (self._left, self._right), (self._top, self._bottom) = along
        self.canvas = (
            self._left + self.inner[0] + self._right,
            self._top + self.inner[1] + self._bottom,
        )
        self.most = window
        self.window = min(self.canvas[0], window[0]), min(self.canvas[1], window[1])

    def lay(self, picture: Image) -> Image:
        """Return the canvas with an RGB picture on it, its edge pixels going on all around."""
        import numpy as np
        from PIL import Image

        around = (self._top, self._bottom), (self._left, self._right), (0, 0)
        return Image.fromarray(
            np.pad(np.asarray(_resized(picture, self.inner)), around, "edge")
        )

    def lay_mask(self) -> np.ndarray:
        """Return what of the canvas is new, uint8 [h, w]: 255 there, 0 on the picture."""
        return self._new(self.inner, (self._left, self._top, self._right, self._bottom))

    def enlarged(self, picture: Image) -> Image:
        """Return the picture with its new sides, in edge pixels, at its own scale."""
        import numpy as np
        from PIL import Image

        left, top, right, bottom = self.sides
        around = (top, bottom), (left, right), (0, 0)
        return Image.fromarray(np.pad(np.asarray(picture), around, "edge"))

    def mask(self) -> np.ndarray:
        """Return the mask of the new sides, uint8 [h, w]: 255 there, 0 on the picture."""
        return self._new(self.old, self.sides)

    def _new(self, inner: tuple[int, int], around: tuple[int, ...]) -> np.ndarray:
        """Return a mask that is 255 at the sides that grow, on the others as beside them."""
        import numpy as np

        left, top, right, bottom = (
            margin if grows else 0 for margin, grows in zip(around, self.sides, strict=True)
        )
        new = np.pad(
            np.zeros(inner[::-1], np.uint8), ((top, bottom), (left, right)), constant_values=255
        )
        left, top, right, bottom = (
            0 if grows else margin for margin, grows in zip(around, self.sides, strict=True)
        )
        return np.pad(new, ((top, bottom), (left, right)), "edge")

    def take(self, canvas: Image) -> Image:
        """Return the enlarged picture that lies on a canvas, at its own scale."""
        from PIL import Image

        across, down = (new / old for new, old in zip(self.inner, self.old, strict=True))
        left, top = self._left - self.sides[0] * across, self._top - self.sides[1] * down
        box = left, top, left + self.size[0] * across, top + self.size[1] * down
        if self.inner == self.old:
            return canvas.crop(tuple(map(round, box)))
        # Rounding of the inner size may put the outermost fraction of a pixel off the canvas.
        box = (
            max(0, box[0]),
            max(0, box[1]),
            min(canvas.width, box[2]),
            min(canvas.height, box[3]),
        )
        return canvas.resize(self.size, Image.Resampling.LANCZOS, box)


def round_up(length: float, step: int = CELL) -> int:
    """Return the multiple of `step` that is not below a length.

    >>> round_up(7), round_up(64), round_up(65, 64)
    (8, 64, 128)
    """
    return math.ceil(length / step) * step


def _margins(inner: int, before: int, after: int, window: int) -> tuple[int, int]:
    """Return what lies before and after the picture on one axis of the canvas.

    The whole is a multiple of 64 if it fits into one window, and of a cell otherwise. What
    must be added stands at a side that grows, and in whole cells before the picture.
    """
    whole = inner + before + after
    wanted = round_up(whole, STEP)
    if wanted > window:
        wanted = max(window, round_up(whole))
    extra = wanted - whole
    if after:
        return before, after + extra
    if before:
        return before + extra // CELL * CELL, extra % CELL
    return extra // 2 // CELL * CELL, extra - extra // 2 // CELL * CELL
