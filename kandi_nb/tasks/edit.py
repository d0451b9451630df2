"""Picture and text → picture: redraw a picture, more or less of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.result import Result
from ..words.params import Params
from .checks import check_model, task
from .job import Job
from .run import run
from .sources import canvas_of, repaint_jobs
from .steering import steering

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..words.embedding import Embedding


@task("edit")
def edit(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    image: Any,
    depth: Any = None,
    embedding: Embedding | torch.Tensor | None = None,
    negative_embedding: Embedding | torch.Tensor | None = None,
    latents: torch.Tensor | None = None,
    prompts: Sequence[str] | None = None,
    preview: int = 0,
    on_preview: Callable[[list[Image], int], None] | None = None,
    on_step: Callable[[int, int, torch.Tensor], torch.Tensor | None] | None = None,
    progress: bool = True,
    stop: Any = None,
) -> Result:
    """Redraw pictures as the prompts say; each result has the size of its picture.

    `image`: a path, bytes, PIL, NumPy or torch picture or a Result of one, or a list of them;
    params and pictures go together, one for all or one each. `strength` of the Params (None:
    0.3) is the share of the steps that are taken, at least one: little keeps the picture, 1
    keeps almost nothing. The model works on a canvas of about its native area, `width` and
    `height` override it. Along a `depth` map (see `generate`), of the picture's size, things
    keep their shapes even at a high strength. `embedding`, `negative_embedding` and `latents`
    (the noise over the picture) are those of `generate`, one for all pictures or one each; so
    are the other options. Raises KandiError before any computation for what cannot be drawn.
    """
    check_model(k, "edit")
    texts: dict[str, Any] = {"embedding": embedding, "negative_embedding": negative_embedding}
    params, steered = steering(k, params, latents=latents, **texts)
    jobs = repaint_jobs("edit", k, params, prompts, image, depth=depth, instead=steered.instead)
    jobs = steered.jobs(jobs)
    options: dict[str, Any] = {"preview": preview, "on_preview": on_preview, "on_step": on_step}
    options |= {"progress": progress, "stop": stop}
    return run("edit", k, jobs, finish=_own_size, **options)


def _own_size(job: Job, drawn: Image) -> Image:
    return canvas_of(job.params, job.inputs).take(drawn)
