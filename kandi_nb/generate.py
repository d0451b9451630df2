"""Text → pictures: `generate`, and `embed` and `replay` that belong to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import stages
from .errors import KandiError, warn
from .inputs import check_model, check_stop, listed, preview_every, singles
from .loading import Kandinsky, load
from .memory import free, track_peak
from .params import Params
from .progress import progress_bar
from .recipes import recipe
from .registry import SPECS
from .results import Result, package_versions
from .texts import warn_about_texts

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_WAIT = 0.05  # seconds between two looks at the stop button while another thread draws


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
    import torch

    check_model(k, "generate")
    runs = singles(params, prompts)
    every = preview_every(preview, on_preview, progress)
    check_stop(stop)

    groups: dict[tuple, list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault(stages.decoder_key(k, run), []).append(index)
    wanted = [] if k.prior is None else [which(run) for run in runs for which in _WANTED]
    images: dict[int, Image] = {}
    with _alone(k, stop), track_peak(k.device) as peak:
        began = time.perf_counter()
        warn_about_texts(k, runs)
        total = sum(batch[0].steps for batch in stages.prior_batches(k, wanted))
        batches = [batch for indices in groups.values() for batch in _batches(k, runs, indices)]
        total += sum(runs[batch[0]].steps for batch in batches)
        plural = "s" if len(runs) > 1 else ""
        title = f"{len(runs)} picture{plural}"
        with progress_bar(total, title, shown=progress, stop=stop) as bar:
            bar.check()
            embeddings = stages.embed_texts(k, wanted, bar.step)
            show = _previewer(k, bar, every, on_preview)
            while batches:
                batch = batches.pop(0)
                asked = [runs[index] for index in batch]
                try:
                    drawn = stages.draw(k, asked, embeddings, bar.step, show)
                except torch.OutOfMemoryError as error:
                    batches[:0] = _halves(k, batch, asked, error)
                else:
                    images.update(zip(batch, drawn, strict=True))
        seconds = time.perf_counter() - began
    return Result(
        images=[images[index] for index in range(len(runs))],
        params=runs,
        model=k.spec.key,
        revision=dict(k.revision),
        versions=package_versions(),
        seconds=seconds,
        peak_mb=peak.peak_mb,
        task="generate",
    )


def embed(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    on_step: Callable[[int, int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Return the image embeddings that the prior makes of the prompts, float32 [n, dim].

    `on_step(i, t, predicted)` is called after each prior step i (timestep t, from 999 to 0)
    with the embeddings that the prior would settle on by then, float32 [n, dim]; the last ones
    equal what is returned, but for rounding. It wants one `prior_steps` and one
    `prior_guidance` for all.
    """
    import torch

    check_model(k, None)
    if k.prior is None:
        able = ", ".join(key for key, known in SPECS.items() if known.prior)
        raise KandiError(f"{k.spec.key} has no prior stage; models that have one: {able}")
    runs = listed(params)
    warn_about_texts(k, runs)
    wanted = [stages.positive(run) for run in runs]
    distinct = list(dict.fromkeys(wanted))
    if on_step is not None and len({(text.steps, text.guidance) for text in distinct}) > 1:
        raise KandiError(
            "on_step needs the same prior_steps and prior_guidance in all params; call embed "
            "once for each"
        )
    rows = [distinct.index(text) for text in wanted]

    def told(step: stages.Step) -> None:
        on_step(step.number, step.timestep, step.predicted[rows].float().cpu())

    with _alone(k, None):
        found = stages.embed_texts(k, distinct, lambda: None, told if on_step else None)
    # Copied outside of inference mode, so that the caller may do anything with it.
    return torch.cat([found[text] for text in wanted]).float().cpu().clone()


def replay(path: str | Path, k: Kandinsky | None = None) -> Result:
    """Draw a saved picture again from the recipe in its PNG; return a Result with one picture.

    Loads the recipe's model unless `k` is given. Warns when the weights are not those of the
    recipe. Raises KandiError for a file without a recipe.
    """
    found = recipe(path)
    if found["task"] != "generate":
        raise KandiError(
            f"{path} was made by {found['task']}, which needs more than its recipe; replay "
            "does pictures of generate"
        )
    params = Params.from_dict(found["params"])
    k = load(found["model"]) if k is None else k
    check_model(k, "generate")
    for role, commit in found["revision"].items():
        if k.revision.get(role) != commit:
            warn(
                f"the {role} of {k.spec.key} here is {k.revision.get(role)}, the recipe's was "
                f"{commit} ({found['model']}): the picture may differ"
            )
    width, height = found["size"]
    if stages.size(k, params) != (width, height):
        params = params.replace(width=width, height=height)
    return generate(k, params)


_WANTED = (stages.positive, stages.negative)


@contextmanager
def _alone(k: Kandinsky, stop: Any):
    """Hold the model for one run, without gradients; a stop ends the waiting too."""
    import torch

    while not k.lock.acquire(timeout=_WAIT):
        progress_bar(0, "", shown=False, stop=stop).check()
    try:
        with torch.inference_mode():
            yield
    finally:
        k.lock.release()


def _batches(k: Kandinsky, runs: Sequence[Params], indices: list[int]) -> list[list[int]]:
    most = stages.batch_limit(*stages.size(k, runs[indices[0]]))
    return [indices[start : start + most] for start in range(0, len(indices), most)]


def _halves(
    k: Kandinsky, batch: list[int], asked: Sequence[Params], error: Exception
) -> list[list[int]]:
    """Return a batch that was too large for the memory in two halves."""
    if len(batch) == 1:
        width, height = stages.size(k, asked[0])
        raise KandiError(
            f"{k.device} has too little memory for one picture of {width} × {height} pixels; "
            "ask for a smaller one, close what else uses the GPU, or take a smaller model"
        ) from error
    free()
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def _previewer(k: Kandinsky, bar: Any, every: int, on_preview: Any):
    if not every:
        return None

    def show(number: int, latents: torch.Tensor) -> None:
        if (number + 1) % every == 0:
            pictures = stages.to_pictures(k, latents)
            bar.preview(pictures)
            if on_preview is not None:
                on_preview(pictures, number + 1)

    return show
