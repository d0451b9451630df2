"""Train several stages by one command: in turn, or side by side as far as they can be.

Each stage is a process of its own. What needs nothing that is still to be trained starts as
soon as there is room; a repeated command goes on where it stopped.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from .stages import STAGES

MOVQ = {"movq", "movq-decoder"}  # every decoder's folder holds it


def minutes_of(stages: Sequence[str], minutes: float) -> dict[str, float]:
    """Divide the minutes of a queue among its stages by their shares."""
    total = sum(STAGES[stage].share for stage in stages)
    return {stage: minutes * STAGES[stage].share / total for stage in stages}


def train_all(
    stages: Sequence[str],
    train: Callable[[str], bool],
    land: Callable[[str], None],
    lanes: int = 1,
) -> dict[str, bool]:
    """Train stages, at most ``lanes`` at once, and return stage → whether it was trained.

    ``train(stage)`` tells whether it went well; it is called in a thread, and never before the
    stages of the queue that this one needs. What needs a stage that failed is left out.
    ``land(stage)`` is called in the order of the table, and not before the MoVQ is trained,
    which lands with the decoders.
    """
    waiting = [stage for stage in STAGES if stage in stages]
    unlanded, done = list(waiting), dict[str, bool]()
    running: dict[Future[bool], str] = {}
    pool = ThreadPoolExecutor(lanes)
    try:
        while waiting or running:
            for stage in list(waiting):
                needed = [need for need in STAGES[stage].needs if need in stages]
                if not all(done.get(need, True) for need in needed):
                    waiting.remove(stage)
                    done[stage] = False
                elif len(running) < lanes and all(need in done for need in needed):
                    waiting.remove(stage)
                    running[pool.submit(train, stage)] = stage
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                done[running.pop(future)] = future.result()
            if MOVQ & set(stages) <= set(done):
                for stage in [each for each in unlanded if each in done]:
                    unlanded.remove(stage)
                    if done[stage]:
                        land(stage)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who was interrupted waits for nobody
    return done


class Processes:
    """The processes of the stages in training, which end when the queue does."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen] = []

    def train(self, stage: str, *words: str) -> bool:
        """Train one stage by its own command and tell whether it ended well."""
        command = [sys.executable, "-m", "kandi_nb.mini.train", stage, *words]
        process = subprocess.Popen(command)
        self.running.append(process)
        return process.wait() == 0

    @contextmanager
    def stopped_in_the_end(self) -> Iterator[None]:
        """Stop what still runs after the block, and when the system asks this process to end.

        Checkpoints stay.
        """
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
            for process in self.running:
                if process.poll() is None:
                    process.terminate()
