"""The recipe in a picture → what a panel would have been set to, to draw it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...pictures.images import opened
from ...pictures.pixels import check
from ...pictures.recipe import carried, recipe
from ...words.errors import KandiError
from ...words.params import Params

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 64 * 2**20  # of a file that is dropped
MOST_SIDE = 16_384  # pixels; more is a map or a mistake, and takes gigabytes to look at


@dataclass(frozen=True)
class Recalled:
    """Hold what a recipe says: names of task and model, settings, and inputs."""

    task: str
    model: str
    params: Params
    inputs: dict[str, Any]
    missing: tuple[str, ...]  # inputs whose pictures did not travel


def recalled(source: str | os.PathLike | bytes | Image) -> Recalled:
    """Return what the recipe of a PNG says: its path, its bytes, or a picture of a Result."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = whole_picture(bytes(source), "the picture")
    made = recipe(source)
    inputs = {n: held for n, held in carried(source).items() if n in made["inputs"]}
    return Recalled(
        task=made["task"],
        model=made["model"],
        params=Params.from_dict(made["params"]),
        inputs=inputs,
        missing=tuple(name for name in made["inputs"] if name not in inputs),
    )


def whole_picture(data: bytes, name: str) -> Image:
    """Return the picture in a file's bytes, whole; raise KandiError for what is none.

    A file from a browser may be anything: its size is looked at before its pixels are.
    """
    if len(data) > MOST_BYTES:
        raise KandiError(
            f"{name} has {len(data) / 2**20:,.0f} MB, at most {MOST_BYTES // 2**20} are taken; "
            "make it smaller first"
        )
    picture = opened(data, name)
    if max(picture.size) > MOST_SIDE:
        raise KandiError(
            f"{name} has {picture.width:,} × {picture.height:,} pixels, at most {MOST_SIDE:,} "
            "a side are taken; make it smaller first"
        )
    check(picture, name)
    return picture
