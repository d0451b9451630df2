"""`Mask`: which pixels of a picture are repainted (white), and which stay (black)."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.bounds import real, whole
from ..words.errors import KandiError, concerning, warn
from ..words.files import write
from . import images, pixels
from .recipe import png_bytes

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

PAINT = (230, 30, 60)  # what a preview lays over the part to repaint …
COVER = 0.6  # … and how thick
GREY = 200  # what it lies on when the mask knows no picture


class Mask:
    """Say for every pixel whether it is repainted: 255 = repaint, 0 = keep, between = both.

    `source`: a NumPy array or torch tensor [h, w] of bool, 0/1, 0…255, 0…65535 or floats 0…1, a
    PIL picture, the path of one, or a Mask. A coloured picture, one with transparency and
    numbers of another range are refused, because either could mean two things: see
    `Mask.from_alpha`. `picture` is what the mask belongs to, for its preview. In a notebook it
    shows itself. Raises KandiError.
    """

    def __init__(self, source: Any, *, picture: Any = None) -> None:
        if isinstance(source, Mask):
            array, picture = source.array, source.picture if picture is None else picture
        elif isinstance(source, (list, tuple)) and is_box(source):
            raise KandiError(
                f"mask is a picture, not a box: kn.rectangle(image, {tuple(source)})"
            )
        else:
            array = images.channel(source)
        self._keep(array, None if picture is None else images.picture(picture))
        if self.picture is not None:
            self._check_size(self.picture.size, "its picture")

    def _keep(self, array: np.ndarray, picture: Image | None) -> None:
        self.array = array.copy()
        self.array.setflags(write=False)
        self.picture = picture

    @classmethod
    def from_alpha(cls, image: Any) -> Mask:
        """Return the mask of a picture's transparency: what was erased (alpha 0) is repainted.

        For strokes on a transparent layer, `~Mask.from_alpha(layer)`. Raises KandiError when
        the picture has no alpha channel.
        """
        import numpy as np

        raw = images.open_source(image, "image")
        pixels.check_pixels(raw, "image")
        if not raw.has_transparency_data:
            raise KandiError(
                f"the picture of mode {raw.mode} has no alpha channel; Mask(image) reads its "
                "brightness"
            )
        alpha = images.upright(raw).convert("RGBA").getchannel("A")
        return ~_mask(np.asarray(alpha))

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height) in pixels."""
        return self.array.shape[1], self.array.shape[0]

    @property
    def area(self) -> float:
        """Return the share of pixels that are repainted, feathered ones included: 0…1."""
        return float((self.array > 0).mean())

    @property
    def image(self) -> Image:
        """Return the mask as a grey picture (mode L)."""
        from PIL import Image

        return Image.fromarray(self.array)

    def over(self, image: Any = None) -> Image:
        """Return a picture with the part to repaint under red; without `image` its own."""
        from PIL import Image

        below = self.picture if image is None else images.picture(image)
        if below is None:
            below = Image.new("RGB", self.size, (GREY, GREY, GREY))
        self._check_size(below.size, "the picture")
        cover = self.image.point(lambda value: round(value * COVER))
        return Image.composite(Image.new("RGB", self.size, PAINT), below, cover)

    def grow(self, by: int) -> Mask:
        """Return the mask with `by` more pixels repainted on each side, diagonals included."""
        import numpy as np

        array = self.array
        for axis, side in enumerate(array.shape):
            # Steps that double: growing by 1, 2, 4 … reaches any distance in few passes.
            left = min(_pixels("grow", by), side)
            step = 1
            while left:
                step = min(step, left)
                padded = np.pad(array, [(step, step) if a == axis else (0, 0) for a in (0, 1)])
                shifts = [np.take(padded, range(n, n + side), axis) for n in (0, 2 * step)]
                array = np.maximum(array, np.maximum(*shifts))
                left, step = left - step, step * 2
        return self._with(array)

    def shrink(self, by: int) -> Mask:
        """Return the mask with `by` fewer pixels repainted on each side, none at the frame."""
        return ~(~self).grow(by=_pixels("shrink", by))

    def feather(self, by: float) -> Mask:
        """Return the mask with a soft border: a Gaussian blur with a radius of `by` pixels.

        The border grows outwards, too: every pixel above 0 counts as repainted.
        """
        import numpy as np
        from PIL import ImageFilter

        by = real("by", by, 0, 1000, "feather takes a radius from 0 to 1000 pixels")
        soft = np.asarray(self.image.filter(ImageFilter.GaussianBlur(by)))
        # A wide blur may leave nothing of a small part, or 1 at most, which files hold for 0/1.
        return self._with(np.maximum(soft, np.minimum(self.array, 2)))

    def resize(self, size: tuple[int, int]) -> Mask:
        """Return the mask for its picture resized to (width, height); nothing painted is lost.

        A pixel that holds any part to repaint is repainted; a hard mask stays hard.
        """
        import numpy as np
        from PIL import Image

        if size == self.size:
            return self
        whole = np.asarray(
            Image.fromarray(self.array.astype(np.float32)).resize(size, Image.Resampling.BOX)
        )
        # A slightly smaller size skips pixels there: those go where their middle falls.
        least = np.zeros(whole.shape, np.uint8)
        rows, columns = np.nonzero(self.array)
        y = ((rows + 0.5) * size[1] / self.size[1]).astype(int)
        x = ((columns + 0.5) * size[0] / self.size[0]).astype(int)
        np.maximum.at(least, (y, x), self.array[rows, columns])
        if not ((self.array > 0) & (self.array < 255)).any():
            return _mask(np.where((whole > 0) | (least > 0), 255, 0).astype(np.uint8))
        # Rounded up but for what float32 adds: what is above 0 stays above 0.
        soft = np.ceil(whole - 0.01).clip(1, 255)
        return _mask(np.where(whole > 0, soft, least).astype(np.uint8))

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the mask as a PNG, which `Mask(path)` reads again; raise KandiError."""
        if Path(path).suffix.lower() != ".png":
            raise KandiError(f"a mask is saved as PNG, so that no pixel changes; not {path}")
        return write(path, png_bytes(self.image), overwrite=overwrite)

    def __invert__(self) -> Mask:
        return self._with(255 - self.array)

    def __or__(self, other: Any) -> Mask:
        import numpy as np

        return self._with(np.maximum(self.array, self._matching(other)))

    def __and__(self, other: Any) -> Mask:
        import numpy as np

        return self._with(np.minimum(self.array, self._matching(other)))

    def __sub__(self, other: Any) -> Mask:
        import numpy as np

        return self._with(np.minimum(self.array, 255 - self._matching(other)))

    def __eq__(self, other: object) -> bool:
        import numpy as np

        return isinstance(other, Mask) and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash((self.size, self.array.tobytes()))

    def __repr__(self) -> str:
        return f"Mask({self.size[0]} × {self.size[1]}, {self.area:.0%} to repaint)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .grid import grid

        sheet = grid([self.over()], [f"{self.area:.0%} to repaint"])
        return {"text/html": sheet._repr_html_(), "text/plain": repr(self)}

    def _with(self, array: np.ndarray) -> Mask:
        return _mask(array, self.picture)

    def _matching(self, other: Any) -> np.ndarray:
        mask = Mask(other)
        self._check_size(mask.size, "the other mask")
        return mask.array

    def _check_size(self, size: tuple[int, int], what: str) -> None:
        if size != self.size:
            raise KandiError(
                f"the mask has {self.size[0]} × {self.size[1]} pixels, {what} {size[0]} × "
                f"{size[1]}; make both of one size, such as mask.resize({size})"
            )


def _mask(array: np.ndarray, picture: Image | None = None) -> Mask:
    """Return the Mask of an array that needs no reading: uint8 [h, w], 1 is next to nothing."""
    mask = Mask.__new__(Mask)
    mask._keep(array, picture)
    return mask


def is_box(source: Any) -> bool:
    """Tell whether something looks like left, top, right, bottom."""
    return len(source) == 4 and all(isinstance(side, Integral) for side in source)


def check_mask(mask: Any, image: Image) -> Mask:
    """Return the mask of a picture, ready for use; raise KandiError for one that cannot serve.

    The sizes must agree and something must be repainted; a mask that keeps nothing is warned
    about.
    """
    with concerning("mask"):
        mask = Mask(mask)
        mask._check_size(image.size, "the picture")
        if not mask.array.any():
            raise KandiError(
                "the mask is all black, so nothing would be repainted: white = repaint; ~mask "
                "turns it round"
            )
    if mask.array.all():
        warn("the mask keeps no pixel of the picture; ~mask turns it round")
    return Mask(mask, picture=image)


def _pixels(name: str, by: Any) -> int:
    return whole("by", by, says=f"{name} takes a whole number of pixels from 0")
