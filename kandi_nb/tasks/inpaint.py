"""Picture, mask and text → picture: repaint what the mask covers, and prove what stayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.editing.join import check_join, join_pictures, proof
from ..pictures.result import Result
from ..words.params import Params
from ..words.tables import Table
from .checks import check_model, task
from .job import Job
from .run import run
from .sources import canvas_of, repaint_jobs
from .steering import steering

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..words.embedding import Embedding

PROOF = ("kept", "edge", "edge_hard", "area")


@task("inpaint")
def inpaint(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    image: Any,
    mask: Any,
    join: str = "harmonic",
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
    """Repaint the white part of masks; every other pixel of a picture stays, bit for bit.

    `image`: as for `edit`; `mask`: what `Mask` takes, of the picture's size. Each is one or a
    list; params, pictures and masks go together, one for all or one each. `join`: "harmonic"
    takes the difference of colours at the mask's border off the repainted part, "hard" pastes
    it. `result.proof` has a row for each picture: `kept`, the share of kept pixels that are
    identical, `edge`, how much the border stands out (1: not at all), `edge_hard`, the same
    when pasted, and `area`, the share repainted. A `strength` below 1 begins from what is under
    the mask. The other options are those of `edit`. Raises KandiError before any computation.
    """
    check_join(join)
    check_model(k, "inpaint")
    texts: dict[str, Any] = {"embedding": embedding, "negative_embedding": negative_embedding}
    params, steered = steering(k, params, latents=latents, **texts)
    jobs = repaint_jobs("inpaint", k, params, prompts, image, mask, instead=steered.instead)
    jobs = steered.jobs(jobs)
    rows: list[dict[str, Any]] = []

    def finish(job: Job, drawn: Image) -> Image:
        import numpy as np

        original, covered = job.inputs["image"], np.asarray(job.inputs["mask"])
        painted = canvas_of(job.params, job.inputs).take(drawn)
        whole = join_pictures(original, painted, covered, join)
        rows.append(proof(original, whole, painted, covered))
        return whole

    options: dict[str, Any] = {"preview": preview, "on_preview": on_preview, "on_step": on_step}
    options |= {"progress": progress, "stop": stop}
    result = run("inpaint", k, jobs, finish=finish, options={"join": join}, **options)
    result.proof = Table(rows, PROOF)
    return result
