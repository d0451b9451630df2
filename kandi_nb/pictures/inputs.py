"""The pictures that a task started from: how a recipe names them, how a PNG carries them."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError

if TYPE_CHECKING:
    from PIL.Image import Image

# A chunk of its own, since Pillow refuses text chunks above 1 MiB. The letters' case says
# (PNG specification, 5.4): not critical, private, safe to copy for programs that know it not.
CHUNK = b"kaNb"
MOST_BYTES = 4 * 2**20  # all inputs of a picture together; beyond that only their hashes stay
MEMORY = "kandi_nb.memory"  # key in Image.info, for pictures that are in no file yet


@dataclass(frozen=True)
class Memory:
    """Hold what a drawn picture remembers in `Image.info` beside the text of its recipe.

    PIL hands `info` on to copies, whatever was done to their pixels; the fingerprint tells.
    """

    fingerprint: str
    inputs: Mapping[str, Image]


def fingerprint(picture: Image) -> str:
    """Return the SHA-256 of a picture's mode, size and pixels, whatever file they came from."""
    head = f"{picture.mode} {picture.width} {picture.height} ".encode()
    return hashlib.sha256(head + picture.tobytes()).hexdigest()


def described(inputs: Mapping[str, Image]) -> dict[str, dict[str, Any]]:
    """Return what a recipe says of inputs: name → size, SHA-256 and, if known, the file."""
    return {
        name: {"size": list(picture.size), "sha256": fingerprint(picture)}
        | ({"file": picture.info["file"]} if "file" in picture.info else {})
        for name, picture in inputs.items()
    }


def packed(inputs: Mapping[str, Image]) -> bytes | None:
    """Return the pictures as the bytes of the chunk, None when they are too many for it.

    A length (four bytes, big-endian), JSON of name → bytes, then one PNG file after another.
    """
    files = {name: _png(picture) for name, picture in inputs.items()}
    head = json.dumps({name: len(file) for name, file in files.items()}).encode()
    whole = struct.pack(">I", len(head)) + head + b"".join(files.values())
    return whole if len(whole) <= MOST_BYTES else None


def unpacked(chunk: bytes, source: Any) -> dict[str, Image]:
    """Return name → picture of what `packed` made; raise KandiError for anything else."""
    from PIL import Image

    try:
        (length,) = struct.unpack(">I", chunk[:4])
        start, pictures = 4 + length, {}
        for name, size in json.loads(chunk[4:start]).items():
            with Image.open(
                io.BytesIO(chunk[start : start + size]), formats=["PNG"]
            ) as picture:
                picture.load()
            pictures[name] = picture
            start += size
    except Exception as error:  # damaged by hand in any way: a bomb, a cut, other types
        raise KandiError(
            f"the input pictures in {source} cannot be read ({type(error).__name__}); use the "
            "original file"
        ) from None
    return pictures


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
