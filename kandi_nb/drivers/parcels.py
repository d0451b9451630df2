"""Inputs of a task as files for another process, without pickles; and pictures compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..pictures import pixels
from ..pictures.images import pictures
from ..pictures.masks import Mask
from ..words.embedding import Embedding, from_bytes, to_bytes
from ..words.errors import KandiError, shown
from ..words.params import Params

KIND = "kandi_nb"  # the key that tells a parcel from a value


def packed(inputs: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return inputs as JSON takes them; what is larger lies in files of the folder.

    Raises KandiError for what cannot be handed over.
    """
    return {name: _packed(value, name, folder) for name, value in inputs.items()}


def _packed(value: Any, name: str, folder: Path) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_packed(each, name, folder) for each in value]
    if isinstance(value, Params):
        return {KIND: "params", "value": value.asked()}
    if isinstance(value, Mask):
        return _file("mask", value.image, folder)
    if isinstance(value, Embedding):
        return _file("tensor", value, folder)
    if hasattr(value, "images") and hasattr(value, "params"):
        files = [_file("picture", picture, folder) for picture in value.images]
        return files[0] if len(files) == 1 else files
    if type(value).__module__.partition(".")[0] == "torch" and value.ndim in (2, 4):
        return _file("tensor", value.detach().float().cpu(), folder)
    if pixels.is_picture(value) or hasattr(value, "shape") or isinstance(value, bytes):
        return _file("picture", pictures(value, name)[0], folder)
    raise KandiError(
        f"{name} goes to another process as a file, and {shown(value)} cannot; give a picture, "
        "a mask, an embedding or their paths"
    )


def _file(kind: str, held: Any, folder: Path) -> dict[str, str]:
    number = len(list(folder.glob("input-*")))
    ending = "safetensors" if kind == "tensor" else "png"
    path = folder / f"input-{number:04}.{ending}"
    if kind == "tensor":
        path.write_bytes(to_bytes(held))
    else:
        pixels_of = held if kind == "mask" else pictures(held)[0]
        pixels_of.save(path)
    return {KIND: kind, "file": path.name}


def unpacked(inputs: Any, folder: Path) -> Any:
    """Return what `packed` was given: pictures, masks, embeddings, tensors and values."""
    if isinstance(inputs, list):
        return [unpacked(each, folder) for each in inputs]
    if not isinstance(inputs, dict):
        return inputs
    kind = inputs.get(KIND)
    if kind is None:
        return {name: unpacked(value, folder) for name, value in inputs.items()}
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
