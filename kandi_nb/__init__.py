"""Kandinsky picture models in notebooks: draw, look inside, compare, measure.

import kandi_nb as kn
k = kn.load("mini-2.2")
kn.generate(k, kn.Params("a red fox in a snowy forest", steps=25, seed=7))
"""

from __future__ import annotations

import importlib
from typing import Any

# These share their name with their module. Importing a submodule binds its name here, once;
# the functions are bound over it at once and stay. The modules are light.
from .bench import bench
from .check import check
from .generate import generate

__version__ = "0.1.0"

# name → module: each is imported when somebody first asks for it.
_HOMES = {
    "Cancelled": "errors",
    "KandiError": "errors",
    "KandiWarning": "errors",
    "Params": "params",
    "sweep": "params",
    "models": "registry",
    "Result": "results",
    "recipe": "recipes",
    "diff": "recipes",
    "grid": "show",
    "compare": "show",
    "plot": "show",
    "heat": "heatmaps",
    "free": "memory",
    "Kandinsky": "loading",
    "load": "loading",
    "plan": "fit",
    "embed": "generate",
    "replay": "generate",
    "clip": "likeness",
    "cosines": "likeness",
    "tokens": "languages",
    "pair": "bench",
    "run_notebook": "notebooks",
}

__all__ = [
    "Cancelled",
    "KandiError",
    "KandiWarning",
    "Kandinsky",
    "Params",
    "Result",
    "bench",
    "check",
    "clip",
    "compare",
    "cosines",
    "diff",
    "embed",
    "free",
    "generate",
    "grid",
    "heat",
    "load",
    "models",
    "pair",
    "plan",
    "plot",
    "recipe",
    "replay",
    "run_notebook",
    "sweep",
    "tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
