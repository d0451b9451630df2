"""Pictures in, from whatever holds one: a path, bytes, PIL, NumPy, torch or a Result."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError, shown, warn
from ..words.files import expanded
from . import pixels

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

KINDS = "a path, bytes, a PIL picture, a NumPy array, a torch tensor or a Result"


def picture(source: Any, user: str = "image") -> Image:
    """Return one picture as upright 8-bit RGB, transparent parts on white (said in a warning).

    `source`: a path, the bytes of a file, a PIL picture, a NumPy array [h, w] or [h, w, 1|3|4],
    a torch tensor [1|3|4, h, w] or a Result of one picture. Arrays hold uint8, or floats in
    0…1. `user` names the argument in messages. Raises KandiError.
    """
    from PIL import ImageOps

    raw = opened(source, user)
    pixels.check(raw, user)
    file = {"file": Path(source).name} if isinstance(source, (str, os.PathLike)) else {}
    frames = getattr(raw, "n_frames", 1)
    if frames > 1 and raw.format != "MPO":  # a camera's JPEG with its preview inside
        warn(f"{user} holds {frames} pictures; the current one is taken")
    raw = ImageOps.exif_transpose(raw)
    if transparent(raw):
        warn(f"{user} has transparent parts; they become white")
    flat = pixels.rgb(raw)
    flat.info |= file  # so that a recipe can name it
    return flat


def pictures(source: Any, user: str = "image") -> list[Image]:
    """Return the pictures of one source or of a list of sources; see `picture`."""
    if isinstance(source, (list, tuple)):
        if not source:
            raise KandiError(f"{user} is an empty list; give at least one picture")
        return [picture(each, user) for each in source]
    return [picture(source, user)]


def opened(source: Any, user: str) -> Image:
    """Return the source as a PIL picture in a mode of its own; raise KandiError."""
    from PIL.Image import Image

    if isinstance(source, Image):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open(expanded(source), f"{user} {source}")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _open(io.BytesIO(source), f"{user}, given as bytes,")
    if hasattr(source, "images") and hasattr(source, "params"):
        return _only(source.images, user)
    if type(source).__module__.partition(".")[0] == "torch":
        return from_array(_of_tensor(source, user), user)
    if hasattr(source, "__array_interface__"):
        return from_array(source, user)
    raise KandiError(f"{user} takes {KINDS}, not {shown(source)}")


def transparent(raw: Image) -> bool:
    """Return whether any pixel of a picture lets its background through."""
    if not raw.has_transparency_data:
        return False
    return raw.convert("RGBA").getchannel("A").getextrema()[0] < 255


def _open(place: Path | io.BytesIO, called: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():  # below our own limit Pillow only warns
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(place)
    except FileNotFoundError:
        raise KandiError(f"{called} does not exist; check the path") from None
    except IsADirectoryError:
        raise KandiError(f"{called} is a folder; give the path of one picture") from None
    except UnidentifiedImageError:
        raise KandiError(
            f"{called} is no picture that can be read; give a PNG or JPEG"
        ) from None
    except Image.DecompressionBombError:
        raise KandiError(
            f"{called} has more than {pixels.MOST_PIXELS:,} pixels; make it smaller first"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        raise KandiError(f"{called} cannot be opened ({error}); check the file") from None


def _only(images: Sequence[Image], user: str) -> Image:
    if len(images) != 1:
        raise KandiError(f"{user} is one picture, not a Result of {len(images)}; say result[0]")
    return images[0]


def _of_tensor(tensor: Any, user: str) -> np.ndarray:
    """Return a tensor [c, h, w] as an array [h, w, c]; [h, w] as it is."""
    shape = tuple(tensor.shape)
    if len(shape) == 4 and shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 2:
        if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
            raise KandiError(
                f"{user} is a tensor of shape {shape}; torch pictures are [3, height, width]: "
                "tensor.permute(2, 0, 1) for one with channels last, tensor[0] for one of many"
            )
        tensor = tensor.permute(1, 2, 0)
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def from_array(array: Any, user: str) -> Image:
    """Return an array [h, w] or [h, w, 1|3|4] as a PIL picture; raise KandiError."""
    import numpy as np
    from PIL import Image

    values = np.asarray(array)
    shape = values.shape
    if values.ndim == 4 and shape[0] == 1:
        values = values[0]
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


def as_bytes(values: np.ndarray, user: str) -> np.ndarray:
    """Return pixel values as uint8; floats must be 0…1, so that nothing is guessed."""
    import numpy as np

    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if not (low >= 0 and high <= 1):  # nan, too
            remedy = "(x + 1) / 2" if low >= -1 and high <= 1 else "x / 255"
            raise KandiError(
                f"{user} holds floats from {low:g} to {high:g}; bring them to 0…1, "
                f"such as {remedy}"
            )
        return (values * 255).round().astype(np.uint8)
    if values.dtype.kind in "iu" and low >= 0 and high <= 255:
        return values.astype(np.uint8)
    if values.dtype == np.uint16:
        return (values / 257).round().astype(np.uint8)
    raise KandiError(
        f"{user} holds {values.dtype} from {low} to {high}; give uint8, or floats in 0…1"
    )


def channel(source: Any, user: str = "mask") -> np.ndarray:
    """Return what the source of a `user`, mask or depth, says as uint8 [h, w].

    What could mean two things is refused. Takes what `picture` takes, and arrays and tensors
    of bool, 0/1, 0…255 or floats 0…1.
    """
    import numpy as np
    from PIL import ImageOps

    array = _numbers(source, user)
    if array is None:
        raw = opened(source, user)
        pixels.check(raw, user)
        array = _of_picture(ImageOps.exif_transpose(raw), user)
    # 0/1 in whole numbers: 1 as a grey level would repaint next to nothing.
    if array.dtype == np.uint8 and array.max() <= 1:
        return array * np.uint8(255)
    return array


def _numbers(source: Any, user: str) -> np.ndarray | None:
    """Return an array or tensor as uint8 [h, w], None when the source is neither."""
    import numpy as np
    from PIL.Image import Image

    if isinstance(source, Image) or not hasattr(source, "__array__"):
        return None
    values = np.asarray(source.detach().cpu() if hasattr(source, "detach") else source)
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
    return as_bytes(values, user)


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
    colours = np.asarray(pixels.rgb(raw))
    if (colours != colours[..., :1]).any():
        raise KandiError(f"a {user} {_COLOURED[user]}")
    return colours[..., 0].copy()
