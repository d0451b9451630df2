"""What `kn.load(…, speed=…)` may be, and what "fast" knows of each model: a measured curve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...words.errors import KandiError, Unsupported, did_you_mean, quote
from ...words.fields import names_of
from ...words.models import ModelSpec
from ...words.tables import Table
from ..plan.names import Plan
from ..speed.traced import compiler

CURVES = Path(__file__).parents[1] / "speed" / "curves"  # written by benchmarks/curve.py

SPEEDS = {
    "exact": "the pixels of plain diffusers in float32, within 1 of 255 (docs/exact.md)",
    "traced": "exact, its calls recorded at the first picture and repeated from then on",
    "compiled": "traced, after torch.compile has fused them: about a minute at first",
    "fast": "other pixels: fewer steps by a quicker scheduler, where the judge sees no loss",
}
RECORDED = ("traced", "compiled")


@dataclass(frozen=True)
class Fast:
    """Hold what "fast" sets of a model where nothing else is asked for."""

    scheduler: str
    settings: Mapping[str, int]  # of Params


def check_speed(speed: Any, chosen: ModelSpec, device: str, memory: Plan) -> str:
    """Return a speed that a model can have here; raise KandiError for others."""
    if not isinstance(speed, str) or speed not in SPEEDS:
        hint = did_you_mean(speed, SPEEDS) if isinstance(speed, str) else ""
        raise KandiError(f"unknown speed {quote(speed)}; {hint}known: {', '.join(SPEEDS)}")
    if speed == "fast":
        fast(chosen.key)
    if speed in RECORDED and device.startswith("mps"):
        raise KandiError(f'speed="{speed}" is for cpu and cuda; on mps take speed="exact"')
    if speed in RECORDED and memory.place != "resident":
        raise KandiError(
            f'speed="{speed}" needs weights that stay where they are, and {memory} moves them; '
            'take memory="resident" or speed="exact"'
        )
    if speed == "compiled" and compiler() is None:
        raise KandiError(
            'speed="compiled" needs a C compiler, such as gcc, and there is none here; take '
            'speed="traced"'
        )
    return speed


@cache
def fast(key: str) -> Fast:
    """Return what "fast" sets of a model; raise KandiError for one that has no curve."""
    chosen = _curve(key)["fast"]
    settings = {n: v for n, v in chosen.items() if n in names_of(kind="steps") and v}
    return Fast(chosen["scheduler"], settings)


def curve(model: Any) -> Table:
    """Return the measured curve of a model: what the judge reads against the time it takes.

    `model` is a key or a loaded model. A row a setting: scheduler, steps, prior_steps; `time`
    is a share of what plain diffusers take for 25 steps, on one thread of a CPU; object, colour
    and place are the shares of pictures, of `pictures`, that the judge reads as they were asked
    for; `all` that of pictures in which it finds all three. `choice` says which settings are
    those of plain diffusers, of `exact` and of `fast`. Raises KandiError for a model without
    one.
    """
    key = getattr(getattr(model, "spec", None), "key", model)
    measured = _curve(key)
    columns = (
        *("choice", "scheduler", "steps", "prior_steps", "time"),
        *("object", "colour", "place", "all", "pictures"),
    )
    rows = [
        {name: row.get(name) for name in columns if name != "choice"}
        | {"choice": _choice(row, measured)}
        for row in measured["rows"]
    ]
    return Table(rows, columns=columns, note=measured["note"])


def _choice(row: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """Return what takes the settings of a row, "" for none."""
    if row["plain"]:
        return "plain"
    exact = {name: measured["rows"][0][name] for name in measured["fast"]}
    for name, settings in (("fast", measured["fast"]), ("exact", exact)):
        if all(row[setting] == value for setting, value in settings.items()):
            return name
    return ""


def has_curve(key: Any) -> bool:
    """Tell whether a model's curve was measured."""
    return isinstance(key, str) and "/" not in key and (CURVES / f"{key}.json").exists()


@cache
def _curve(key: Any) -> dict[str, Any]:
    if not has_curve(key):
        able = ", ".join(path.stem for path in sorted(CURVES.glob("*.json")))
        raise Unsupported(
            f"{quote(key)} has no curve, so nobody knows what fewer steps cost it; fast works "
            f'with: {able}; for others take speed="exact" and set scheduler and steps'
        )
    return json.loads((CURVES / f"{key}.json").read_text("utf-8"))
