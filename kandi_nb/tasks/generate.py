"""Text → pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.load import Kandinsky
from ..pictures.result import Result
from ..words.params import Params
from .checks import asked, task
from .run import run, text_job

if TYPE_CHECKING:
    from PIL.Image import Image


@task("generate")
def generate(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    prompts: Sequence[str] | None = None,
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
    """
    jobs = [text_job(k, single) for single in asked("generate", k, params, prompts)]
    options = {"preview": preview, "on_preview": on_preview, "progress": progress, "stop": stop}
    return run("generate", k, jobs, **options)
