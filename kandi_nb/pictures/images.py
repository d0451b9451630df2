"""Pictures in, from whatever holds one: a path, bytes, PIL, NumPy, torch or a Result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError, quote, warn
from ..words.files import expand_path
from . import pixels
from .reading.formats import open_picture, quiet_pillow
from .reading.levels import as_bytes, numbers
from .reading.profiles import to_srgb, without_profile

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

# Where Pillow looks for how a camera was held; a TIFF is turned when it is read.
_NOTES = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
UNDECODED = "kandi_nb undecoded"  # in the info of a picture that only shows latents
KINDS = "a path, bytes, a PIL picture, a NumPy array, a torch tensor or a Result"


def picture(source: Any, user: str = "image") -> Image:
    """Return one picture as upright 8-bit sRGB, transparent parts on white (said in a warning).

    `source`: a path, the bytes of a file, a PIL picture, a NumPy array [h, w] or [h, w, 1|3|4],
    a torch tensor [1|3|4, h, w] or a Result of one picture. Files are PNG, JPEG, WebP, GIF,
    BMP, TIFF or AVIF; colours of another profile become sRGB's, which is said. Arrays hold
    floats in 0…1 or whole numbers: up to 255, or up to 65535. `user` names the argument in
    messages. Raises KandiError.
    """
    raw = open_source(source, user)
    pixels.check_pixels(raw, user)
    file = {"file": Path(source).name} if isinstance(source, (str, os.PathLike)) else {}
    if (frames := _frames(raw)) != 1 and raw.format != "MPO":  # with a camera's preview inside
        warn(f"{user} holds {frames} pictures; the current one is taken")
    raw = upright(raw)
    if pixels.is_deep(raw):
        raw = pixels.grey(raw, user)
    raw, said = to_srgb(raw)
    if said:
        warn(f"{user} {said}")
    if transparent(raw):
        warn(f"{user} has transparent parts; they become white")
    flat = pixels.rgb(raw)
    flat.info.update(file)  # so that a recipe can name it
    return flat


def pictures(source: Any, user: str = "image") -> list[Image]:
    """Return the pictures of one source or of a list of sources; see `picture`."""
    if isinstance(source, (list, tuple)):
        if not source:
            raise KandiError(f"{user} is an empty list; give at least one picture")
        return [picture(each, user) for each in source]
    return [picture(source, user)]


def open_source(source: Any, user: str) -> Image:
    """Return the source as a PIL picture in a mode of its own; raise KandiError.

    Of a file only the head is read.
    """
    from PIL.Image import Image

    if isinstance(source, Image):
        if source.info.get(UNDECODED):
            raise KandiError(
                f"{user} is latents, no picture; a loaded model's kn.edit and kn.inpaint take "
                "the whole Result as image="
            )
        return source
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        raise KandiError(
            f"{user} {source} is an address: download it first, then give its path"
        )
    if isinstance(source, (str, os.PathLike)):
        return open_picture(expand_path(source), f"{user} {source}")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return open_picture(bytes(source), f"{user}, given as bytes,")
    if pixels.is_result(source):
        return open_source(_only(source.images, user), user)
    if hasattr(source, "__array_interface__") or _is_tensor(source):
        return from_array(source, user)
    raise KandiError(f"{user} takes {KINDS}, not {quote(source)}")


def transparent(raw: Image) -> bool:
    """Return whether any pixel of a picture lets its background through."""
    if not raw.has_transparency_data:
        return False
    return raw.convert("RGBA").getchannel("A").histogram()[255] < raw.width * raw.height


def upright(raw: Image) -> Image:
    """Return a picture turned as its camera was held; damaged notes turn nothing."""
    from PIL import ImageOps

    if not raw.info.keys() & _NOTES and not getattr(raw, "_exif", None):  # set by hand
        return raw
    try:
        with quiet_pillow():
            return ImageOps.exif_transpose(raw)
    except Exception:  # the notes of strangers may be damaged in any way
        return raw


def _frames(raw: Image) -> int | str:
    """Return how many pictures a file holds; a TIFF does not say it: 1 or "several"."""
    try:
        if raw.format == "TIFF":
            return "several" if getattr(raw, "is_animated", False) else 1
        return getattr(raw, "n_frames", 1)
    except Exception:  # a damaged one behind the first
        return 1


def _is_tensor(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "torch" and hasattr(source, "layout")


def _only(images: Sequence[Image], user: str) -> Image:
    if len(images) != 1:
        raise KandiError(f"{user} is one picture, not a Result of {len(images)}; say result[0]")
    return images[0]


def from_array(array: Any, user: str) -> Image:
    """Return an array [h, w] or [h, w, 1|3|4], or a tensor [1|3|4, h, w], as a PIL picture.

    Raises KandiError.
    """
    from PIL import Image

    values = numbers(array, user)
    shape, first = values.shape, _is_tensor(array)
    if values.ndim == 4 and shape[0] == 1:
        values = values[0]
    if first and values.ndim == 3 and values.shape[0] in (1, 3, 4):
        values = values.transpose(1, 2, 0)
    elif first and values.ndim != 2:
        raise KandiError(
            f"{user} is a tensor of shape {shape}; torch pictures are [3, height, width]: "
            "tensor.permute(2, 0, 1) for one with channels last, tensor[0] for one of many"
        )
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise KandiError(
            f"{user} is an array of shape {shape}; NumPy pictures are [height, width, 3]: "
            "array.transpose(1, 2, 0) for one with channels first, array[0] for one of many"
        )
    if not values.size:
        raise KandiError(f"{user} is an array of shape {shape}, without pixels")
    return Image.fromarray(as_bytes(values, user))


def channel(source: Any, user: str = "mask") -> np.ndarray:
    """Return what the source of a `user`, mask or depth, says as uint8 [h, w].

    What could mean two things is refused. Takes what `picture` takes, and arrays and tensors
    of bool, 0/1, 0…255, 0…65535 or floats 0…1; files of 16 bits are read by the same rule. Its
    numbers are no colours: profiles change nothing.
    """
    import numpy as np

    array = _one_channel(source, user)
    if array is None:
        raw = open_source(source, user)
        shallow = _upper_bits(raw)
        pixels.check_pixels(raw, user)
        array = _of_picture(upright(raw), user)
        if shallow and array.max() < 128:
            raise KandiError(
                f"{user} is a file of 16 bits a colour, of which only the upper 8 can be read, "
                f"and those are {array.max()} at most; save it as a grey one"
            )
    # 0/1 in whole numbers: 1 as a grey level would repaint next to nothing.
    if array.dtype == np.uint8 and array.max() <= 1:
        return array * np.uint8(255)
    return array


def _upper_bits(raw: Image) -> bool:
    """Tell whether Pillow will read only the upper half of a file's 16 bits."""
    packed = any(";16" in str(part[3]) for part in getattr(raw, "tile", ()))
    return packed and not pixels.is_deep(raw)


