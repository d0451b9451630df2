"""The pictures that a task starts from: which goes with which Params, and on which canvas."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures import masks
from ..pictures.editing.canvas import Canvas, canvas_size
from ..pictures.images import picture, pictures
from ..pictures.masks import Mask
from ..words.errors import KandiError, concerning
from ..words.params import Params
from ..words.tasks import INPUTS
from .checks import TASKS, check_model, filled_runs, with_prompts
from .depth import ROLE as DEPTH
from .depth import check_same_size, depth_map, depth_maps, hint
from .job import Job, batch_key, text_job
from .loop.denoise import steps_taken
from .loop.start import latents_of, pixel_sides, starting_pictures
from .loop.windows import calls

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

Inputs = Mapping[str, "Image"]  # "image", and "mask" or "depth" if the task takes one
# Params and inputs → the params with the size that is really used, and the job's arguments.
Layout = Callable[[Kandinsky, Params, Inputs], tuple[Params, dict[str, Any]]]


def repaint_jobs(
    task: str,
    k: Kandinsky,
    params: Params | Sequence[Params],
    prompts: Sequence[str] | None,
    image: Any,
    mask: Any = None,
    depth: Any = None,
    *,
    lay: Layout | None = None,
    instead: Collection[str] = (),
) -> list[Job]:
    """Return one job a picture, for our own loop: from `image`, under `mask` if there is one.

    Params, pictures and masks go together, one for all or one each, and depth maps to follow;
    the pictures of a `count` start from one. `lay` puts a
    picture on the canvas that the model works on, by default one of about its native area,
    `instead` as in `filled_runs`. Raises KandiError before any computation.
    """
    check_model(k, task)
    columns: dict[str, list] = {"params": with_prompts(params, prompts)}
    with concerning("image"):
        columns["image"] = starting_pictures(k, image)
    if "mask" in TASKS[task].inputs:
        columns["mask"] = read_inputs("mask", mask)
    if depth is not None:
        columns["depth"] = depth_maps(k, depth)
    rows = pair(task, columns)
    inputs = _inputs(list(columns)[1:], [row[1:] for row in rows])
    runs = filled_runs(task, k, [run for run, *_ in rows], instead=instead, sized=False)
    each = [
        given for (run, *_), given in zip(rows, inputs, strict=True) for _ in range(run.count)
    ]
    laid: dict[tuple, tuple[Params, dict[str, Any]]] = {}
    jobs = []
    for run, given in zip(runs, each, strict=True):
        if lay is None:
            run = _with_size(k, run, given)
        place = id(given), run.width, run.height
        if place not in laid:
            laid[place] = (lay or on_canvas)(k, run, given)
        sized, arguments = laid[place]
        used = TASKS[task].strength if run.strength is None else run.strength
        filled = run.replace(width=sized.width, height=sized.height, strength=used)
        jobs.append(_job(task, k, filled, given, arguments))
    return jobs


def on_canvas(k: Kandinsky, run: Params, inputs: Inputs) -> tuple[Params, dict[str, Any]]:
    """Lay a picture, and its mask if there is one, on a canvas of about the native area."""
    size = inputs["image"].size
    width, height = canvas_size(size, k.spec.native_size, run.width, run.height)
    filled = run.replace(width=width, height=height)
    canvas = canvas_of(filled, inputs)
    latents = latents_of(inputs["image"])
    images = as_images(canvas.lay(inputs["image"])) if latents is None else latents
    arguments = {"images": images}
    if "mask" in inputs:
        arguments["masks"] = as_masks(canvas.lay_mask(Mask(inputs["mask"])).array)
    if "depth" in inputs:
        arguments["hints"] = hint(canvas.lay(inputs["depth"]))
    return filled, arguments


def _with_size(k: Kandinsky, run: Params, inputs: Inputs) -> Params:
    """Return the params with the size of the latents that they start from, if they do."""
    latents = latents_of(inputs["image"])
    if latents is None:
        return run
    height, width = pixel_sides(k, latents)
    if run.width not in (None, width) or run.height not in (None, height):
        raise KandiError(
            f"the latents are of {width} × {height} pixels, which no other width and height "
            "fit: leave them out, or start from a picture"
        )
    return run.replace(width=width, height=height)


def canvas_of(params: Params, inputs: Inputs) -> Canvas:
    """Return the canvas on which filled params put a picture."""
    return Canvas(inputs["image"].size, (params.width, params.height))


def read_input(name: str, source: Any, said: str | None = None) -> Image:
    """Return an input that is a picture, read as its kind asks for; raise KandiError.

    `said` is what whoever sent it calls it, by default the input's own name.
    """
    kind = INPUTS[name].kind
    with concerning(name):
        if kind == "mask":
            return _mask(source)
        return depth_map(source) if kind == "depth" else picture(source, said or name)


def read_inputs(name: str, source: Any) -> list[Image]:
    """Return one or several inputs that are pictures as a list, see `read_input`."""
    with concerning(name):
        if INPUTS[name].kind == "picture":
            return pictures(source, name)
        return [read_input(name, each) for each in _as_list(name, source)]


def _as_list(name: str, source: Any) -> list[Any]:
    if not isinstance(source, (list, tuple)):
        return [source]
    if not source:
        raise KandiError(f"{name} is an empty list; give at least one {name}")
    if INPUTS[name].kind == "mask" and masks.is_box(source):
        return [source]  # which `Mask` refuses, with the call that makes one
    return list(source)


def _mask(source: Any) -> Image:
    """Return a mask as its recipe will hand it back; a file's name stays with it."""
    mask = Mask(source)
    picture = mask.image
    if isinstance(source, (str, os.PathLike)):
        picture.info["file"] = Path(source).name
    elif "file" in getattr(source, "info", {}):
        picture.info["file"] = source.info["file"]
    return picture


