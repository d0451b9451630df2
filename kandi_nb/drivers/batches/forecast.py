"""What a batch would draw, and how long that takes: nothing is written."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ...model.progress import progress_bar
from ...words.errors import KandiError
from .folder.hashes import run_hash
from .folder.index import is_whole, latest
from .progress import span
from .queue import MOST, QUICK, Queue
from .rows.runs import Run, Runs
from .worker import Order, Worker

_TIMED = 4  # runs that are drawn, and thrown away, to learn how quick this machine is
_KNOWN = 100  # pictures in the folder that say the same without drawing
_LISTED = 1000  # failures that are kept


@dataclass(frozen=True)
class Forecast:
    """Say what a batch would do: how many pictures it draws, how many are there, the seconds.

    `failures` are (row, why) of those that cannot be drawn. Of equal runs each is counted.
    """

    total: int
    there: int
    failed: int
    failures: tuple[tuple[int, str], ...]
    seconds: float
    workers: int = 1

    @property
    def drawn(self) -> int:
        return self.total - self.there - self.failed

    def __repr__(self) -> str:
        words = [f"{self.drawn} of {self.total} pictures would be drawn"]
        words += [f"{self.there} are there"] if self.there else []
        words += [f"{self.failed} would fail"] if self.failed else []
        if self.drawn:
            share = f" by {self.workers} workers" if self.workers > 1 else ""
            words.append(f"about {span(self.seconds)}{share}")
        failures = [f"\nrow {row}: {why}" for row, why in self.failures]
        return f"Forecast({', '.join(words)}){''.join(failures)}"


def forecast(
    order: Order,
    k: Any,
    runs: Runs,
    total: int,
    workers: int,
    *,
    gone: Container[str] = (),
    progress: bool,
    stop: Any,
) -> Forecast:
    """Ask the task about every run, and time a few; steps and sizes say the rest.

    `gone` names pictures that are there and do not count.
    """
    worker = Worker(order, k, draws=False)
    queue = Queue(runs, order.task.options, MOST)
    there = failed = 0
    work = 0.0
    failures: list[tuple[int, str]] = []
    sample: list[tuple[Run, float]] = []
    with progress_bar(total, "dry run", shown=progress, stop=stop) as bar:
        while group := queue.next(2 * MOST):
            for run, recipe, steps, error in _recipes_of(worker, group):
                bar.step()
                if recipe is None:
                    failed += 1
                    failures += [(run.row, error)] if len(failures) < _LISTED else []
                elif (name := f"{run_hash(recipe)}.png") not in gone and is_whole(
                    order.folder / name
                ):
                    there += 1
                else:
                    one = _work(recipe["params"], steps)
                    work += one
                    if len(sample) < _TIMED:
                        sample.append((run, one))
        pace = (_known_pace(order) or _measure_pace(worker, sample, bar)) if sample else 0.0
    return Forecast(total, there, failed, tuple(failures), pace * work / workers, workers)


def _recipes_of(worker: Worker, group: Sequence[Run]) -> list[tuple[Run, Any, int, str]]:
    """Return run, recipe and steps of each, or None and why it would fail."""
    try:
        recipes, steps = worker.recipes(group)
        return list(zip(group, recipes, steps, [""] * len(group), strict=True))
    except (KandiError, OSError) as error:
        if len(group) == 1:
            return [(group[0], None, 0, str(error))]
        return [each for run in group for each in _recipes_of(worker, [run])]


def _work(params: Mapping[str, Any], steps: int) -> float:
    """Return what a picture costs in steps times megapixels; the first stage is small."""
    return steps * (params["width"] or 512) * (params["height"] or 512) / 2**20


def _known_pace(order: Order) -> float | None:
    """Return the seconds for one unit of work that the folder's own pictures tell."""
    paces = [
        entry["seconds"] / _work(entry, entry["steps"] * (entry["strength"] or 1))
        for entry in latest(order.folder, _KNOWN)
        if entry["task"] == order.task.name and entry["seconds"]
    ]
    return median(paces) if len(paces) >= _TIMED else None


def _measure_pace(worker: Worker, sample: list[tuple[Run, float]], stop: Any) -> float:
    """Draw one run and, where that is quick, all of the sample; return seconds for the work."""
    taken, done = 0.0, sample[:1]
    for done in (sample[:1], sample):
        queue = Queue([run for run, _ in done], worker.task.options, MOST)
        began = time.monotonic()
        while group := queue.next(2 * MOST):
            worker.call(group, stop)
        taken = time.monotonic() - began
        if taken > QUICK:
            break
    return taken / sum(one for _, one in done)