def _one_channel(source: Any, user: str) -> np.ndarray | None:
    """Return an array or tensor as uint8 [h, w], None when the source is neither."""
    from PIL.Image import Image

    if isinstance(source, Image) or not (hasattr(source, "__array__") or _is_tensor(source)):
        return None
    values = numbers(source, user)
    shape = values.shape
    while values.ndim > 2 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or not values.size:
        raise KandiError(
            f"a {user} is an array [height, width], not one of shape {shape}; take one "
            "channel of it"
        )
    return as_bytes(values, user, strict=True)


# What of a source of one channel can mean two things, and the remedy.
_TRANSPARENT = {
    "mask": "can mean two things; say Mask.from_alpha(image), or "
    'Mask(image.convert("RGB")) for its brightness',
    "depth": 'has no depth there; lay it on a background: image.convert("RGB")',
}
_COLOURED = {
    "mask": "is black and white, this picture has colours; choose a channel of it, such as "
    'Mask(image.getchannel("R"))',
    "depth": "is grey, near = white, and this picture has colours; save it without a colour "
    'map, or choose a channel: image.getchannel("R")',
}


def _of_picture(raw: Image, user: str) -> np.ndarray:
    import numpy as np

    if transparent(raw):
        raise KandiError(
            f"a {user} of mode {raw.mode} with transparent parts {_TRANSPARENT[user]}"
        )
    if pixels.is_deep(raw):
        return np.array(pixels.grey(raw, user, strict=True))
    if raw.mode in ("1", "L"):
        return np.array(raw.convert("L"))
    colours = np.asarray(pixels.rgb(without_profile(raw)))
    if (colours != colours[..., :1]).any():
        raise KandiError(f"a {user} {_COLOURED[user]}")
    return colours[..., 0].copy()
