"""Files of pictures: which formats are opened, and what is looked at before any pixel is."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ...words.errors import KandiError, one_line, shorten
from ...words.files import refuse_device

if TYPE_CHECKING:
    from PIL.Image import Image

# Others have decoders that start programs (EPS) or that nobody has looked after for years.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
WEB = ("PNG", "JPEG", "WEBP")  # what strangers may send
PROGRAMS = ("EPS", "WMF")  # what Pillow hands to another program
# Pixels of the largest picture: Pillow takes larger files for decompression bombs.
MOST_PIXELS = 2 * 89_478_485
# A file of nothing but notes takes seconds to open: so many pieces (chunks of a PNG, segments
# of a JPEG) may one have, and one more for each of so many bytes.
MOST_PIECES, BYTES_A_PIECE = 1000, 512
MOST_SCANS = 100  # of a JPEG, each of which goes through all of the picture
_PNG, _JPEG, _SCAN = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xda"
_BLOCK = 2**20  # bytes that are looked through at a time


class TooLarge(KandiError):
    """A picture has more pixels than are taken; it was not decoded."""


def open_picture(
    source: Path | bytes,
    called: str,
    formats: Sequence[str] = FORMATS,
    most: int = MOST_PIXELS,
) -> Image:
    """Return the picture in a file, or in its bytes, not decoded yet.

    It is of one of the `formats` and has at most `most` pixels; `called` names it in messages.
    Raises KandiError, TooLarge for one with too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    Image.init()
    known = [name for name in formats if name in Image.OPEN]  # not all are built everywhere
    place = source if isinstance(source, Path) else io.BytesIO(source)
    try:
        check_pieces(source, called)
        with quiet_pillow():  # below our own limit it only warns
            picture = Image.open(place, formats=known)
    except KandiError:
        raise
    except FileNotFoundError:
        raise KandiError(f"{called} does not exist; check the path") from None
    except IsADirectoryError:
        raise KandiError(f"{called} is a folder; give the path of one picture") from None
    except UnidentifiedImageError:
        raise KandiError(
            f"{called} is no picture that can be read; give a whole {format_names(formats)}"
        ) from None
    except Image.DecompressionBombError:
        raise _too_large(called, most) from None
    except Exception as error:  # a stranger's file may be damaged in any way
        raise KandiError(
            f"{called} cannot be opened ({reason(error)}); check the file"
        ) from None
    if picture.width * picture.height > most:
        raise _too_large(called, most)
    return picture


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's own warnings, of damaged notes and of large pictures, to itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def format_names(formats: Sequence[str]) -> str:
    """Return the names of formats as people write them.

    >>> format_names(["PNG", "WEBP"])
    'PNG or WebP'
    """
    names = [{"WEBP": "WebP"}.get(name, name) for name in formats]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def reason(error: Exception) -> str:
    """Return what a decoder's error says, on a short line."""
    return shorten(one_line(str(error)).strip() or type(error).__name__)


def check_pieces(source: Path | bytes, called: str) -> None:
    """Raise KandiError for a file that is no file, or in more pieces than a picture has."""
    if isinstance(source, bytes):
        return _count_pieces(io.BytesIO(source), called)
    refuse_device(source, called, "one picture")
    with source.open("rb") as file:
        return _count_pieces(file, called)


def _count_pieces(file: BinaryIO, called: str) -> None:
    left = MOST_PIECES + file.seek(0, io.SEEK_END) // BYTES_A_PIECE
    file.seek(0)
    head = file.read(len(_PNG))
    if head.startswith(_JPEG):
        place, length, scans = len(_JPEG), _segment, _scans(file)
    elif head == _PNG:
        place, length, scans = len(_PNG), _chunk, 0
    else:
        return
    while left and scans <= MOST_SCANS:
        file.seek(place)
        if not (size := length(file.read(4))):
            return
        left, place = left - 1, place + size
    raise KandiError(f"{called} is a file of thousands of small pieces; save it anew")


def _chunk(head: bytes) -> int:
    """Return the bytes of a PNG's chunk, whose head says its length; 0 behind the last."""
    return 12 + int.from_bytes(head, "big") if len(head) == 4 else 0


def _segment(head: bytes) -> int:
    """Return the bytes of a JPEG's segment, 0 where its pixels begin."""
    if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
        return 0
    return 2 + int.from_bytes(head[2:], "big")


def _scans(file: BinaryIO) -> int:
    """Return how often a JPEG goes through its pixels; in them 255 is followed by 0."""
    file.seek(0)
    count, last = 0, b""
    while block := file.read(_BLOCK):
        count += (last + block).count(_SCAN)
        last = block[-1:]
    return count


def _too_large(called: str, most: int) -> TooLarge:
    return TooLarge(f"{called} has more than {most:,} pixels; make it smaller first")
