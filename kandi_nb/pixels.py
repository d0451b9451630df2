"""Any PIL picture as 8-bit RGB: the one reading that grids, comparisons and CLIP share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import KandiError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

# Pixels of the largest picture: Pillow takes larger files for decompression bombs.
MOST_PIXELS = 2 * 89_478_485
PAPER = (255, 255, 255)  # what transparent pictures lie on
_DEEP = (
    "I",
    "F",
)  # with all I;16 modes: pixels of more than 8 bits, which Pillow would cut off


def check(picture: Any, user: str) -> None:
    """Raise KandiError unless this is a whole PIL picture that `user` ("a grid") can take."""
    from PIL.Image import DecompressionBombError, Image

    if not isinstance(picture, Image):
        raise KandiError(f"{user} takes PIL pictures, not {shown(picture)}; open files first")
    if not all(picture.size):
        raise KandiError(f"{user} cannot use a picture of size 0; leave it out")
    if picture.width * picture.height > MOST_PIXELS:
        raise KandiError(
            f"a picture of {picture.width} × {picture.height} pixels is too large for {user}; "
            "make it smaller with picture.thumbnail((2048, 2048))"
        )
    try:
        picture.load()  # files are read late: a cut or closed one shows itself here
    except (OSError, SyntaxError, ValueError, EOFError, DecompressionBombError) as error:
        raise KandiError(
            f"a picture for {user} cannot be read to its end ({error}); open the whole file"
        ) from error


def rgb(picture: Image) -> Image:
    """Return the picture as RGB with 8 bits a channel, transparent parts on white.

    Of a moving picture it is the frame that is current. For pixels of more than 8 bits see
    `rgba`. Raises KandiError.
    """
    from PIL import Image

    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.convert("RGB")
    flat = Image.new("RGBA", picture.size, (*PAPER, 255))
    flat.alpha_composite(rgba(picture))
    return flat.convert("RGB")


def rgba(picture: Image) -> Image:
    """Return the picture as RGBA with 8 bits a channel.

    16-bit values become 8-bit ones in proportion: 32768 is mid grey. Modes I and F, which have
    no fixed range, are read by their largest value: F up to 1 as 0…1, then both up to 255 as
    8 bits and up to 65535 as 16 bits. Raises KandiError for others.
    """
    if picture.mode in _DEEP or picture.mode.startswith("I;16"):
        picture = _eight_bits(picture)
    through = {"La": "LA", "LAB": "RGB"}.get(picture.mode)  # Pillow has no direct way
    try:
        return (picture.convert(through) if through else picture).convert("RGBA")
    except ValueError:
        raise KandiError(
            f"pictures of mode {picture.mode} have no reading as RGB here; convert it yourself"
        ) from None


def _eight_bits(picture: Image) -> Image:
    """Return a picture of grey values as mode L."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float32)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):  # so written for NaN, too
        raise KandiError(
            f"the pixels of a picture of mode {picture.mode} go from {low:g} to {high:g}; "
            "bring them to 0…255 first"
        )
    if picture.mode == "F" and high <= 1:
        values *= 255
    elif high > 255 or picture.mode not in _DEEP:
        values /= 257  # 65535 / 255
    return Image.fromarray(values.round().astype(np.uint8))
