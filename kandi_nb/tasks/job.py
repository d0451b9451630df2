"""`Job`, one picture to make, and which of them are drawn together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..words.fields import names_of
from . import prior

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..model.loading.kandinsky import Kandinsky
    from ..words.params import Params

# Pixels of one decoder batch: four pictures of 768 × 768 (about what 8 GB of GPU memory take).
BATCH_PIXELS = 4 * 768 * 768
BATCH_MOST = 32  # pictures: beyond that a batch only takes memory, not less time


@dataclass(frozen=True)
class Job:
    """Say how one picture is made.

    `params` are filled: size and strength are what is really used, `count` is 1. `wants` are
    the positive and the negative embedding, empty for a model without a prior. Pictures with
    equal `key` share a batch. `steps` is how many the loop will really take. `role` names
    the pipeline whose networks are run, `arguments` what `denoise.paint` takes beyond
    embeddings, or `denoise.repaint` where `images` are among them: tensors [1, …] are stacked
    along the batch, anything else is the same for all of it. `inputs` are the pictures that the
    task was given, by the task's own names, for the recipe.
    """

    params: Params
    wants: tuple[prior.Want, ...]
    key: Hashable
    steps: int
    role: str = "decoder"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Image] = field(default_factory=dict)


def text_job(k: Kandinsky, params: Params, **more: Any) -> Job:
    """Return the job of a picture that filled params say in words; `more` are fields of Job."""
    fields = {
        "params": params,
        "wants": () if k.prior is None else (prior.positive(params), prior.negative(params)),
        "key": batch_key(k, params),
        "steps": params.steps,
    }
    return Job(**fields | more)


def batch_key(k: Kandinsky, params: Params) -> tuple:
    """Return what filled params of one decoder batch have in common, and the adapters."""
    shared = names_of(stage="decoder", varies="batch")
    adapters = tuple(each.key for each in k.adapters)
    return *(getattr(params, name) for name in shared), adapters


def batch_limit(width: int, height: int) -> int:
    """Return how many pictures of a size are decoded at once."""
    return max(1, min(BATCH_MOST, BATCH_PIXELS // (width * height)))


def batches(jobs: Sequence[Job]) -> list[list[int]]:
    """Return the places of jobs that are drawn together."""
    groups: dict[Hashable, list[int]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.role, job.key), []).append(index)
    return [
        group[start : start + most]
        for group in groups.values()
        for most in [batch_limit(jobs[group[0]].params.width, jobs[group[0]].params.height)]
        for start in range(0, len(group), most)
    ]
