"""The canvas that a model works on: pictures of any size on sides it can draw, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...words.families import Family
from ...words.fields import FIELDS
from ..masks import Mask

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

LONGEST = 4  # native areas: what the narrowest canvas may have
STEP = 64  # pixels: the sides that every Kandinsky UNet can halve often enough


def canvas_size(
    size: tuple[int, int], native: int, width: int | None = None, height: int | None = None
) -> tuple[int, int]:
    """Return (width, height) in multiples of 64, about native² pixels, of the picture's aspect.

    A `width` or `height` stays as it is; if only one is given, the other follows the aspect. It
    has at most four times the native area, however long the picture is.

    >>> canvas_size((300, 200), 512), canvas_size((64, 64), 64)
    ((640, 448), (64, 64))
    """
    aspect = size[0] / size[1]
    if width and height:
        return width, height
    whole = width or (height * aspect if height else native * math.sqrt(aspect))
    wide, high = whole, height or whole / aspect
    # A model of small pictures draws no narrower ones: a long strip would take many times the
    # memory of a picture.
    most = min(int(FIELDS["width"].high or 0), LONGEST * native**2 // STEP)
    width, height = (min(most, max(STEP, round(side / STEP) * STEP)) for side in (wide, high))
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

        scaled = np.asarray(_resize(picture, self.inner))
        around = (*self._margins(), (0, 0))[: scaled.ndim]
        return Image.fromarray(np.pad(scaled, around, "edge"))

    def lay_mask(self, mask: Mask) -> Mask:
        """Return the mask on the canvas; beside the picture its edge goes on."""
        import numpy as np

        return Mask(np.pad(mask.resize(self.inner).array, self._margins(), "edge"))

    def take(self, canvas: Image) -> Image:
        """Return the picture that lies on a canvas, at its own size."""
        return _resize(canvas.crop(self.box), self.size)

    def _margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        left, top, right, bottom = self.box
        return (top, self.canvas[1] - bottom), (left, self.canvas[0] - right)


def _resize(picture: Image, size: tuple[int, int]) -> Image:
    from PIL import Image

    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


CELL = Family.latent_factor  # pixels: the side of a latent cell of every Kandinsky MoVQ
_TRIES = 3  # smaller scales at which a small picture may fit into fewer windows
NEAR = 1.5  # times the native side: a shorter side up to that is worked on as it is


class Frame:
    """Put new margins round a picture, and lay all of it on a canvas that windows can cover.

    `margins` are the pixels added at left, top, right and bottom; `window` is (width, height)
    of the largest part that is drawn in one go. The picture stands on whole latent cells, at
    its own scale where that is near what the model draws; a large one is worked on smaller. A
    small one is worked on larger, but only as far as one window holds the whole, or as an
    inpainting of the whole would: else a picture of two pixels would need thousands of windows.
    The canvas goes on beyond the margins where cells or windows need it.
    """

    def __init__(
        self,
        size: tuple[int, int],
        margins: tuple[int, int, int, int],
        window: tuple[int, int],
        scale: float | None = None,
    ) -> None:
        left, top, right, bottom = margins
        self.old, self.margins, self.most = size, margins, window
        self.size = size[0] + left + right, size[1] + top + bottom
        suits = min(window) / min(size)
        if scale is not None or suits <= NEAR:
            suits = 1 if suits >= 1 / NEAR else suits
            self._lay_out(suits if scale is None else scale)
            return
        native = min(window)
        whole = canvas_size(self.size, native)
        fits = min(most / side for most, side in zip(window, self.size, strict=True))
        inpainted = min(most / side for most, side in zip(whole, self.size, strict=True))
        scale = min(suits, max(fits, inpainted))
        for part in range(_TRIES):  # rounding up to cells may ask for one window more
            self._lay_out(scale * (1 - part / 8))
            if self.count * math.prod(self.window) <= 2 * max(native**2, math.prod(whole)):
                return
        self._lay_out(scale)

    def _lay_out(self, scale: float) -> None:
        """Say where the picture lies on the canvas, and what of it is a window."""
        (width, height), (left, top, right, bottom) = self.old, self.margins
        self.inner = max(1, round(width * scale)), max(1, round(height * scale))
        along = [
            _margins(inner, round_up(before * scale), round_up(after * scale), most)
            for inner, before, after, most in zip(
                self.inner, (left, top), (right, bottom), self.most, strict=True
            )
        ]
        (self._left, self._right), (self._top, self._bottom) = along
        self.canvas = (
            self._left + self.inner[0] + self._right,
            self._top + self.inner[1] + self._bottom,
        )
        self.window = min(self.canvas[0], self.most[0]), min(self.canvas[1], self.most[1])

    @property
    def count(self) -> int:
        """Return how many windows, each half over its neighbours, the canvas needs."""
        return math.prod(
            1 + -(-(whole - side) // (side // 2))
            for whole, side in zip(self.canvas, self.window, strict=True)
        )

    def lay(self, picture: Image) -> Image:
        """Return the canvas with an RGB picture on it, its edge pixels going on all around."""
        import numpy as np
        from PIL import Image

        around = (self._top, self._bottom), (self._left, self._right), (0, 0)
        return Image.fromarray(np.pad(np.asarray(_resize(picture, self.inner)), around, "edge"))

    def lay_mask(self) -> np.ndarray:
        """Return what of the canvas is new, uint8 [h, w]: 255 there, 0 on the picture."""
        return self._new(self.inner, (self._left, self._top, self._right, self._bottom))

    def enlarge(self, picture: Image) -> Image:
        """Return the picture with its margins, in edge pixels, at its own scale."""
        import numpy as np
        from PIL import Image

        left, top, right, bottom = self.margins
        around = (top, bottom), (left, right), (0, 0)
        return Image.fromarray(np.pad(np.asarray(picture), around, "edge"))

    def mask(self) -> np.ndarray:
        """Return the mask of the margins, uint8 [h, w]: 255 there, 0 on the picture."""
        return self._new(self.old, self.margins)

    def _new(self, inner: tuple[int, int], around: tuple[int, ...]) -> np.ndarray:
        """Return a mask that is 255 at the sides that grow, on the others as beside them."""
        import numpy as np

        left, top, right, bottom = (
            margin if grows else 0 for margin, grows in zip(around, self.margins, strict=True)
        )
        new = np.pad(
            np.zeros(inner[::-1], np.uint8), ((top, bottom), (left, right)), constant_values=255
        )
        left, top, right, bottom = (
            0 if grows else margin for margin, grows in zip(around, self.margins, strict=True)
        )
        return np.pad(new, ((top, bottom), (left, right)), "edge")

    def take(self, canvas: Image) -> Image:
        """Return the enlarged picture that lies on a canvas, at its own scale."""
        from PIL import Image

        across, down = (new / old for new, old in zip(self.inner, self.old, strict=True))
        left, top = self._left - self.margins[0] * across, self._top - self.margins[1] * down
        box = left, top, left + self.size[0] * across, top + self.size[1] * down
        if self.inner == self.old:
            return canvas.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))
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
