"""The second stage: an embedding, and what else a role takes, → pixels.

Our own loop draws, over the networks of a role's pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..model.finite import checked_pixels
from .loop.denoise import OnStep, paint, repaint
from .prior import Tick, Want, generator

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..model.loading.kandinsky import Kandinsky
    from .job import Job


def draw(
    k: Kandinsky,
    jobs: Sequence[Job],
    embeddings: Mapping[Want, torch.Tensor],
    tick: Tick,
    on_latents: Callable[..., None] | None = None,
    on_step: OnStep | None = None,
    decode: bool = True,
) -> list[Image]:
    """Draw jobs with one role and key; return their pictures in order.

    `on_latents(pipeline, number, latents)` sees the latents after each step but the last, and
    the windows as well where it draws in some. `on_step` is that of `repaint`, `decode` that
    of `paint`, for jobs without pictures.
    """
    pipeline = k.pipeline(jobs[0].role)
    params = jobs[0].params
    rows = _rows(jobs, embeddings)
    named = {
        **_together([job.arguments for job in jobs]),
        **_for_loop(pipeline, jobs, tick, on_latents),
        "on_step": on_step,
    }
    with checked_pixels(pipeline):
        if "images" in named:
            named = {"masks": None, "strength": params.strength, **named}
            return repaint(pipeline, *rows, **named)
        return paint(pipeline, *rows, (params.width, params.height), **named, decode=decode)


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
