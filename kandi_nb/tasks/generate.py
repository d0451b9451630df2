"""Text → pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.canvas import Canvas
from ..pictures.result import Result
from ..words.params import Params
from .checks import STEERING, asked, check_model, prompted, task
from .decoder import start_noise
from .depth import ROLE, depth_maps, hint, size_for
from .run import Job, run, steered, text_job
from .sources import paired

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..words.embedding import Embedding


@task("generate", inputs=(*STEERING, "depth"))
def generate(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    prompts: Sequence[str] | None = None,
    embedding: Embedding | torch.Tensor | None = None,
    negative_embedding: Embedding | torch.Tensor | None = None,
    latents: torch.Tensor | None = None,
    depth: Any = None,
    preview: int = 0,
    on_preview: Callable[[list[Image], int], None] | None = None,
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
    Raises KandiError before any computation for what cannot be drawn.

    `embedding`, as `embed` and `mixture` give it, stands for the prompt, `negative_embedding`
    for the negative: a row for all pictures or one a picture (a single Params is drawn once for
    each row). The decoder of 2.1 reads a text besides: the prompt, or nothing without one.
    `latents`, float [n, channels, height / 8, width / 8], are the noise that the decoder starts
    from; `seed` still fixes the noise of its steps.

    `depth`, a map that is white where things are near, says where things are: an array [h, w]
    of uint8 or floats in 0…1, a grey picture or its path, or a list of these, one for all or
    one each. The picture has the map's aspect, and about the native area. `depth_of` estimates
    the map of a photograph. All of these travel in the recipe.
    """
    check_model(k, "generate")
    params, latents = start_noise(k, params, latents)
    texts = {"embedding": embedding, "negative_embedding": negative_embedding}
    instead = [name for name, value in texts.items() if value is not None]
    if depth is None:
        jobs = [text_job(k, run) for run in asked("generate", k, params, prompts, instead)]
    else:
        jobs = _along(k, params, prompts, instead, depth)
    jobs = steered(k, jobs, **texts, latents=latents)
    options = {"preview": preview, "on_preview": on_preview, "progress": progress, "stop": stop}
    return run("generate", k, jobs, **options)


def _along(
    k: Kandinsky, params: Any, prompts: Any, instead: Sequence[str], depth: Any
) -> list[Job]:
    """Return one job a picture, each along its depth map; raise KandiError."""
    maps = depth_maps(k, depth)
    rows = paired("generate", {"params": prompted(params, prompts), "depth": maps})
    runs = asked("generate", k, [one for one, _ in rows], instead=instead, sized=False)
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