def pair(task: str, columns: Mapping[str, list]) -> list[tuple]:
    """Return rows of one of each; raise KandiError when the lengths do not fit together."""
    most = max(map(len, columns.values()))
    if any(len(column) not in (1, most) for column in columns.values()):
        lengths = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise KandiError(f"{task} got {lengths}; give one for all, or {most} of each")
    return list(zip(*(c * most if len(c) == 1 else c for c in columns.values()), strict=True))


def _inputs(names: Sequence[str], rows: Sequence[Sequence[Image]]) -> list[Inputs]:
    """Return what each row starts from; equal rows are one object, checked once."""
    known: dict[tuple, Inputs] = {}
    for row in rows:
        if (place := tuple(map(id, row))) not in known:
            known[place] = inputs = dict(zip(names, row, strict=True))
            if "mask" in inputs:
                masks.check_mask(inputs["mask"], inputs["image"])
            if "depth" in inputs:
                check_same_size(inputs["depth"], inputs["image"])
    return [known[tuple(map(id, row))] for row in rows]


def as_images(picture: Image) -> torch.Tensor:
    """Return an RGB picture as the loop takes it, [1, 3, h, w] in −1…1."""
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.asarray(picture, np.float32))  # [h, w, 3]
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1


def as_masks(mask: np.ndarray) -> torch.Tensor:
    """Return a mask [h, w] as the loop takes it, [1, 1, h, w]: 1 where it is above 0."""
    import torch

    return torch.from_numpy(mask > 0)[None, None].float()


def _job(
    task: str, k: Kandinsky, params: Params, inputs: Inputs, arguments: dict[str, Any]
) -> Job:
    taken = steps_taken(params.steps, params.strength)
    windows = arguments.get("windows", ())
    return text_job(
        k,
        params,
        key=(batch_key(k, params), taken, arguments["images"].shape, windows),
        steps=taken * calls(windows),
        role=DEPTH if "depth" in inputs else k.spec.role_of(task) or TASKS[task].role,
        arguments=arguments,
        inputs=inputs,
    )
