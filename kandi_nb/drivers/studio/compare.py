"""The task of the tab Compare: the same settings with each generation, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...model import hub
from ...model.loading.kandinsky import Kandinsky
from ...pictures.recipe import recipe
from ...pictures.result import Result
from ...tasks.generate import generate
from ...tasks.versus import versus
from ...words.models import SPECS
from ...words.params import Params

Rival = Any  # a key, a folder, a loaded model or the client of a service


@dataclass(repr=False)
class Compared(Result):
    """Hold pictures of several models; each keeps the recipe of the model that drew it."""

    @property
    def recipes(self) -> list[dict[str, Any]]:
        """Return one recipe a picture, as it was when it was drawn."""
        return [recipe(image) for image in self.images]

    @property
    def labels(self) -> list[str]:
        """Return one label a picture: its model, and its seed where a model drew several."""
        made = self.recipes
        several = len({each["params"]["seed"] for each in made}) > 1
        return [
            f"{each['model']}, seed {each['params']['seed']}" if several else each["model"]
            for each in made
        ]


def rivals(k: Any) -> list[str]:
    """Return the keys of the models that `k` is compared with: those of its kind that are here.

    A bundled model has the other bundled ones, a published one those that were downloaded; a
    client has none, for what is here is not there.
    """
    if hasattr(k, "remote"):
        return []
    others = [spec for key, spec in SPECS.items() if key != k.spec.key]
    if k.spec.bundled:
        return [spec.key for spec in others if spec.bundled]
    return [
        spec.key
        for spec in others
        if not spec.bundled and all(hub.cached_folder(spec, role) for role in spec.ids)
    ]


def comparison(models: Sequence[Rival]) -> Callable[..., Result]:
    """Return the task compare(k, params), which draws with `k` and each of the models."""

    def compare(k: Any, params: Params, *, progress: bool = True, stop: Any = None) -> Compared:
        options = {"progress": progress, "stop": stop}
        if isinstance(k, Kandinsky):  # the others where this one is, in its number format
            options |= {"device": k.device, "dtype": k.dtype}
        results = versus(params, [k, *models], generate, **options).results
        images = [image for result in results.values() for image in result]
        return Compared(
            images=images,
            params=[one for result in results.values() for one in result.params],
            model=", ".join(results),
            seconds=sum(result.seconds for result in results.values()),
            # Side by side, if each made one; else a row a model.
            layout=(len(results), each) if (each := len(images) // len(results)) > 1 else None,
        )

    def as_code(params: Params, model: str) -> str:
        named = [model, *map(_as_code, models)]
        return f"result = kn.versus(kn.{params!r}, [{', '.join(named)}])\nresult"

    compare.takes_clients = True
    compare.as_code = as_code  # what "Copy as code" writes: the call that needs no studio
    return compare


def _as_code(model: Rival) -> str:
    if hasattr(model, "remote"):
        return f"kn.Client({model.url!r})"
    return repr(model.spec.key if isinstance(model, Kandinsky) else str(model))
