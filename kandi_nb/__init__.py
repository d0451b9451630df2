"""Kandinsky picture models in notebooks: draw, look inside, compare, measure.

import kandi_nb as kn
k = kn.load("mini-2.2")
kn.generate(k, kn.Params("a red fox in a snowy forest", steps=25, seed=7))
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# name → module: each is imported when somebody first asks for it.
_HOMES = {
    "Cancelled": "words.errors",
    "KandiError": "words.errors",
    "KandiWarning": "words.errors",
    "Params": "words.params",
    "sweep": "words.params",
    "random_seed": "words.seeds",
    "models": "words.models",
    "table": "words.tables",
    "Result": "pictures.result",
    "recipe": "pictures.recipe",
    "diff": "pictures.diff",
    "Mask": "pictures.masks",
    "rectangle": "pictures.shapes",
    "ellipse": "pictures.shapes",
    "polygon": "pictures.shapes",
    "stroke": "pictures.shapes",
    "lettering_mask": "pictures.lettering",
    "lettering": "pictures.lettering",
    "colours": "pictures.colours",
    "grid": "pictures.grid",
    "compare": "pictures.grid",
    "plot": "pictures.grid",
    "heat": "pictures.charts",
    "free": "model.device",
    "check": "model.check",
    "plan": "model.plan.fit",
    "anatomy": "model.anatomy.anatomy",
    "options": "model.plan.options",
    "Kandinsky": "model.loading.kandinsky",
    "load": "model.loading.load",
    "schedulers": "model.schedulers.table",
    "curve": "model.speed.modes",
    "generate": "tasks.generate",
    "edit": "tasks.edit",
    "inpaint": "tasks.inpaint",
    "outpaint": "tasks.outpaint",
    "upscale": "tasks.upscale",
    "depth_of": "tasks.depth",
    "embed": "tasks.embeddings.embed",
    "nearest": "tasks.embeddings.search",
    "mixture": "tasks.embeddings.mixtures",
    "mix": "tasks.embeddings.mixing",
    "path": "tasks.embeddings.mixing",
    "mix_grid": "tasks.embeddings.mixing",
    "animate": "drivers.animation",
    "Embedding": "words.embedding",
    "replay": "tasks.replay",
    "clip": "tasks.embeddings.clip",
    "cosines": "words.cosines",
    "tokens": "tasks.tokens",
    "versus": "tasks.versus",
    "bench": "drivers.bench",
    "batch": "drivers.batches.batch",
    "read_batch": "drivers.batches.index",
    "pair": "drivers.bench",
    "spent": "drivers.spent",
    "panel": "drivers.panels.panel",
    "run_notebook": "drivers.notebooks.run",
    "serve": "drivers.service.serving",
    "Client": "drivers.client",
}

__all__ = [
    "Cancelled",
    "Client",
    "Embedding",
    "KandiError",
    "KandiWarning",
    "Kandinsky",
    "Mask",
    "Params",
    "Result",
    "anatomy",
    "animate",
    "batch",
    "bench",
    "check",
    "clip",
    "colours",
    "compare",
    "cosines",
    "curve",
    "depth_of",
    "diff",
    "edit",
    "ellipse",
    "embed",
    "free",
    "generate",
    "grid",
    "heat",
    "inpaint",
    "lettering",
    "lettering_mask",
    "load",
    "mix",
    "mix_grid",
    "mixture",
    "models",
    "nearest",
    "options",
    "outpaint",
    "pair",
    "panel",
    "path",
    "plan",
    "plot",
    "polygon",
    "random_seed",
    "read_batch",
    "recipe",
    "rectangle",
    "replay",
    "run_notebook",
    "schedulers",
    "serve",
    "spent",
    "stroke",
    "sweep",
    "table",
    "tokens",
    "upscale",
    "versus",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
