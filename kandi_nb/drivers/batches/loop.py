"""Hand out runs to whoever draws, and book what becomes of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...words.errors import warn
from ...words.tables import Table
from .engines import Done, Engine
from .progress import Counts, span
from .queue import Queue
from .worker import BUSY, DRAWN, FAILED, THERE, Outcome, Report

_DEATHS = 3  # workers that one run may take along
_LISTED = 1000  # failures that are kept; the others are counted
_LOOK = 0.25  # seconds between two looks at what other processes draw


@dataclass(repr=False)
class Batch:
    """Say what a batch did: how many pictures it drew, found there, and could not draw.

    `failures` is a table of row, prompt and error, of the first thousand; `page` the gallery.
    `kn.read_batch(batch.folder)` gives the pictures as a table.
    """

    folder: Path
    total: int
    drawn: int = 0
    there: int = 0
    failed: int = 0
    seconds: float = 0.0
    failures: Table = field(default_factory=lambda: Table([], ("row", "prompt", "error")))
    page: Path | None = None

    def __repr__(self) -> str:
        parts = [f"{self.drawn} drawn", f"{self.there} were there"]
        parts += [f"{self.failed} failed"] if self.failed else []
        rows = f"\n{self.failures}" if self.failures else ""
        return (
            f"Batch({', '.join(parts)}, of {self.total} pictures in {self.folder}, "
            f"{span(self.seconds)}){rows}"
        )


def draw_runs(drawing: Engine, queue: Queue, done: Batch, bar: Counts, workers: int) -> None:
    """Hand out runs and book what becomes of them, until none is left."""
    at_work, deaths = 0, {}
    said: set[str] = set()
    while True:
        bar.check()
        while drawing.idle():
            left = bar.total - bar.done - at_work
            runs = queue.next(left, workers) or ([] if at_work else queue.busy())
            if not runs:
                break
            at_work += len(runs)
            drawing.submit(runs)
        if not at_work and drawing.idle():
            return
        for each in drawing.collect(_LOOK):
            at_work -= len(each.runs)
            report = each.report or _after_death(each, queue, deaths)
            queue.took(report.seconds, each.runs)
            _book(report, queue, done, bar)
            _say(report.warnings, said)
            if report.outcomes and all(o.status == BUSY for o in report.outcomes):
                time.sleep(_LOOK)


def _say(warnings: Sequence[str], said: set[str]) -> None:
    """Pass each warning on once."""
    for text in warnings:
        if len(said) < _LISTED and text not in said:
            said.add(text)
            warn(text)


def _book(report: Report, queue: Queue, done: Batch, bar: Counts) -> None:
    for outcome in report.outcomes:
        if outcome.status == BUSY:
            queue.later(outcome.run)
        elif outcome.status == FAILED:
            _list_failure(outcome, done)
    bar.book(report)
    done.drawn, done.there, done.failed = (bar.number[s] for s in (DRAWN, THERE, FAILED))


def _list_failure(outcome: Outcome, done: Batch) -> None:
    if len(done.failures) < _LISTED:
        row = {"row": outcome.run.row, "prompt": outcome.run.params.prompt}
        done.failures.rows.append(row | {"error": outcome.error})


def _after_death(each: Done, queue: Queue, deaths: dict[tuple, int]) -> Report:
    """Hand out again what a dead worker had, but for a run that took several along."""
    outcomes = []
    for run in each.runs:
        key = run.row, run.params
        deaths[key] = deaths.get(key, 0) + 1
        if deaths[key] < _DEATHS:
            queue.again([run])
        else:
            outcomes.append(Outcome(run, FAILED, each.lost))
    return Report(outcomes, [])
