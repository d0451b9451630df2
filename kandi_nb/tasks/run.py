"""The one engine that runs jobs for every task."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..model.machine.out_of_memory import in_halves
from ..model.machine.peak import track_peak
from ..model.progress import check_stop, heeding, preview_every, progress_bar
from ..model.schedulers.table import check_steps
from ..pictures.inputs import copy_inputs
from ..pictures.recipe import make_recipe
from ..pictures.result import Result, package_versions
from ..words.errors import KandiError, quote
from . import decoder, prior
from .job import Job, batches
from .loop.dry_run import DryRun, is_dry
from .loop.latents import HELD, to_pictures
from .loop.start import Latents, inputs_of
from .loop.texts import warn_about_texts

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


Finish = Callable[[Job, "Image"], "Image"]


def run(
    task: str,
    k: Kandinsky,
    jobs: Sequence[Job],
    *,
    finish: Finish | None = None,
    options: Mapping[str, Any] | None = None,
    preview: int = 0,
    on_preview: Callable[[list[Image], int], None] | None = None,
    on_step: Any = None,
    progress: bool = True,
    stop: Any = None,
    decode: bool = True,
) -> Result:
    """Make one picture of each job, in their order, in as few batches as their keys allow.

    The model is held meanwhile; a batch too large for the memory is halved, and where that is
    no help, the next memory plan is taken. `finish(job,
    picture)` may change a picture at the end. `options` are those of the task that change
    pixels, for the recipe. `preview`, `on_preview`, `on_step`, `progress` and `stop`
    are those of `generate`. Unless `decode`, the Result holds latents. Raises KandiError for
    bad options before any computation, and Cancelled after a stop; the model stays usable.
    """
    every = preview_every(preview, on_preview, progress)
    if on_step is not None and not callable(on_step):
        raise KandiError(
            f"on_step is a function of step, timestep and latents, not {quote(on_step)}"
        )
    check_stop(stop)
    first = ["prior"] if "prior" in k.spec.roles else []
    roles = list(dict.fromkeys([*first, *(job.role for job in jobs)]))
    groups = batches(jobs)
    wants = [want for job in jobs for want in job.wants]
    pictures: dict[int, Image] = {}
    steered_steps: list[int] = []
    with k.alone(stop, roles), track_peak(k.device) as peak:
        for job in jobs:
            if k.scheduler or job.params.steps == 1:
                check_steps(k.pipeline(job.role).scheduler, [job.params.steps])
        revision = {role: k.revision[role] for role in roles}
        options = {**k.options, **(options or {})}
        if is_dry():
            recipes = _recipes(task, k, jobs, revision=revision, options=options)
            return DryRun(recipes, [job.steps for job in jobs]).note()
        warn_about_texts(k, [job.params for job in jobs])
        began = time.perf_counter()
        steps = prior.steps_left(k, wants) + sum(jobs[batch[0]].steps for batch in groups)
        title = f"{len(jobs)} picture{'s' if len(jobs) > 1 else ''}"
        with progress_bar(steps, title, shown=progress, stop=stop) as bar, heeding(bar):
            bar.check()
            embeddings = prior.embeddings(k, wants, bar.step)
            show = _previewer(bar, every, on_preview)

            def draw(part: Sequence[Job]) -> list[Image]:
                seen = (show, on_step and stepped)
                return decoder.draw(k, part, embeddings, bar.step, *seen, decode)

            def stepped(number: int, timestep: int, latents: torch.Tensor) -> Any:
                given = on_step(number, timestep, latents)
                if given is not None:
                    steered_steps.append(number)
                return given

            for batch in groups:
                part = [jobs[index] for index in batch]
                drawn = in_halves(
                    draw,
                    part,
                    k.device,
                    _one_picture,
                    "ask for a smaller one",
                    retreat=k.retreat,
                )
                pictures.update(zip(batch, drawn, strict=True))
        seconds = time.perf_counter() - began
        if steered_steps:
            options["on_step"] = True  # which a recipe cannot repeat
        # How the networks shared the memory: no pixel depends on it, so it is not replayed.
        options["memory"] = str(k.memory)
    ordered = [pictures[index] for index in range(len(jobs))]
    held = [picture.info.pop(HELD, None) for picture in ordered]
    return (Result if decode else Latents)(
        held=held if finish is None else [],  # which changes what was decoded
        images=ordered if finish is None else list(map(finish, jobs, ordered)),
        params=[job.params for job in jobs],
        inputs=[inputs_of(job.inputs) for job in jobs],
        model=k.spec.key,
        revision=revision,
        versions=package_versions(),
        options=options,
        seconds=seconds,
        peak_mb=peak.peak_mb,
        task=task,
    )


def _recipes(task: str, k: Kandinsky, jobs: Sequence[Job], **more: Any) -> list[dict[str, Any]]:
    """Return the recipes that the pictures of jobs will have, but for sizes and versions."""
    inputs = copy_inputs([inputs_of(job.inputs) for job in jobs])
    return [
        make_recipe(
            job.params,
            task=task,
            model=k.spec.key,
            size=(0, 0),
            inputs=given,
            versions={},
            **more,
        )
        for job, given in zip(jobs, inputs, strict=True)
    ]


def _one_picture(job: Job) -> str:
    return f"one picture of {job.params.width} × {job.params.height} pixels"


def _previewer(bar: Any, every: int, on_preview: Any):
    if not every:
        return None

    def show(pipeline: Any, number: int, latents: torch.Tensor, windows: Any = ()) -> None:
        if (number + 1) % every == 0:
            pictures = to_pictures(pipeline, latents, windows)
            bar.preview(pictures)
            if on_preview is not None:
                on_preview(pictures, number + 1)

    return show
