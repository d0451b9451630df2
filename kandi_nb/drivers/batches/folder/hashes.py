"""A run's hash: what its pixels depend on, as one name, which its picture's file has."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....pictures.inputs import fingerprint
from ....pictures.pixels import is_picture
from ....words.embedding import Embedding
from ....words.files import refuse_device
from ....words.params import Params

# Of the options: a device moves pixels less than their 8 bits show, a memory plan not at all.
NOT_HASHED = ("device", "memory")


def run_hash(recipe: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a recipe says of the pixels, 64 hex digits.

    Of the canonical JSON (sorted keys, no spaces, UTF-8) of task, filled params, hashes of the
    inputs, revisions of the weights and options but those in NOT_HASHED. Where the inputs lay,
    what their files were called and the versions of packages do not count.
    """
    said = {
        "task": recipe["task"],
        "params": recipe["params"],
        "inputs": {name: held["sha256"] for name, held in recipe["inputs"].items()},
        "revision": recipe["revision"],
        "options": {n: v for n, v in recipe["options"].items() if n not in NOT_HASHED},
    }
    text = json.dumps(
        said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def as_given(task: str, k: Any, params: Params, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands for the recipe where a task cannot say ahead what it will draw."""
    return {
        "task": task,
        "params": params.to_dict(),
        "inputs": {name: {"sha256": _mark(value)} for name, value in inputs.items()},
        "revision": dict(getattr(k, "revision", {})),
        "options": dict(getattr(k, "options", {})),
    }


def _mark(value: Any) -> Any:
    """Return what stands for an input: pictures and numbers by content, files by theirs."""
    if isinstance(value, Mapping):
        return {str(name): _mark(each) for name, each in value.items()}
    if isinstance(value, os.PathLike):
        refuse_device(Path(value), value, "one file")
        return hashlib.sha256(Path(value).read_bytes()).hexdigest()
    if is_picture(value) or isinstance(value, Embedding) or hasattr(value, "numpy"):
        return fingerprint(value)
    if hasattr(value, "array") or hasattr(value, "__array_interface__"):  # a Mask, an array
        array = getattr(value, "array", value)
        head = f"{array.shape} {array.dtype} ".encode()
        return hashlib.sha256(head + array.tobytes()).hexdigest()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_mark(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return hashlib.sha256(value).hexdigest()
    return value
