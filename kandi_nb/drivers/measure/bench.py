"""Measure tasks: one row a run, or two ways of doing the same thing side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.loading.load import load
from ...model.machine.device import free
from ...words.bounds import whole
from ...words.errors import KandiError, quote
from ...words.params import Params

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ...pictures.result import Result
    from ...words.tables import Table


def bench(
    task: Callable[..., Result],
    k: Kandinsky | str | Path,
    runs: Params | Sequence[Params],
    *,
    repeats: int = 3,
    memory: Sequence[str] | None = None,
    dtype: Sequence[str] | None = None,
    threads: Sequence[int] | None = None,
    speed: Sequence[str] | None = None,
    **inputs: Any,
) -> list[dict[str, Any]] | Table:
    """Time a task over runs and return one row for each, ready for `kn.plot`.

    A row holds the model, all params, and measured: `seconds` (median of the repeats; all
    stages, nothing remembered from earlier runs), `fastest` (seconds), `per_picture` (seconds)
    and `peak_mb` (beyond the model itself; on a CPU it is exact on Linux only). The first run
    is done once more beforehand, to warm up. `inputs` go to the task. Raises KandiError.

    With `memory` (plans), `dtype`, `threads` or `speed` each combination is measured in a fresh
    process, and a Table comes back. Its `peak_mb` holds the model, too (on cuda what is
    allocated, with `reserved_mb`; else resident memory). `drift` and `drift_most` say how far
    pixels are from the first combination's, of 255, and `effect` what it did: "does nothing"
    where nothing differs beyond noise, "not run here" for what this machine lacks. `k` may be a
    model's name.
    """
    if not callable(task):
        raise KandiError(f"bench takes a task itself, such as kn.generate, not {quote(task)}")
    loaded = all(hasattr(k, name) for name in ("spec", "forget"))
    if not loaded and not isinstance(k, (str, Path)):
        raise KandiError(
            'bench takes a loaded model behind the task, k = kn.load("mini-2.2"), or its name, '
            f"not {quote(k)}"
        )
    listed = [runs] if isinstance(runs, Params) else runs
    if not isinstance(listed, (list, tuple)) or not listed:
        raise KandiError(f"bench takes Params or a list of Params, not {quote(runs)}")
    if not all(isinstance(params, Params) for params in listed):
        raise KandiError("bench takes a list of Params; make one with kn.sweep")
    check_repeats(repeats)
    options = {"memory": memory, "dtype": dtype, "threads": threads, "speed": speed}
    if any(values is not None for values in options.values()):
        from .trials import trials

        return trials(task, k, listed, options=options, repeats=repeats, inputs=inputs)
    k = k if loaded else load(k)

    def once(params: Params) -> tuple[float, Result]:
        # Remembered embeddings would make every repeat but the first look quick, and memory
        # left over from the run before would hide what this one needs.
        k.forget()
        free()
        start = time.perf_counter()
        result = task(k, params, **inputs)
        return time.perf_counter() - start, result

    once(listed[0])
    rows = []
    for params in listed:
        seconds, results = zip(*(once(params) for _ in range(repeats)), strict=True)
        peaks = [r.peak_mb for r in results if r.peak_mb is not None]
        middle = statistics.median(seconds)
        rows.append(
            {
                "model": k.spec.key,
                **params.to_dict(),
                "seconds": middle,
                "fastest": min(seconds),
                "per_picture": middle / len(results[0]),
                "peak_mb": max(peaks, default=None),
            }
        )
    return rows


@dataclass(frozen=True)
class Pair:
    """Hold the seconds of two ways of doing the same, measured in turns; same length."""

    a: tuple[float, ...]
    b: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Return how many times as long a takes as b: the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.a, self.b, strict=True))

    @property
    def best(self) -> float:
        """Return the same of each side's fastest round: what is left without disturbance."""
        return min(self.a) / min(self.b)

    def __str__(self) -> str:
        sides = (
            f"{statistics.median(s):.3f} s (fastest {min(s):.3f})" for s in (self.a, self.b)
        )
        return f"{' against '.join(sides)}: {self.ratio:.2f} × (fastest {self.best:.2f} ×)"


def pair(
    a: Callable[[], Any], b: Callable[[], Any], repeats: int = 5, *, warm_up: bool = True
) -> Pair:
    """Time two callables in turns, so that what else the machine does meets both alike.

    The order changes from round to round (ab, ba, ab…). With `warm_up` each runs once before.
    """
    check_repeats(repeats)
    for side in (a, b):
        if not callable(side):
            raise KandiError(
                "pair times two functions without arguments, such as lambda: "
                f"kn.generate(k, params), not {quote(side)}"
            )
    if warm_up:
        a(), b()
    taken: dict[int, list[float]] = {0: [], 1: []}
    for number in range(repeats):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            start = time.perf_counter()
            (a, b)[side]()
            taken[side].append(time.perf_counter() - start)
    return Pair(tuple(taken[0]), tuple(taken[1]))


def check_repeats(repeats: Any) -> None:
    """Raise KandiError unless repeats is a whole number from 1."""
    whole("repeats", repeats, 1, says="repeats must be a whole number from 1")
