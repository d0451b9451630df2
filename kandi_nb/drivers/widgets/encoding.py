"""Masks and pictures as the bytes that travel between kernel and page.

A mask is sent whole after each stroke: of hard ones a bit a pixel, of soft ones a byte, both
compressed. `browser/raster.js` reads and writes the same.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from ...pictures.pixels import MOST_PIXELS, rgb
from ...words.errors import KandiError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_MOST = 2**53  # of whole numbers: those that a browser's scripts can tell apart
_MARK = b"KM1"
_HEAD = struct.Struct("<3scII")  # mark, kind, width, height
_BITS, _BYTES = b"b", b"g"
_LEVEL = 1  # of zlib: strokes shrink a hundredfold by any
MOST_SHOWN = 4096  # pixels of the longer side that a page is sent; the mask is not made smaller
_AS_PNG = 1024 * 1024  # pixels up to which a page gets every bit; larger ones as JPEG
MOST_BYTES = 64 * 2**20  # of a file from a page
THUMBNAIL = 160  # pixels of the longer side


def encode_mask(mask: np.ndarray) -> bytes:
    """Return a mask, uint8 [h, w], as bytes.

    >>> import numpy
    >>> decode_mask(encode_mask(numpy.full((2, 3), 255, numpy.uint8)), (3, 2)).tolist()
    [[255, 255, 255], [255, 255, 255]]
    """
    import numpy as np

    height, width = mask.shape
    hard = bool(((mask == 0) | (mask == 255)).all())
    flat = np.packbits(mask.ravel() > 0) if hard else np.ascontiguousarray(mask)
    head = _HEAD.pack(_MARK, _BITS if hard else _BYTES, width, height)
    return head + zlib.compress(flat.tobytes(), _LEVEL)


def decode_mask(data: bytes, size: tuple[int, int]) -> np.ndarray:
    """Return the mask, uint8 [h, w], in bytes from a page; raise KandiError for any others.

    `size`: (width, height) that it must have. Nothing larger is unpacked.
    """
    import numpy as np

    mark, kind, *sides = _HEAD.unpack_from(data) if len(data) > _HEAD.size else (b"", b"")
    if mark != _MARK or kind not in (_BITS, _BYTES):
        raise KandiError("a message that is no mask was left out; paint once more")
    if tuple(sides) != tuple(size):
        raise KandiError(
            f"a mask of {sides[0]} × {sides[1]} pixels came for a picture of {size[0]} × "
            f"{size[1]} and was left out; paint once more"
        )
    count = size[0] * size[1]
    length = -(-count // 8) if kind == _BITS else count
    try:
        unpacker = zlib.decompressobj()
        flat = unpacker.decompress(data[_HEAD.size :], length + 1)
    except zlib.error:
        flat = b""
    if len(flat) != length or not unpacker.eof:
        raise KandiError("a mask did not arrive as it was sent; paint once more")
    values = np.frombuffer(flat, np.uint8)
    if kind == _BITS:
        values = np.unpackbits(values, count=count) * np.uint8(255)
    return values.reshape(size[1], size[0])


def check_paintable(picture: Image) -> None:
    """Raise KandiError for a picture without pixels, or with more than any task takes."""
    if not all(picture.size):
        raise KandiError("image has the size 0, so there is nothing to paint on; give another")
    if picture.width * picture.height > MOST_PIXELS:
        raise KandiError(
            f"image has {picture.width:,} × {picture.height:,} pixels; make it smaller: "
            "image.thumbnail((4096, 4096))"
        )


def for_page(picture: Image) -> bytes:
    """Return an RGB picture as a PNG, a large one as a JPEG and not above `MOST_SHOWN`."""
    large = picture.width * picture.height > _AS_PNG
    if max(picture.size) > MOST_SHOWN:
        picture = picture.copy()
        picture.thumbnail((MOST_SHOWN, MOST_SHOWN))
    buffer = io.BytesIO()
    words = {"format": "JPEG", "quality": 90} if large else {"format": "PNG"}
    picture.save(buffer, **words)
    return buffer.getvalue()


def thumbnail(picture: Image, side: int = THUMBNAIL) -> str:
    """Return a small copy of a picture as a data URL; `side`: pixels of the longer one."""
    small = rgb(picture).copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def message_of(sent: Any) -> dict[str, Any]:
    """Return the message of a page; an empty one for what none of our scripts sends.

    Those send a `kind` and plain values. Lists, objects and endless numbers are another's.

    >>> message_of({"kind": "pick", "number": 3}), message_of({"kind": "pick", "number": [3]})
    ({'kind': 'pick', 'number': 3}, {})
    """
    known = isinstance(sent, dict) and isinstance(sent.get("kind"), str)
    return sent if known and all(map(_is_plain, sent.values())) else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) <= _MOST
    return value is None or isinstance(value, (str, float))
