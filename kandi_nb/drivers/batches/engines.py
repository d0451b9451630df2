"""Where the drawing is done: here, in spawned processes, or on a cluster (module `cluster`).

An engine takes some runs at a time and says later what became of them. A process that dies
takes nothing along but the pictures it was at.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ...model.machine.threads import wait_passively
from ...words.errors import Cancelled, KandiError
from .rows.runs import Run
from .worker import Order, Report, Unsaved, Worker

_LAST_WORDS = 10.0  # seconds that all processes have to end by themselves
_AFTER_PARENT = 0.5  # seconds that a worker goes on without its batch
# Processes that may die one after another while they start: few before any has drawn, for then
# something is wrong with all of them; more once it is known that they can.
STARTS, RESTARTS = 3, 30


@dataclass
class Done:
    """Say what became of some runs: a report, or why the process that had them is gone."""

    runs: Sequence[Run]
    report: Report | None = None
    lost: str = ""


class Engine(Protocol):
    """Draw runs somewhere."""

    def idle(self) -> int:
        """Return how many more `submit` would be taken at once."""

    def submit(self, runs: Sequence[Run]) -> None:
        """Begin to draw some runs."""

    def collect(self, seconds: float) -> list[Done]:
        """Wait at most so long and return what is done; raise what stops the batch."""

    def close(self) -> None:
        """Stop at the next step of whatever is being drawn, and end."""


class Here:
    """Draw in this process."""

    def __init__(self, order: Order, k: Any, stop: Any) -> None:
        self._worker, self._stop = Worker(order, k), stop
        self._done: list[Done] = []

    def idle(self) -> int:
        return 0 if self._done else 1

    def submit(self, runs: Sequence[Run]) -> None:
        self._done.append(Done(runs, self._worker.do(runs, self._stop)))

    def collect(self, seconds: float) -> list[Done]:
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        self._worker.close()


@dataclass
class _Hand:
    """Hold a process that draws, our end of the pipe to it, and what it is at."""

    number: int
    process: Any
    pipe: Connection
    ready: bool = False
    runs: Sequence[Run] = field(default_factory=list)


class Processes:
    """Draw in processes of their own, each with its own model; one that dies is replaced."""

    def __init__(self, order: Order, workers: int) -> None:
        self._order, self._workers = order, workers
        self._context = multiprocessing.get_context("spawn")
        self._failed_starts, self._most = 0, STARTS
        self._hands: list[_Hand] = []
        for number in range(workers):
            self._hands.append(self._start(number))

    @property
    def ids(self) -> list[int]:
        """Return the numbers that the system knows the processes by."""
        return [hand.process.pid for hand in self._hands]

    def idle(self) -> int:
        return sum(hand.ready and not hand.runs for hand in self._hands)

    def submit(self, runs: Sequence[Run]) -> None:
        hand = next(hand for hand in self._hands if hand.ready and not hand.runs)
        hand.runs = runs
        with contextlib.suppress(OSError):  # it just died: `collect` finds out
            hand.pipe.send(runs)

    def collect(self, seconds: float) -> list[Done]:
        ends = {hand.pipe: hand for hand in self._hands}
        found = [self._hear(ends[pipe]) for pipe in wait(list(ends), seconds)]
        return [done for done in found if done is not None]

    def close(self) -> None:
        for hand in self._hands:
            with contextlib.suppress(OSError):
                hand.pipe.send(None)
        until = time.monotonic() + _LAST_WORDS
        for hand in self._hands:
            hand.process.join(max(0.0, until - time.monotonic()))
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            hand.pipe.close()

    def _start(self, number: int) -> _Hand:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work,
            args=(theirs, number, self._workers),
            name=f"batch-{number}",
            daemon=True,
        )
        process.start()
        theirs.close()  # else its death would never be the end of the pipe
        with contextlib.suppress(OSError):
            ours.send(self._order)
        return _Hand(number, process, ours)

    def _hear(self, hand: _Hand) -> Done | None:
        try:
            kind, content = hand.pipe.recv()
        except (EOFError, OSError):
            return self._replace(hand)
        if kind == "ready":
            hand.ready, self._failed_starts, self._most = True, 0, RESTARTS
        elif kind == "refused":
            raise KandiError(content)
        elif kind == "unsaved":
            raise Unsaved(content)
        elif kind == "done":
            runs, hand.runs = hand.runs, []
            return Done(runs, content)
        return None

    def _replace(self, hand: _Hand) -> Done | None:
        """Start another process in the place of a dead one; return the runs that it had."""
        hand.process.join()
        hand.pipe.close()
        code = hand.process.exitcode
        why = f"signal {-code}" if code and code < 0 else f"exit code {code}"
        if not hand.ready:
            self._failed_starts += 1
        if self._failed_starts >= self._most:
            raise KandiError(
                f"the workers end before they can draw ({why}): in a script, call kn.batch "
                'below the line if __name__ == "__main__": (each worker reads the script), and '
                "see that memory suffices for as many models; or take workers=1"
            )
        self._hands[self._hands.index(hand)] = self._start(hand.number)
        return Done(hand.runs, lost=f"its worker died ({why})") if hand.runs else None


class _Told:
    """Ask the pipe whether to stop: the batch says so, or is gone itself."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def is_set(self) -> bool:
        return self._pipe.poll()


def _end_with_parent() -> None:
    """End this process soon after its parent, even in the middle of a step."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])  # the end of a pipe, which the system closes
        time.sleep(_AFTER_PARENT)  # who hears the stop ends by itself
        os._exit(1)

    threading.Thread(target=watch, name="watch over the parent", daemon=True).start()


def _work(pipe: Connection, number: int, workers: int) -> None:
    """Draw what comes through the pipe, until it says None or is closed."""
    # Ctrl-C reaches all processes of a terminal: the batch decides, and tells.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wait_passively(os.environ)
    _end_with_parent()
    with contextlib.suppress(EOFError, OSError):  # nobody is there to be told anything
        try:
            order = pipe.recv()
            worker = Worker(order, order.source.open(number, workers))
        except KandiError as error:
            pipe.send(("refused", str(error)))
            return
        pipe.send(("ready", None))
        try:
            while (runs := pipe.recv()) is not None:
                pipe.send(_answer(worker, runs, _Told(pipe)))
        finally:
            worker.close()


def _answer(worker: Worker, runs: Sequence[Run], stop: Any) -> tuple[str, Any]:
    try:
        return "done", worker.do(runs, stop)
    except Unsaved as error:
        return "unsaved", str(error)
    except Cancelled:
        return "stopped", None
