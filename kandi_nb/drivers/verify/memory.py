"""Checks of memory and time: as predicted, and at the size that guides speak of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ...model.plan.fit import plan
from ...tasks.generate import generate
from .rows import Row, Trial
from .scenes import QUIET, first, settings

GUIDES_SIDE = {"2.2": 768, "3": 1024}  # pixels: family → what their figures speak of
PEAK = 1.25  # times the predicted memory, and what a process has besides
BESIDES_GB = 0.5


def memory(trial: Trial) -> Iterator[Row]:
    """Compare the memory that was predicted of a picture with what it took."""
    yield from _at_guides_size(trial)
    name = str(trial.k.memory)
    rows = [row for row in plan(trial.k).rows if str(row["plan"]) == name]
    took = first(trial).peak_mb
    if not rows or took is None:
        yield trial.row("peak of a picture", f"as predicted for {name}", "not measured", None)
        return
    predicted = rows[0]["peak_gb"]
    seen = f"{took / 1000:.2f} GB : {predicted:.2f} GB predicted"
    if not trial.k.device.startswith("cuda"):
        seen += f"; on {trial.k.device} the predicted is a card's"
        yield trial.row("peak of a picture", "at most the predicted", seen, None)
        return
    fits = took / 1000 <= PEAK * predicted + BESIDES_GB
    yield trial.row("peak of a picture", f"at most {PEAK:g} × the predicted", seen, fits)


def _at_guides_size(trial: Trial) -> Iterator[Row]:
    """Draw on a card as large as the guides do: `kn.ledger` reads the figures."""
    k = trial.k
    side = GUIDES_SIDE.get(k.spec.family)
    if side is None or k.spec.bundled or not k.device.startswith("cuda"):
        return
    params = settings(trial, seed=7, width=side, height=side)
    generate(k, params.replace(steps=2), **QUIET)  # a card's first picture takes longer
    k.forget()
    drawn = generate(k, params, **QUIET)
    figures = {"side": side, "steps": params.steps, "seconds": round(drawn.seconds, 2)}
    if drawn.peak_mb is not None:
        figures["peak_gb"] = round(drawn.peak_mb / 1000, 2)
    seen = ", ".join(f"{name} {value}" for name, value in figures.items())
    found = trial.row("a picture of the guides' size", "is drawn", seen, True)
    yield dataclasses.replace(found, figures=figures)
