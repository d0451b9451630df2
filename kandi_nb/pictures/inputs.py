"""What a task started from: how a recipe names it, how a PNG carries it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..words.embedding import Embedding, from_bytes, to_bytes
from ..words.errors import KandiError
from .pixels import is_picture, rgb
from .reading.formats import open_picture

if TYPE_CHECKING:
    from typing import Union

    import torch
    from PIL.Image import Image

    Input = Union[Image, Embedding, torch.Tensor]  # the last: latents  # noqa: UP007

# A chunk of its own, since Pillow refuses text chunks above 1 MiB. The letters' case says
# (PNG specification, 5.4): not critical, private, safe to copy for programs that know it not.
CHUNK = b"kaNb"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# All inputs of a picture together; beyond that only their hashes stay. The second bound is for
# what is packed so well that 4 MiB become gigabytes when somebody reads them.
MOST_BYTES = 4 * 2**20
MOST_PIXELS = 2**26
_PNG = b"\x89PNG"  # how such a file begins
_MODES = ("1", "L", "RGB", "RGBA")
_NOTES = ("file", "transparency", "icc_profile")
MEMORY = "kandi_nb.memory"  # key in Image.info, for pictures that are in no file yet


@dataclass(frozen=True)
class Memory:
    """Hold what a drawn picture remembers in `Image.info` beside the text of its recipe.

    PIL hands `info` on to copies, whatever was done to their pixels; the fingerprint tells.
    """

    fingerprint: str
    inputs: Mapping[str, Input]


def fingerprint(picture: Input) -> str:
    """Return the SHA-256 of a picture's mode, size and pixels, whatever file they came from.

    Of an embedding and of latents: of their shape and their numbers.
    """
    if not is_picture(picture):
        numbers = _numbers(picture)
        return hashlib.sha256(
            f"{list(numbers.shape)} ".encode() + numbers.numpy().tobytes()
        ).hexdigest()
    head = f"{picture.mode} {picture.width} {picture.height} ".encode()
    return hashlib.sha256(head + picture.tobytes()).hexdigest()


def is_changed(picture: Image) -> bool:
    """Tell whether a drawn picture has other pixels than when it was drawn."""
    memory = picture.info.get(MEMORY)
    return memory is not None and memory.fingerprint != fingerprint(picture)


def _numbers(held: Embedding | torch.Tensor) -> torch.Tensor:
    return held.tensor if isinstance(held, Embedding) else held


def copy_inputs(inputs: Sequence[Mapping[str, Input]]) -> list[dict[str, Input]]:
    """Return the inputs of a run as they can travel: copies, in modes that PNG keeps.

    What the user paints on his picture afterwards does not change what a recipe says of it, and
    a picture of a Result forgets its own inputs: else a chain of pictures is never freed.
    """
    copies = {id(picture): picture for each in inputs for picture in each.values()}
    for place, picture in copies.items():
        if not is_picture(picture):
            continue
        copy = picture.copy() if picture.mode in _MODES else rgb(picture)
        # Nor do cameras' notes, such as where it was taken, go along.
        copy.info = {name: copy.info[name] for name in _NOTES if name in copy.info}
        copies[place] = copy
    return [{name: copies[id(picture)] for name, picture in each.items()} for each in inputs]


def describe_inputs(inputs: Mapping[str, Input]) -> dict[str, dict[str, Any]]:
    """Return what a recipe says of inputs: name → size, SHA-256 and, if known, its file.

    Of an embedding: its shape, its name and how it came about.
    """
    return {name: _describe(held) for name, held in inputs.items()}


def _describe(held: Input) -> dict[str, Any]:
    known: dict[str, Any] = {"sha256": fingerprint(held)}
    if is_picture(held):
        file = {"file": _last(held.info["file"])} if "file" in held.info else {}
        return {"size": list(held.size), **known, **file}
    known = {"shape": list(held.shape), **known}
    if isinstance(held, Embedding):
        known |= {"name": held.names[0], "made": dict(held.recipes[0])}
    return known


def pack_inputs(inputs: Mapping[str, Input]) -> bytes | None:
    """Return the inputs as the bytes of the chunk, None when they are too much for it.

    A length (four bytes, big-endian), JSON of name → bytes, then one file after another: PNG,
    or safetensors for embeddings and latents.
    """
    images = [held for held in inputs.values() if is_picture(held)]
    if sum(picture.width * picture.height for picture in images) > MOST_PIXELS:
        return None
    files = {
        name: _png(held) if is_picture(held) else to_bytes(held)
        for name, held in inputs.items()
    }
    head = json.dumps({name: len(file) for name, file in files.items()}).encode()
    whole = struct.pack(">I", len(head)) + head + b"".join(files.values())
    return whole if len(whole) <= MOST_BYTES else None


def unpack_inputs(chunk: bytes, source: Any) -> dict[str, Input]:
    """Return name → input of what `pack_inputs` made; raise KandiError for anything else."""
    try:
        if len(chunk) > MOST_BYTES:
            raise ValueError(len(chunk))
        (length,) = struct.unpack(">I", chunk[:4])
        start, pictures, pixels = 4 + length, {}, 0
        for name, size in json.loads(chunk[4:start]).items():
            file = chunk[start : start + size]
            start += size
            if not file.startswith(_PNG):
                pictures[name] = from_bytes(file, str(source))
                continue
            with open_picture(file, name, ["PNG"], MOST_PIXELS - pixels) as picture:
                pixels += picture.width * picture.height
                picture.load()
            pictures[name] = picture
    except Exception as error:  # damaged by hand in any way: a bomb, a cut, other types
        raise KandiError(
            f"the inputs in {source} cannot be read ({type(error).__name__}); use the "
            "original file"
        ) from None
    return pictures


def strip_inputs(data: bytes, source: Any) -> bytes:
    """Return a PNG file without the pictures that it carries; all else stays, byte by byte.

    The recipe keeps their hashes. Raises KandiError for what is no whole PNG, or carries none.
    """
    parts, place = [data[: len(_SIGNATURE)]], len(_SIGNATURE)
    while place + 12 <= len(data):  # length, type and checksum around what a chunk holds
        (length,) = struct.unpack_from(">I", data, place)
        parts.append(data[place : place + 12 + length])
        place += 12 + length
    if parts[0] != _SIGNATURE or place != len(data) or parts[-1][4:8] != b"IEND":
        raise KandiError(f"{source} is not a whole PNG picture; use the original file")
    left = [part for number, part in enumerate(parts) if not number or part[4:8] != CHUNK]
    if len(left) == len(parts):
        raise KandiError(f"{source} carries no input pictures: there is nothing to take out")
    return b"".join(left)


def _last(path: Any) -> str:
    """Return the last name of a path of any system: folders are nobody's business."""
    return re.split(r"[\\/]", str(path))[-1]


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
