"""The second stage: an embedding, and what else a role takes, → pixels.

Our own loop draws. A diffusers pipeline does where a job names what pipelines alone take, as
the evaluation of checkpoints does; only then do our settings become its arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..model.finite import checked_pixels
from ..words.errors import KandiError, shown
from .checks import listed
from .loop.inpainting import paint, repaint
from .loop.inpainting import to_pictures as to_pictures
from .prior import Tick, Want, generator

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..model.loading.kandinsky import Kandinsky
    from ..words.params import Params
    from .run import Job

# Pixels of one decoder batch: four pictures of 768 × 768 (about what 8 GB of GPU memory take).
BATCH_PIXELS = 4 * 768 * 768
OURS = {"latents", "hints"}  # what our loop takes beyond embeddings to draw from noise
BATCH_MOST = 32  # pictures: beyond that a batch only takes memory, not less time


def batch_key(k: Kandinsky, params: Params) -> tuple:
    """Return what filled params of one decoder batch have in common, and the adapters."""
    worn = tuple(each.key for each in k.adapters)
    return params.steps, params.guidance, params.width, params.height, worn


def batch_limit(width: int, height: int) -> int:
    """Return how many pictures of a size are decoded at once."""
    return max(1, min(BATCH_MOST, BATCH_PIXELS // (width * height)))


def start_noise(k: Kandinsky, params: Any, latents: Any) -> tuple[Any, torch.Tensor | None]:
    """Return params of the latents' size, and the latents as float32 [n, c, h, w] on the CPU.

    One side is the picture's divided by MoVQ's factor, 8. Raises KandiError for other shapes,
    numbers that are not finite, and params of another size.
    """
    import torch

    if latents is None:
        return params, None
    channels = k.decoder.unet.config.in_channels
    scale = 2 ** (len(k.decoder.movq.config.block_out_channels) - 1)
    wanted = f"floats [n, {channels}, height / {scale}, width / {scale}]"
    try:
        noise = torch.as_tensor(latents).detach().float().cpu().clone()
    except (TypeError, ValueError, RuntimeError):
        raise KandiError(f"latents are {wanted}, not {shown(latents)}") from None
    noise = noise[None] if noise.ndim == 3 else noise
    shape = list(noise.shape)
    if noise.ndim != 4 or noise.shape[1] != channels or not noise.numel():
        raise KandiError(f"latents are {wanted}, not of shape {shape}")
    if not noise.isfinite().all():
        raise KandiError(
            "latents hold numbers that are not finite; torch.randn makes good ones"
        )
    sides = {"height": scale * noise.shape[2], "width": scale * noise.shape[3]}
    if any(side % 64 for side in sides.values()):
        raise KandiError(
            f"latents of shape {shape} make {sides['width']} × {sides['height']} pixels; sizes "
            "are multiples of 64"
        )
    runs = listed(params)
    for run in runs:
        for name, side in sides.items():
            if getattr(run, name) not in (None, side):
                raise KandiError(
                    f"{name} is {getattr(run, name)}, but the latents make {side}; leave it out"
                )
    return [run.replace(**sides) for run in runs], noise


def draw(
    k: Kandinsky,
    jobs: Sequence[Job],
    embeddings: Mapping[Want, torch.Tensor],
    tick: Tick,
    on_latents: Callable[..., None] | None = None,
) -> list[Image]:
    """Run the pipeline of jobs with one role and key; return their pictures in order.

    `on_latents(pipeline, number, latents)` sees the latents after each step but the last, and
    the windows as well where it draws in some.
    """
    pipeline = k.pipeline(jobs[0].role)
    way = _way(jobs[0].arguments)
    with checked_pixels(pipeline):
        return way(pipeline, jobs, embeddings, tick, on_latents)


def _way(arguments: Mapping[str, Any]) -> Callable[..., list[Image]]:
    """Return what draws jobs: our own loop, unless they name what pipelines alone take."""
    if "images" in arguments:
        return _repainted
    return _painted if arguments.keys() <= OURS else _piped


def _repainted(
    pipeline: Any,
    jobs: Sequence[Job],
    embeddings: Mapping[Want, torch.Tensor],
    tick: Tick,
    on_latents: Callable[..., None] | None,
) -> list[Image]:
    """Draw each job from its own picture."""
    return repaint(
        pipeline,
        *_rows(jobs, embeddings),
        **{"masks": None} | _together([job.arguments for job in jobs]),
        strength=jobs[0].params.strength,
        **_for_loop(pipeline, jobs, tick, on_latents),
    )


def _painted(
    pipeline: Any,
    jobs: Sequence[Job],
    embeddings: Mapping[Want, torch.Tensor],
    tick: Tick,
    on_latents: Callable[..., None] | None,
) -> list[Image]:
    """Draw each job out of its own noise."""
    params = jobs[0].params
    return paint(
        pipeline,
        *_rows(jobs, embeddings),
        (params.width, params.height),
        **_together([job.arguments for job in jobs]),
        **_for_loop(pipeline, jobs, tick, on_latents),
    )


def _piped(
    pipeline: Any,
    jobs: Sequence[Job],
    embeddings: Mapping[Want, torch.Tensor],
    tick: Tick,
    on_latents: Callable[..., None] | None,
) -> list[Image]:
    """Run the pipeline itself, with guards against what it does unasked.

    Everything is read off its own signature, so that all families and roles take the same way.
    """
    first = jobs[0]
    takes = inspect.signature(type(pipeline).__call__).parameters
    arguments: dict[str, Any] = {
        "num_inference_steps": first.params.steps,
        "guidance_scale": first.params.guidance,
        # One generator each: a picture's noise then does not depend on the size of the batch.
        "generator": [generator(job.params.seed) for job in jobs],
        **_together([job.arguments for job in jobs]),
    }
    if "width" in takes:
        arguments |= {"width": first.params.width, "height": first.params.height}
    if "image_embeds" in takes:
        # Cast here, because the pipelines forget it at guidance 1.
        fits = {"device": pipeline._execution_device, "dtype": pipeline.unet.dtype}
        rows = _rows(jobs, embeddings)
        arguments["image_embeds"], arguments["negative_image_embeds"] = (
            row.to(**fits) for row in rows
        )
        if "hint" in arguments:  # which one pipeline casts above guidance 1 only
            arguments["hint"] = arguments["hint"].to(**fits)
    if "prompt" in takes:
        arguments["prompt"], arguments["negative_prompt"] = _texts(jobs)

    def after_step(number: int, latents: torch.Tensor) -> None:
        if on_latents is not None and number < first.steps - 1:
            on_latents(pipeline, number, latents)
        tick()

    arguments |= _callback(takes, after_step)
    try:
        return pipeline(**arguments).images
    except BaseException:  # the keyboard too
        pipeline.maybe_free_model_hooks()
        raise


def _for_loop(
    pipeline: Any,
    jobs: Sequence[Job],
    tick: Tick,
    on_latents: Callable[..., None] | None,
) -> dict[str, Any]:
    """Return what `paint` and `repaint` take of jobs with one key."""

    def show(number: int, latents: torch.Tensor) -> None:
        if on_latents is not None:
            on_latents(pipeline, number, latents, jobs[0].arguments.get("windows", ()))

    prompts, negatives = _texts(jobs)
    return {
        # One generator each: a picture's noise then does not depend on the size of the batch.
        "generators": [generator(job.params.seed) for job in jobs],
        "steps": jobs[0].params.steps,
        "guidance": jobs[0].params.guidance,
        "prompts": prompts,
        "negatives": negatives,
        "tick": tick,
        "on_latents": show,
    }


def _rows(
    jobs: Sequence[Job], embeddings: Mapping[Want, torch.Tensor]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the positive and the negative embeddings of a batch, [n, dim], None without."""
    import torch

    if not jobs[0].wants:
        return None, None
    positive, negative = (
        torch.cat([embeddings[job.wants[place]] for job in jobs]) for place in (0, 1)
    )
    return positive, negative


def _texts(jobs: Sequence[Job]) -> tuple[list[str], list[str] | None]:
    """Return the prompts and the negative texts of a batch; None if no job has any."""
    negatives = [job.params.negative or "" for job in jobs]
    prompts = [job.params.prompt or "" for job in jobs]
    return prompts, negatives if any(map(str.strip, negatives)) else None


def _together(arguments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arguments of a batch: tensors [1, …] stacked, the rest as all jobs have it."""
    import torch

    return {
        name: torch.cat([each[name] for each in arguments])
        if isinstance(value, torch.Tensor)
        else value
        for name, value in arguments[0].items()
    }


def _callback(takes: Any, after_step: Callable[[int, torch.Tensor], None]) -> dict[str, Any]:
    """Return the arguments that make a pipeline call back; 2.1 has the older way."""
    if "callback_on_step_end" not in takes:
        return {"callback": lambda number, t, latents: after_step(number, latents)}

    def on_step_end(pipeline: Any, number: int, t: Any, tensors: dict) -> dict:
        after_step(number, tensors["latents"])
        return tensors  # the pipelines go on with what they get back

    return {"callback_on_step_end": on_step_end}
