"""Text → pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.load import Kandinsky
from ..pictures.result import Result
from ..words.params import Params
from .checks import STEERING, asked, check_model, task
from .decoder import start_noise
from .run import run, steered, text_job

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..words.embedding import Embedding


@task("generate", inputs=STEERING)
def generate(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    prompts: Sequence[str] | None = None,
    embedding: Embedding | torch.Tensor | None = None,
    negative_embedding: Embedding | torch.Tensor | None = None,
    latents: torch.Tensor | None = None,
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
    from; `seed` still fixes the noise of its steps. All three travel in the recipe.
    """
    check_model(k, "generate")
    params, latents = start_noise(k, params, latents)
    texts = {"embedding": embedding, "negative_embedding": negative_embedding}
    instead = [name for name, value in texts.items() if value is not None]
    settings = asked("generate", k, params, prompts, instead)
    jobs = steered(k, [text_job(k, single) for single in settings], **texts, latents=latents)
    options = {"preview": preview, "on_preview": on_preview, "progress": progress, "stop": stop}
    return run("generate", k, jobs, **options)
