"""The bundled model: its world, captions, judge, weights, and how it was trained."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """Find what lay here once under its old name: `from kandi_nb.mini import render`."""
    if name in ("render", "vocabulary"):
        return importlib.import_module(f".world.{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
