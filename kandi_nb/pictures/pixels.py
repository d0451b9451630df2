"""Any PIL picture as 8-bit RGB: the one reading that grids, comparisons and CLIP share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError, quote
from .reading.formats import MOST_PIXELS, PROGRAMS, quiet_pillow, reason
from .reading.levels import as_bytes
from .reading.profiles import to_srgb

if TYPE_CHECKING:
    from PIL.Image import Image
    from typing_extensions import TypeIs

PAPER = (255, 255, 255)  # what transparent pictures lie on


def is_picture(item: Any) -> TypeIs[Image]:
    """Tell whether this is a PIL picture, without loading PIL for what cannot be one.

    >>> is_picture("fox.png")
    False
    """
    return hasattr(item, "getbands") and hasattr(item, "tobytes")


def is_result(item: Any) -> bool:
    """Tell whether this is a Result, or like one: pictures with their params.

    >>> is_result("fox.png")
    False
    """
    return hasattr(item, "images") and hasattr(item, "params")


def check_pixels(picture: Any, user: str) -> None:
    """Raise KandiError unless this is a whole PIL picture that `user` ("a grid") can take."""
    from PIL.Image import Image

    if not isinstance(picture, Image):
        raise KandiError(f"{user} takes PIL pictures, not {quote(picture)}; open files first")
    if not all(picture.size):
        raise KandiError(f"{user} cannot use a picture of size 0; leave it out")
    if picture.width * picture.height > MOST_PIXELS:
        raise KandiError(
            f"a picture of {picture.width} × {picture.height} pixels is too large for {user}; "
            "make it smaller with picture.thumbnail((2048, 2048))"
        )
    unread = bool(getattr(picture, "tile", None))
    if unread and getattr(picture, "format", None) in PROGRAMS:
        raise KandiError(
            f"a picture for {user} is a file of {picture.format}, which another program would "
            "have to draw; save it as PNG"
        )
    try:
        with quiet_pillow() if unread else contextlib.nullcontext():
            picture.load()  # files are read late: a cut or closed one shows itself here
    except Exception as error:  # a stranger's file may be damaged in any way
        raise KandiError(
            f"a picture for {user} cannot be read to its end ({reason(error)}); open the whole "
            "file"
        ) from error


def rgb(picture: Image) -> Image:
    """Return the picture as sRGB with 8 bits a channel, transparent parts on white.

    Of a moving picture it is the frame that is current. For pixels of more than 8 bits see
    `rgba`. Raises KandiError.
    """
    from PIL import Image

    picture = to_srgb(picture)[0]
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.convert("RGB")
    flat = Image.new("RGBA", picture.size, (*PAPER, 255))
    flat.alpha_composite(rgba(picture))
    return flat.convert("RGB")


def rgba(picture: Image) -> Image:
    """Return the picture as RGBA with 8 bits a channel, in the colours of sRGB.

    Numbers of more than 8 bits are read as `reading.levels` says. Raises KandiError for modes
    that are no colours.
    """
    if is_deep(picture):
        picture = grey(picture, f"a picture of mode {picture.mode}")
    picture = to_srgb(picture)[0]
    through = {"La": "LA", "LAB": "RGB"}.get(picture.mode)  # Pillow has no direct way
    try:
        return (picture.convert(through) if through else picture).convert("RGBA")
    except ValueError:
        raise KandiError(
            f"pictures of mode {picture.mode} have no reading as RGB here; convert it yourself"
        ) from None


def is_deep(picture: Image) -> bool:
    """Tell whether a picture holds grey values of more than 8 bits."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def grey(picture: Image, user: str, *, strict: bool = False) -> Image:
    """Return a deep picture as mode L, see `reading.levels`; its `info` stays.

    Unless `strict`, mode I;16 is of 16 bits however dark the picture is.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)
    # Mode F may hold what is whole, such as what convert("F") makes of levels.
    if picture.mode == "F" and np.isfinite(values).all() and values.max() > 1:
        whole = values.round()
        values = whole.astype(np.int64) if not strict or (whole == values).all() else values
    dark = picture.mode.startswith("I;16") and not strict and values.max() <= 255
    levels = Image.fromarray(
        (values > 128).astype(np.uint8) if dark else as_bytes(values, user, strict=strict)
    )
    levels.info = dict(picture.info)
    return levels
