"""Kandinsky picture models in notebooks: draw, look inside, compare, measure.

import kandi_nb as kn
k = kn.load("mini-2.2")
kn.generate(k, kn.Params("a red fox in a snowy forest", steps=25, seed=7))
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__version__ = "0.2.0"

# name → module: each is imported when somebody first asks for it.
_HOMES = {
    "Cancelled": "words.errors",
    "KandiError": "words.errors",
    "KandiWarning": "words.errors",
    "Params": "words.params",
    "sweep": "words.params",
    "random_seed": "words.params",
    "models": "words.models",
    "table": "words.tables",
    "Result": "pictures.result",
    "recipe": "pictures.recipe",
    "diff": "pictures.diff",
    "Mask": "pictures.masks",
    "rectangle": "pictures.editing.shapes",
    "ellipse": "pictures.editing.shapes",
    "polygon": "pictures.editing.shapes",
    "stroke": "pictures.editing.shapes",
    "lettering_mask": "pictures.editing.lettering",
    "lettering": "pictures.editing.lettering",
    "colours": "pictures.editing.colours",
    "grid": "pictures.grid",
    "compare": "pictures.grid",
    "plot": "pictures.grid",
    "heat": "pictures.charts",
    "free": "model.machine.device",
    "check": "model.check",
    "plan": "model.plan.fit",
    "anatomy": "model.anatomy.anatomy",
    "options": "model.plan.options",
    "Kandinsky": "model.loading.kandinsky",
    "load": "model.loading.load",
    "schedulers": "model.schedulers.table",
    "Adapter": "model.adapters.adapter",
    "curve": "model.loading.speeds",
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
    "steps": "drivers.animation",
    "Embedding": "words.embedding",
    "replay": "tasks.replay",
    "clip": "tasks.embeddings.clip",
    "cosines": "words.cosines",
    "tokens": "tasks.tokens",
    "versus": "tasks.versus",
    "verify": "drivers.verify.verify",
    "teach": "tasks.teaching.teach",
    "checker": "tasks.teaching.checker",
    "bench": "drivers.measure.bench",
    "ledger": "drivers.ledger.ledger",
    "cost": "drivers.ledger.cost",
    "batch": "drivers.batches.batch",
    "read_batch": "drivers.batches.folder.index",
    "pair": "drivers.measure.bench",
    "mask_painter": "drivers.widgets.painter",
    "mixer": "drivers.widgets.mixer",
    "profile": "drivers.measure.profile",
    "panel": "drivers.panels.panel",
    "studio": "drivers.studio.studio",
    "run_notebook": "drivers.notebooks.run",
    "serve": "drivers.service.serving",
    "Client": "drivers.remote.client",
    "has": "drivers.abilities",
}

# What a name was before: it works on, and nothing lists it.
_ALIASES = {"spent": "profile"}

__all__ = [
    "Adapter",
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
    "checker",
    "clip",
    "colours",
    "compare",
    "cosines",
    "cost",
    "curve",
    "depth_of",
    "diff",
    "edit",
    "ellipse",
    "embed",
    "free",
    "generate",
    "grid",
    "has",
    "heat",
    "inpaint",
    "ledger",
    "lettering",
    "lettering_mask",
    "load",
    "mask_painter",
    "mix",
    "mix_grid",
    "mixer",
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
    "profile",
    "random_seed",
    "read_batch",
    "recipe",
    "rectangle",
    "replay",
    "run_notebook",
    "schedulers",
    "serve",
    "steps",
    "stroke",
    "studio",
    "sweep",
    "table",
    "teach",
    "tokens",
    "upscale",
    "verify",
    "versus",
]


def __getattr__(name: str) -> Any:
    if name in _ALIASES:
        return getattr(sys.modules[__name__], _ALIASES[name])
    if name not in _HOMES:
        from .words.errors import NoAttribute, did_you_mean

        raise NoAttribute(f"kn has no {name}; {did_you_mean(name, _HOMES)}dir(kn) lists all")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
