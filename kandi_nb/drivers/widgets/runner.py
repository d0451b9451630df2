"""One run at a time in a thread of its own, which says how far it is and can be stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ...model.progress import Progress, shown_by
from ...words.errors import heard_by

_REDRAW = 0.1  # seconds between two messages to the browser


class Runner:
    """Run one function after another, each in a thread; a second one meanwhile is refused.

    `show(done, total, words)` is told how far it is, `ended(value, error, notes)` what came of
    it: the value or the exception, and the warnings; `settled()` is called when the next run
    may begin. All are called in the thread of the run.
    """

    def __init__(
        self,
        show: Callable[[int, int, str], None],
        ended: Callable[[Any, BaseException | None, list[str]], None],
        settled: Callable[[], None],
    ) -> None:
        self._show, self._ended, self._settled = show, ended, settled
        self._turn = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self.stop_event = threading.Event()

    @property
    def running(self) -> bool:
        """Tell whether a run has begun and not ended."""
        return not self._idle.is_set()

    def take_turn(self) -> bool:
        """Begin a run, unless there is one; `give_turn` ends it."""
        with self._turn:
            if self.running:
                return False
            self.stop_event.clear()
            self._idle.clear()
            return True

    def give_turn(self) -> None:
        """End the run that `take_turn` began."""
        self._idle.set()

    def start(self, function: Callable[[], Any]) -> bool:
        """Run the function in the background; return False, and do nothing, during a run."""
        if not self.take_turn():
            return False
        thread = threading.Thread(target=self._run, args=[function], daemon=True)
        thread.start()
        return True

    def stop(self) -> None:
        """Ask the run to end at its next step; one that waits for its model ends at once."""
        self.stop_event.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing runs; return whether that is so."""
        return self._idle.wait(seconds)

    def _run(self, function: Callable[[], Any]) -> None:
        value, error, notes = None, None, []
        try:
            # Nothing may be printed or displayed from here: it would land below some cell.
            with shown_by(self._bar), heard_by(notes.append):
                value = function()
        except BaseException as raised:  # a thread has nobody else who could hear of it
            error = raised
        try:
            self._ended(value, error, notes)
        finally:
            self.give_turn()
            self._settled()

    def _bar(self, total: int, text: str, stop: Any = None) -> Bar:
        return Bar(total, text, stop, self._show)


class Bar(Progress):
    """Tell a function how far the run is, at most ten times a second."""

    def __init__(
        self, total: int, text: str, stop: Any, show: Callable[[int, int, str], None]
    ) -> None:
        super().__init__(total, text, stop)
        self._tell = show
        self._began = time.monotonic()
        self._told = 0.0

    def __enter__(self) -> Bar:
        self._tell(0, self.total, self._words(0))
        return self

    def show(self) -> None:
        """Tell the steps done and the time left."""
        now = time.monotonic()
        if now - self._told >= _REDRAW or self.done == self.total:
            self._told = now
            self._tell(self.done, self.total, self._words(now - self._began))
