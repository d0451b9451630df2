"""`Job`, one picture to make, and the one engine that runs jobs for every task."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..model.peak import track_peak
from ..model.progress import check_stop, preview_every, progress_bar
from ..model.schedulers.table import check_steps
from ..model.shortage import in_halves
from ..pictures.inputs import kept
from ..pictures.recipe import make_recipe
from ..pictures.result import Result, package_versions
from ..words.embedding import as_embedding
from ..words.errors import KandiError
from ..words.foresight import Foreseen, looking_ahead
from ..words.params import Params
from . import decoder, prior
from .checks import check_embedding
from .loop.texts import warn_about_texts

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..words.embedding import Embedding


@dataclass(frozen=True)
class Job:
    """Say how one picture is made.

    `params` are filled: size and strength are what is really used, `count` is 1. `wants` are
    the positive and the negative embedding, empty for a model without a prior. Pictures with
    equal `key` share a batch. `steps` is how many the pipeline will really take. `role` names
    the pipeline, `arguments` what it takes beyond embeddings, by its own names: tensors [1, …]
    are stacked along the batch, anything else is the same for all of it. With `images` among
    them the role's networks are run by our own loop, `inpainting.repaint`. `inputs` are the
    pictures that the task was given, by the task's own names, for the recipe.
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
        "key": decoder.batch_key(k, params),
        "steps": params.steps,
    }
    return Job(**fields | more)


def steered(
    k: Kandinsky,
    jobs: Sequence[Job],
    embedding: Any = None,
    negative_embedding: Any = None,
    latents: torch.Tensor | None = None,
) -> list[Job]:
    """Return the jobs with embeddings in the place of their texts, and with start noise.

    Each is one for all jobs or one a job; a single job is drawn once for each row. They
    are noted as inputs, so that they travel in the recipe. Raises KandiError for a model
    without a prior, embeddings of another model, and counts that do not fit.
    """
    rows = {
        name: _for_model(k, name, value)
        for name, value in (
            ("embedding", embedding),
            ("negative_embedding", negative_embedding),
        )
        if value is not None
    } | ({} if latents is None else {"latents": latents.split(1)})
    count = len(jobs) if len(jobs) > 1 else max([1, *map(len, rows.values())])
    for name, many in {"params": jobs, **rows}.items():
        if len(many) not in (1, count):
            raise KandiError(
                f"{name} has {len(many)} rows for {count} pictures; give one for all, or one a "
                "picture"
            )
    ready = {name: [_ready(name, row) for row in many] for name, many in rows.items()}
    return [
        _steered(
            jobs[n % len(jobs)],
            {name: many[n % len(many)] for name, many in rows.items()},
            {name: many[n % len(many)] for name, many in ready.items()},
        )
        for n in range(count)
    ]


def _for_model(k: Kandinsky, name: str, value: Any) -> Sequence[Embedding]:
    if k.prior is None:
        raise KandiError(
            f"{k.spec.key} has no prior, so it takes no {name}; mix with kandinsky-2.2, then "
            "refine that picture with Kandinsky 3: kn.edit(k3, params, image=result[0])"
        )
    embedding = as_embedding(value, name)
    check_embedding(k, embedding)
    return list(embedding)


def _ready(name: str, row: Any) -> Any:
    return row if name == "latents" else prior.Ready(row.tensor)


def _steered(job: Job, inputs: Mapping[str, Any], ready: Mapping[str, Any]) -> Job:
    """Return one job with what it wants replaced by what is ready."""
    wants = job.wants
    if wants:
        wants = (ready.get("embedding", wants[0]), ready.get("negative_embedding", wants[1]))
    arguments = {name: value for name, value in ready.items() if name == "latents"}
    return dataclasses.replace(
        job,
        wants=wants,
        arguments={**job.arguments, **arguments},
        inputs={**job.inputs, **inputs},
    )


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
    progress: bool = True,
    stop: Any = None,
) -> Result:
    """Make one picture of each job, in their order, in as few batches as their keys allow.

    The model is held meanwhile; a batch too large for the memory is halved, and where that is
    no help, the next memory plan is taken. `finish(job,
    picture)` may change a picture at the end. `options` are those of the task that change
    pixels, for the recipe. `preview`, `on_preview`, `progress` and `stop`
    are those of `generate`. Raises KandiError for bad options before any computation, and
    Cancelled after a stop; the model stays usable.
    """
    every = preview_every(preview, on_preview, progress)
    check_stop(stop)
    first = ["prior"] if "prior" in k.spec.roles else []
    roles = list(dict.fromkeys([*first, *(job.role for job in jobs)]))
    batches = _batches(jobs)
    wants = [want for job in jobs for want in job.wants]
    pictures: dict[int, Image] = {}
    with k.alone(stop, roles), track_peak(k.device) as peak:
        if k.scheduler:
            for job in jobs:
                check_steps(k.pipeline(job.role).scheduler, [job.params.steps])
        revision = {role: k.revision[role] for role in roles}
        options = {**k.options, **(options or {})}
        if looking_ahead():
            recipes = _recipes(task, k, jobs, revision=revision, options=options)
            raise Foreseen(recipes, [job.steps for job in jobs])
        warn_about_texts(k, [job.params for job in jobs])
        began = time.perf_counter()
        steps = prior.steps_left(k, wants) + sum(jobs[batch[0]].steps for batch in batches)
        title = f"{len(jobs)} picture{'s' if len(jobs) > 1 else ''}"
        with progress_bar(steps, title, shown=progress, stop=stop) as bar:
            bar.check()
            embeddings = prior.embeddings(k, wants, bar.step)
            show = _previewer(bar, every, on_preview)

            def draw(part: Sequence[Job]) -> list[Image]:
                return decoder.draw(k, part, embeddings, bar.step, show)

            for batch in batches:
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
        # How the networks shared the memory: no pixel depends on it, so it is not replayed.
        options["memory"] = str(k.memory)
    ordered = [pictures[index] for index in range(len(jobs))]
    return Result(
        images=ordered if finish is None else list(map(finish, jobs, ordered)),
        params=[job.params for job in jobs],
        inputs=[dict(job.inputs) for job in jobs],
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
    inputs = kept([dict(job.inputs) for job in jobs])
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


def _batches(jobs: Sequence[Job]) -> list[list[int]]:
    """Return the places of jobs that are drawn together."""
    groups: dict[Hashable, list[int]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.role, job.key), []).append(index)
    batches = []
    for group in groups.values():
        params = jobs[group[0]].params
        most = decoder.batch_limit(params.width, params.height)
        batches += [group[start : start + most] for start in range(0, len(group), most)]
    return batches


def _one_picture(job: Job) -> str:
    return f"one picture of {job.params.width} × {job.params.height} pixels"


def _previewer(bar: Any, every: int, on_preview: Any):
    if not every:
        return None

    def show(pipeline: Any, number: int, latents: torch.Tensor, windows: Any = ()) -> None:
        if (number + 1) % every == 0:
            pictures = decoder.to_pictures(pipeline, latents, windows)
            bar.preview(pictures)
            if on_preview is not None:
                on_preview(pictures, number + 1)

    return show
