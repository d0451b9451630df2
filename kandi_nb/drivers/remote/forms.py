"""What a client sends for pictures, each with its settings and inputs, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...model.progress import check_stop
from ...pictures.recipe import png_bytes
from ...tasks.checks import TASKS
from ...tasks.embeddings.items import gather
from ...tasks.sources import pair, read_inputs
from ...words.embedding import Embedding
from ...words.errors import KandiError
from ...words.fields import names_of
from ...words.params import Params
from ...words.tasks import is_picture

Inputs = Mapping[str, Any]  # name → picture
_LOCAL = ("preview", "on_preview", "progress", "stop", "prompts")  # options of every task


def mixture_form(params: Params, items: Any, weights: Sequence[float], how: str) -> list[Any]:
    """Return the parts of the form for a mixture of texts and pictures, in their order.

    Raises KandiError for embeddings, and texts that want different settings of the prior.
    """
    every = gather(items, "mix", params)
    if any(isinstance(item, Embedding) for item in every):
        raise KandiError("a service mixes texts and pictures, no embeddings; kn.load(…) does")
    texts = [item for item in every if isinstance(item, Params)]
    prior = {name: {getattr(text, name) for text in texts} for name in names_of(stage="prior")}
    if several := [name for name, values in prior.items() if len(values) > 1]:
        raise KandiError(f"a service takes one {several[0]} for all texts; give them the same")
    fields = params.to_dict() | {n: v.copy().pop() for n, v in prior.items() if v}
    parts: list[Any] = [
        (n, (None, as_text(value)))
        for n, value in {**fields, "how": how, "weights": json.dumps(list(weights))}.items()
        if value is not None
    ]
    return parts + [
        ("items", (None, item.prompt))
        if isinstance(item, Params)
        else ("items", (f"{n}.png", png_bytes(item)))
        for n, item in enumerate(every)
    ]


def as_text(value: Any) -> str:
    """Return a value as a form sends it; a size is written 96x64."""
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def rows_of(
    task: str, runs: list[Params], named: dict[str, Any]
) -> list[tuple[Params, Inputs]]:
    """Return Params and what goes with them, one for all or one each; take those of `named`."""
    columns: dict[str, list] = {"params": runs}
    for name in TASKS[task].inputs:
        source = named.pop(name, None)
        if source is None:
            continue
        if not is_picture(name):
            raise KandiError(f"a service takes no {name}; load the model here: kn.load(…)")
        columns[name] = read_inputs(name, source)
    names = list(columns)[1:]
    return [(row[0], dict(zip(names, row[1:], strict=True))) for row in pair(task, columns)]


def local_options(named: dict[str, Any]) -> dict[str, Any]:
    """Take what is settled here out of a task's keywords, and return it."""
    local = {name: named.pop(name) for name in _LOCAL if name in named}
    check_stop(local.get("stop"))
    if named.pop("on_step", None) is not None:
        raise KandiError(
            "a service calls nobody back at its steps; load the model here: kn.load(…)"
        )
    return local
