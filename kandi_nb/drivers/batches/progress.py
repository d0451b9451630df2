"""How far a batch is: pictures a minute, time left, failures; on a page, a terminal, a log."""

from __future__ import annotations

import time
from typing import Any

from ...model.progress import LogLines, NotebookBar, Progress, TerminalBar, place
from .worker import BUSY, DRAWN, FAILED, THERE, Report


class Counts(Progress):
    """Count outcomes; its children show them."""

    def __init__(self, total: int, text: str, stop: Any = None) -> None:
        super().__init__(total, text, stop)
        self.number = dict.fromkeys((DRAWN, THERE, BUSY, FAILED), 0)
        self._first: tuple[float, int] | None = None

    def book(self, report: Report) -> None:
        """Count what became of some runs; busy ones come again, so they are not counted."""
        for outcome in report.outcomes:
            if outcome.status != BUSY:
                self.number[outcome.status] += 1
        self.done = sum(self.number.values())
        # The model has been loaded by now: from here on the clock says how quick it draws.
        if self._first is None and self.number[DRAWN]:
            self._first = time.monotonic() - report.seconds, 0
        self.show()

    @property
    def a_minute(self) -> float | None:
        """Return how many pictures are drawn a minute, None before the first."""
        if self._first is None:
            return None
        return 60 * self.number[DRAWN] / max(1e-3, time.monotonic() - self._first[0])

    def _words(self, seconds: float) -> str:
        parts = [f"{self.done}/{self.total} pictures"]
        if rate := self.a_minute:
            left = (self.total - self.done) / rate * 60
            parts += [f"{rate:.3g} a minute", f"{span(left)} left"]
        if self.number[THERE]:
            parts.append(f"{self.number[THERE]} were there")
        if self.number[FAILED]:
            parts.append(f"{self.number[FAILED]} failed")
        return ", ".join(parts)


class _OnPage(Counts, NotebookBar):
    pass


class _InLog(Counts, LogLines):
    pass


class _OnTerminal(Counts, TerminalBar):
    def __enter__(self) -> Progress:
        super().__enter__()
        self._bar.bar_format = "{percentage:3.0f}%|{bar}| {postfix}"
        return self

    def show(self) -> None:
        self.waiting = self._words(0)
        super().show()


def counts(total: int, *, shown: bool, stop: Any = None) -> Counts:
    """Return the counts of a batch, shown to whoever is watching."""
    kinds = {"notebook": _OnPage, "terminal": _OnTerminal, "log": _InLog}
    kind = kinds.get(place(), Counts) if shown else Counts
    return kind(total, "batch", stop)


def span(seconds: float) -> str:
    """Return a time as somebody says it.

    >>> span(40), span(600), span(9000)
    ('40 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
