"""The pictures that a task starts from: which goes with which Params, and on which canvas."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model.load import Kandinsky
from ..pictures import masks
from ..pictures.canvas import Canvas, canvas_size
from ..pictures.images import pictures
from ..pictures.masks import Mask
from ..words.errors import KandiError
from ..words.params import Params
from . import decoder
from .checks import TASKS, asked, check_model, prompted
from .inpainting import steps_taken
from .run import Job, text_job

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Inputs = Mapping[str, "Image"]  # "image", and "mask" if the task takes one


def repaint_jobs(
    task: str,
    k: Kandinsky,
    params: Params | Sequence[Params],
    prompts: Sequence[str] | None,
    image: Any,
    mask: Any = None,
    *,
    strength: float,
    instead: Collection[str] = (),
) -> list[Job]:
    """Return one job a picture, for our own loop: from `image`, under `mask` if there is one.

    Params, pictures and masks go together, one for all or one each; the pictures of a `count`
    start from one. `strength` is what None means, `instead` as in `asked`. Raises KandiError
    before any computation.
    """
    check_model(k, task)
    columns: dict[str, list] = {"params": prompted(params, prompts), "image": pictures(image)}
    if "mask" in TASKS[task].inputs:
        columns["mask"] = [_mask(each) for each in _listed(mask)]
    rows = _paired(task, columns)
    inputs = _inputs([row[1:] for row in rows])
    runs = asked(task, k, [run for run, *_ in rows], instead=instead, sized=False)
    each = [
        given for (run, *_), given in zip(rows, inputs, strict=True) for _ in range(run.count)
    ]
    laid: dict[tuple, dict[str, torch.Tensor]] = {}
    jobs = []
    for run, given in zip(runs, each, strict=True):
        filled = _filled(k, run, given["image"].size, strength)
        place = id(given), filled.width, filled.height
        if place not in laid:
            laid[place] = _laid(given, canvas_of(filled, given))
        jobs.append(_job(task, k, filled, given, laid[place]))
    return jobs


def canvas_of(params: Params, inputs: Inputs) -> Canvas:
    """Return the canvas on which filled params put a picture."""
    return Canvas(inputs["image"].size, (params.width, params.height))


def _listed(source: Any) -> list[Any]:
    if isinstance(source, (list, tuple)):
        if not source:
            raise KandiError("mask is an empty list; give at least one mask")
        return list(source)
    return [source]


def _mask(source: Any) -> Image:
    """Return a mask as its recipe will hand it back; a file's name stays with it."""
    mask = Mask(source)
    picture = mask.image
    if isinstance(source, (str, os.PathLike)):
        picture.info["file"] = Path(source).name
    elif "file" in getattr(source, "info", {}):
        picture.info["file"] = source.info["file"]
    return picture


def _paired(task: str, columns: Mapping[str, list]) -> list[tuple]:
    """Return rows of one of each; raise KandiError when the lengths do not fit together."""
    most = max(map(len, columns.values()))
    if any(len(column) not in (1, most) for column in columns.values()):
        lengths = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise KandiError(f"{task} got {lengths}; give one for all, or {most} of each")
    return list(zip(*(c * most if len(c) == 1 else c for c in columns.values()), strict=True))


def _inputs(rows: Sequence[Sequence[Image]]) -> list[Inputs]:
    """Return what each row starts from; equal rows are one object, checked once."""
    known: dict[tuple, Inputs] = {}
    for row in rows:
        if (place := tuple(map(id, row))) not in known:
            known[place] = dict(zip(("image", "mask"), row, strict=False))
            if len(row) > 1:
                masks.check(row[1], row[0])
    return [known[tuple(map(id, row))] for row in rows]


def _filled(k: Kandinsky, run: Params, size: tuple[int, int], strength: float) -> Params:
    """Return the params with the strength and the working size that are really used."""
    width, height = canvas_size(size, k.spec.native_size, run.width, run.height)
    used = strength if run.strength is None else run.strength
    return run.replace(width=width, height=height, strength=used)


def _laid(inputs: Inputs, canvas: Canvas) -> dict[str, torch.Tensor]:
    """Return the picture on its canvas, [1, 3, h, w] in −1…1, and its mask, [1, 1, h, w]."""
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.asarray(canvas.lay(inputs["image"]), np.float32))
    laid = {"images": pixels.permute(2, 0, 1)[None] / 127.5 - 1}
    if "mask" in inputs:
        repaint = canvas.lay_mask(Mask(inputs["mask"])).array > 0
        laid["masks"] = torch.from_numpy(repaint)[None, None].float()
    return laid


def _job(
    task: str, k: Kandinsky, params: Params, inputs: Inputs, laid: dict[str, torch.Tensor]
) -> Job:
    taken = steps_taken(params.steps, params.strength)
    return text_job(
        k,
        params,
        key=(decoder.batch_key(k, params), taken),
        steps=taken,
        role=k.spec.role_of(task) or TASKS[task].role,
        arguments=laid,
        inputs=inputs,
    )
