"""Inputs of a task as files for another process, without pickles; and pictures compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...pictures import pixels
from ...pictures.images import pictures
from ...pictures.masks import Mask
from ...tasks.sources import read_input
from ...words.embedding import Embedding, from_bytes, to_bytes
from ...words.errors import KandiError, quote
from ...words.fields import floats
from ...words.params import Params
from ...words.tasks import INPUTS

KIND = "kandi_nb"  # the key that tells what lies in a file from a value


def pack(inputs: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return inputs as JSON takes them; what is larger lies in files of the folder.

    Raises KandiError for what cannot be handed over.
    """
    return {name: _pack(value, name, folder) for name, value in inputs.items()}


def _pack(value: Any, name: str, folder: Path) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_pack(each, name, folder) for each in value]
    if isinstance(value, Params):
        return {KIND: "params", "value": value.explicit_settings()}
    kind = INPUTS[name].kind if name in INPUTS else None
    if isinstance(value, Mask) or kind == "mask":
        return _to_file("mask", Mask(value).image, folder)
    if kind == "depth":
        return _to_file("picture", read_input(name, value), folder)
    if isinstance(value, Embedding):
        return _to_file("tensor", value, folder)
    if pixels.is_result(value):
        files = [_to_file("picture", picture, folder) for picture in value.images]
        return files[0] if len(files) == 1 else files
    torches = type(value).__module__.partition(".")[0] == "torch" and value.ndim in (2, 4)
    if torches or kind in ("embedding", "latents"):
        return _to_file("tensor", floats(value, f"{name} holds numbers"), folder)
    if pixels.is_picture(value) or hasattr(value, "shape") or isinstance(value, bytes):
        return _to_file("picture", pictures(value, name)[0], folder)
    raise KandiError(
        f"{name} goes to another process as a file, and {quote(value)} cannot; give a picture, "
        "a mask, an embedding or their paths"
    )


def _to_file(kind: str, held: Any, folder: Path) -> dict[str, str]:
    number = len(list(folder.glob("input-*")))
    ending = "safetensors" if kind == "tensor" else "png"
    path = folder / f"input-{number:04}.{ending}"
    if kind == "tensor":
        path.write_bytes(to_bytes(held))
    else:
        pixels_of = held if kind == "mask" else pictures(held)[0]
        pixels_of.save(path)
    return {KIND: kind, "file": path.name}


def unpack(inputs: Any, folder: Path) -> Any:
    """Return what `pack` was given: pictures, masks, embeddings, tensors and values."""
    if isinstance(inputs, list):
        return [unpack(each, folder) for each in inputs]
    if not isinstance(inputs, dict):
        return inputs
    kind = inputs.get(KIND)
    if kind is None:
        return {name: unpack(value, folder) for name, value in inputs.items()}
    if kind == "params":
        return Params.from_dict(inputs["value"])
    path = folder / inputs["file"]
    if kind == "tensor":
        return from_bytes(path.read_bytes(), str(path))
    return Mask(path) if kind == "mask" else pictures(path)[0]


def difference(ours: Sequence[Path], theirs: Sequence[Path]) -> tuple[float, int]:
    """Return the mean and the largest difference between two lists of pictures, of 255.

    Pictures of other sizes, or another number of them, differ as far as can be.
    """
    import numpy as np

    one, other = (
        [np.asarray(pictures(path)[0], np.int16) for path in side] for side in (ours, theirs)
    )
    if [a.shape for a in one] != [a.shape for a in other] or not one:
        return 255.0, 255
    gaps = [np.abs(a - b) for a, b in zip(one, other, strict=True)]
    return float(np.mean([gap.mean() for gap in gaps])), int(max(gap.max() for gap in gaps))
