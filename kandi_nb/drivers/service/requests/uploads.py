"""Pictures that clients send: measured before they are decoded, never a path or an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ....pictures import masks
from ....pictures.reading.formats import WEB, TooLarge, open_picture, reason
from ....tasks.checks import TASKS
from ....tasks.outpaint import check_margins
from ....tasks.sources import read_input
from ....words.errors import KandiError, concerning
from ....words.tasks import INPUTS
from ...queue.limits import Limits, Refused

if TYPE_CHECKING:
    from PIL.Image import Image


def read_upload(data: bytes, part: str, limits: Limits, name: str = "image") -> Image:
    """Return the picture in a part of a form, read as the input of that name."""
    source = open_upload(data, part, limits)
    return read_whole(lambda: read_input(name, source, part), part)


def open_upload(data: bytes, name: str, limits: Limits) -> Image:
    """Return a picture whose size is known to be within the limits, decoded to its end.

    Raises KandiError for what is no whole picture, Refused for one with too many pixels.
    """
    if not data:
        raise KandiError(f"{name} is empty; send a picture's file: -F {name}=@fox.png")
    try:
        source = open_picture(data, name, WEB, limits.pixels)
    except TooLarge as error:
        raise Refused(413, str(error)) from None
    read_whole(source.load, name)
    return source


def read_whole(read: Callable[[], Any], name: str) -> Any:
    """Return what reading a file gives; whatever its decoder raises is a KandiError."""
    try:
        return read()
    except (KandiError, MemoryError):
        raise
    except Exception as error:
        raise KandiError(
            f"{name} cannot be read to its end ({reason(error)}); send the whole file"
        ) from None


def inputs_of(
    files: Mapping[str, bytes], limits: Limits, parts: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the files as a task takes them: pictures, and a mask that fits its picture.

    `parts` says which part of a form is which input of the task; errors name the part.
    """
    inputs: dict[str, Any] = {}
    for part, data in files.items():
        name = parts.get(part, part)
        with concerning(name):
            inputs[name] = read_upload(data, part, limits, name)
    for name, held in inputs.items():
        if INPUTS[name].kind == "mask":
            inputs[name] = masks.check_mask(held, inputs["image"]).image
    return inputs


def check_grown(task: str, image: Image, options: Mapping[str, Any], limits: Limits) -> None:
    """Raise KandiError for a picture that would become larger than may be."""
    size = image.size
    if task == "outpaint":
        size = check_margins(image, **{n: v for n, v in options.items() if n != "join"})
    elif "factor" in TASKS[task].options:
        factor = options.get("factor", INPUTS["factor"].default)
        # What is no factor the task refuses in its own words.
        times = factor if factor in INPUTS["factor"].choices else 1
        size = (size[0] * times, size[1] * times)
    if size[0] * size[1] > limits.pixels:
        raise KandiError(
            f"the picture would have {size[0]} × {size[1]} pixels, and at most "
            f"{limits.pixels:,} are drawn here; ask for less"
        )
