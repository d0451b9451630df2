"""Text → pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.editing.canvas import Canvas
from ..pictures.result import Result
from ..words.errors import KandiError, did_you_mean, quote
from ..words.params import Params
from .checks import check_model, filled_runs, task, with_prompts
from .depth import ROLE, depth_maps, hint, size_for
from .job import Job, text_job
from .run import run
from .sources import pair
from .steering import steering

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..words.embedding import Embedding


OUTPUTS = ("pictures", "latent")


@task("generate")
def generate(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    prompts: Sequence[str] | None = None,
    embedding: Embedding | torch.Tensor | None = None,
    negative_embedding: Embedding | torch.Tensor | None = None,
    latents: torch.Tensor | None = None,
    prior_latents: torch.Tensor | None = None,
    depth: Any = None,
    preview: int = 0,
    on_preview: Callable[[list[Image], int], None] | None = None,
    on_step: Callable[[int, int, torch.Tensor], torch.Tensor | None] | None = None,
    output: str = "pictures",
    progress: bool = True,
    stop: Any = None,
) -> Result:
    """Draw what the prompts say; return a Result with the pictures in the order asked for.

    Each of `prompts` takes the prompt's place in all of `params`: prompts vary slowest, then
    params, then `count`. Everything is drawn in as few batches as settings allow; each picture
    equals its single run within 2/255. `preview=n` shows the unfinished pictures every n steps
    in a notebook, and `on_preview(pictures, steps_done)` gets them anywhere. `progress=False`
    shows neither. `stop` is anything with is_set(), such as a threading.Event: once set, the
    run ends with Cancelled at its next step, and the model stays usable, as after Ctrl-C.
    `on_step(step, timestep, latents)` is called after each step of the decoder, the last one
    too, with the latents [n, channels, height / 8, width / 8] of a batch, and may return others
    in their place. Raises KandiError before any computation for what cannot be drawn.

    `embedding`, as `embed` and `mixture` give it, stands for the prompt, `negative_embedding`
    for the negative: a row for all pictures or one a picture (a single Params is drawn once for
    each row). The decoder of 2.1 reads a text besides: the prompt, or nothing without one.
    `latents`, float [n, channels, height / 8, width / 8], are the noise that the decoder starts
    from; `seed` still fixes the noise of its steps. `prior_latents`, float [n, dim], are those
    of the prior, beside `prior_seed`.

    `depth`, a map that is white where things are near, says where things are: an array [h, w]
    of uint8 or floats in 0…1, a grey picture or its path, or a list of these, one for all or
    one each. The picture has the map's aspect, and about the native area. `depth_of` estimates
    the map of a photograph. All of these travel in the recipe.

    `output="latent"` leaves MoVQ out: the Result holds latents, which `edit` and `inpaint` take
    as their `image` without a way through pixels.
    """
    if output not in OUTPUTS:
        hint = did_you_mean(output, OUTPUTS) if isinstance(output, str) else ""
        says = f"output is pictures or latent, not {quote(output)}; {hint}"
        raise KandiError(says.rstrip("; "))
    check_model(k, "generate")
    texts: dict[str, Any] = {"embedding": embedding, "negative_embedding": negative_embedding}
    params, steered = steering(k, params, latents=latents, prior_latents=prior_latents, **texts)
    if depth is None:
        jobs = [
            text_job(k, run)
            for run in filled_runs("generate", k, params, prompts, steered.instead)
        ]
    else:
        jobs = _along(k, params, prompts, steered.instead, depth)
    jobs = steered.jobs(jobs)
    options: dict[str, Any] = {"preview": preview, "on_preview": on_preview, "on_step": on_step}
    options |= {"progress": progress, "stop": stop}
    return run("generate", k, jobs, decode=output == "pictures", **options)


def _along(
    k: Kandinsky, params: Any, prompts: Any, instead: Sequence[str], depth: Any
) -> list[Job]:
    """Return one job a picture, each along its depth map; raise KandiError."""
    maps = depth_maps(k, depth)
    rows = pair("generate", {"params": with_prompts(params, prompts), "depth": maps})
    runs = filled_runs("generate", k, [one for one, _ in rows], instead=instead, sized=False)
    each = [follows for one, follows in rows for _ in range(one.count)]
    jobs = []
    for single, follows in zip(runs, each, strict=True):
        width, height = size_for(k, follows, single.width, single.height)
        jobs.append(
            text_job(
                k,
                single.replace(width=width, height=height),
                role=ROLE,
                arguments={"hints": hint(Canvas(follows.size, (width, height)).lay(follows))},
                inputs={"depth": follows},
            )
        )
    return jobs
