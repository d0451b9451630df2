"""Embeddings that pictures are drawn from: of texts by the prior, of pictures by CLIP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.progress import check_stop, heeding, progress_bar
from ...pictures import pixels
from ...words.embedding import Embedding
from ...words.errors import KandiError
from ...words.params import Params
from .. import prior
from ..checks import check_prior, signature
from ..loop.texts import warn_about_texts
from .clip import check_item, encode
from .items import gather, item_names, picture_recipe, warn_about_idle
from .search import speaker

if TYPE_CHECKING:
    import torch

    from .items import Item


def embed(
    k: Kandinsky,
    items: Any,
    *,
    on_step: Callable[[int, int, torch.Tensor], None] | None = None,
    progress: bool = True,
    stop: Any = None,
) -> Embedding:
    """Return the image embeddings of texts, Params and pictures, a row each.

    `items` is one of them or a list: a text or Params gets what the prior imagines, each from
    its own `prior_seed` (of the other settings a `negative` and a `count` are left out, with a
    warning); a picture (a path, PIL, an array, a Result) what CLIP sees in it; an
    Embedding stays. A text that looks like the name of a file must be one.

    `on_step(i, t, predicted)` is called after each prior step i (timestep t, from 999 to 0)
    with the embeddings that the prior would settle on by then, float32 [n, dim]; the last ones
    equal what is returned, but for rounding. It wants texts alone, with one `prior_steps` and
    one `prior_guidance` for all. `progress` and `stop` are those of `generate`.
    """
    import torch

    check_prior(k, "no prior stage; models that have one")
    every = gather(items, "embed")
    for item in every:
        check_item(k, item)
    warn_about_idle(every, "embed")
    check_stop(stop)
    wants = [prior.positive(item) for item in every if isinstance(item, Params)]
    distinct = list(dict.fromkeys(wants))
    if on_step is not None:
        _check_steps(every, distinct)
    places = [distinct.index(text) for text in wants]

    def hear(step: prior.Step) -> None:
        assert on_step is not None  # else nobody is given this
        on_step(step.number, step.timestep, step.predicted[places].float().cpu())

    with k.alone(stop):
        warn_about_texts(k, [item for item in every if isinstance(item, Params)])
        fresh = on_step is not None
        steps = prior.steps_left(k, distinct, fresh)
        title = f"{len(distinct)} embedding{'s' if len(distinct) > 1 else ''}"
        with (
            progress_bar(steps, title, shown=progress and steps > 0, stop=stop) as bar,
            heeding(bar),
        ):
            bar.check()
            texts = prior.embeddings(k, distinct, bar.step, hear if fresh else None)
            seen = encode(k, [item for item in every if pixels.is_picture(item)])
    left, right = iter(wants), iter(seen)
    rows = [
        item.tensor
        if isinstance(item, Embedding)
        else texts[next(left)]
        if isinstance(item, Params)
        else next(right)[None]
        for item in every
    ]
    return Embedding(
        # Copied outside of inference mode, so that the caller may do anything with it.
        torch.cat([row.float().cpu() for row in rows]).clone(),
        item_names(every),
        tuple(_recipe(item) for item in every),
        *signature(k),
        speaker(k),
    )


def _check_steps(every: Sequence[Item], distinct: Sequence[prior.Text]) -> None:
    if not all(isinstance(item, Params) for item in every):
        raise KandiError(
            "on_step follows the prior, which reads texts alone; leave pictures out"
        )
    if len({(text.steps, text.guidance) for text in distinct}) > 1:
        raise KandiError(
            "on_step needs the same prior_steps and prior_guidance in all params; call embed "
            "once for each"
        )


def _recipe(item: Item) -> dict[str, Any]:
    """Return how the embedding of an item came about."""
    if isinstance(item, Embedding):
        return dict(item.recipes[0])
    return prior.positive(item)._asdict() if isinstance(item, Params) else picture_recipe(item)
