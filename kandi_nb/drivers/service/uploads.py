"""Pictures that clients send: measured before they are decoded, never a path or an address."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...pictures import masks
from ...pictures.images import picture
from ...words.errors import KandiError
from ..queue.limits import Limits, Refused

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP")


def opened(data: bytes, name: str, limits: Limits) -> Image:
    """Return a picture whose size is known to be within the limits, not decoded yet.

    Raises KandiError for what is no picture, Refused for one with too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise KandiError(f"{name} is empty; send a picture's file: -F {name}=@fox.png")
    try:
        with warnings.catch_warnings():  # the limit below is the stricter one
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            source = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_large(name, limits) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        raise KandiError(
            f"{name} is no picture that is read here; send a whole {', '.join(FORMATS)}"
        ) from None
    if source.width * source.height > limits.pixels:
        raise _too_large(name, limits)
    return source


def _too_large(name: str, limits: Limits) -> Refused:
    return Refused(413, f"{name} has more than {limits.pixels:,} pixels; make it smaller")


def inputs_of(files: Mapping[str, bytes], limits: Limits) -> dict[str, Any]:
    """Return the files as a task takes them: pictures, and a mask that fits its picture."""
    inputs: dict[str, Any] = {
        name: picture(opened(data, name, limits), name)
        for name, data in files.items()
        if name != "mask"
    }
    if "mask" in files:
        mask = masks.Mask(opened(files["mask"], "mask", limits))
        inputs["mask"] = masks.check(mask, inputs["image"]).image
    return inputs
