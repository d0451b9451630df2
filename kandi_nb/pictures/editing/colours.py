"""Small corrections of finished pictures: saturation, contrast, white balance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...words.bounds import real
from .. import images

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 4.0  # times


def colours(
    result_or_image: Any,
    *,
    saturation: float = 1.0,
    contrast: float = 1.0,
    white_balance: float = 0.0,
) -> Any:
    """Change the colours of each picture; a Result gives a Result, a picture gives a picture.

    `saturation`, `contrast`: 0 = none, 1 = as it is, up to 4. `white_balance`: 0 = as it is …
    1 = the picture's mean becomes grey, at the same brightness. Nothing is changed in place.
    Raises KandiError.
    """
    settings = {
        "saturation": _number("saturation", saturation, MOST),
        "contrast": _number("contrast", contrast, MOST),
        "white_balance": _number("white_balance", white_balance, 1.0),
    }

    def change(picture: Image) -> Image:
        from PIL import ImageEnhance

        if white_balance:
            picture = _balance(picture, white_balance)
        for kind, factor in (("Color", saturation), ("Contrast", contrast)):
            if factor != 1:
                picture = getattr(ImageEnhance, kind)(picture).enhance(factor)
        return picture

    return apply_change(result_or_image, change, "colours", settings)


_UNKNOWN: dict[str, Any] = {"proof": None, "held": []}  # of pictures that were changed


def apply_change(
    result_or_image: Any,
    change: Callable[[Image], Image],
    name: str,
    settings: Mapping[str, Any],
) -> Any:
    """Apply a change to a picture or to all of a Result, whose options then name it.

    Replay reads them from there.
    """
    if not (hasattr(result_or_image, "images") and hasattr(result_or_image, "params")):
        return change(images.picture(result_or_image))
    result = result_or_image
    # What was proven of the pictures is true of them alone.
    fields: dict[str, Any] = {
        "images": [change(images.picture(each)) for each in result.images]
    }
    fields |= {name: none for name, none in _UNKNOWN.items() if hasattr(result, name)}
    if hasattr(result, "options"):
        # A list, because the order counts and one change may be made twice.
        before = result.options.get("changes", [])
        fields["options"] = {**result.options, "changes": [*before, {name: dict(settings)}]}
    return dataclasses.replace(result, **fields)


def _balance(picture: Image, share: float) -> Image:
    """Bring the means of the channels together (the "grey world" assumption)."""
    from PIL import ImageStat

    means = [max(mean, 1.0) for mean in ImageStat.Stat(picture).mean]
    grey = sum(means) / 3
    table = []
    for mean in means:
        factor = 1 + share * (grey / mean - 1)
        table += [min(255, round(value * factor)) for value in range(256)]
    return picture.point(table)


def _number(name: str, value: Any, most: float) -> float:
    return real(name, value, 0, most)
