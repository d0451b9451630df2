"""Simulate a batch on a thousand GPUs: real bookkeeping, pretended drawing, a clock that jumps.

    python benchmarks/scale.py                        # 10⁶ runs, about two minutes
    python benchmarks/scale.py --runs 20000 --gpus 50

What hands out runs, books reports and deals with deaths is the package's own; only the engine
is pretended: each picture takes `--seconds`, workers die and runs fail at random.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kandi_nb.drivers.batches.engines import Done
from kandi_nb.drivers.batches.loop import Batch, draw_runs
from kandi_nb.drivers.batches.progress import counts
from kandi_nb.drivers.batches.queue import Queue
from kandi_nb.drivers.batches.rows.runs import Run
from kandi_nb.drivers.batches.worker import DRAWN, FAILED, Outcome, Report
from kandi_nb.words.params import Params


@dataclass
class Weather:
    """Say what goes wrong how often; seconds unless named otherwise."""

    picture: float = 2.0  # what one takes, give or take a tenth
    between_deaths: float = 5 * 3600.0  # of one worker, on average: machines lent by the hour
    restart: float = 300.0  # until another one has loaded the model
    bad: float = 1e-3  # the share of runs that fail however often they are tried


class Pretended:
    """An engine whose workers only wait, on a clock that jumps to the next event."""

    def __init__(self, gpus: int, weather: Weather, seed: int = 0) -> None:
        self.now, self.deaths, self.redone, self.drawn = 0.0, 0, 0, 0
        self._free, self._weather, self._random = gpus, weather, random.Random(seed)
        self._events: list[tuple[float, int, Done | None]] = []
        self._number = itertools.count()

    def idle(self) -> int:
        return self._free

    def submit(self, runs) -> None:
        self._free -= 1
        takes = sum(self._weather.picture * self._random.uniform(0.9, 1.1) for _ in runs)
        dies = self._random.expovariate(1 / self._weather.between_deaths)
        if dies < takes:
            self.deaths += 1
            self.redone += len(runs)
            self._later(dies, Done(runs, lost="its worker died"))
            self._later(dies + self._weather.restart, None)
            return
        outcomes = [self._outcome(run) for run in runs]
        self._later(takes, Done(runs, Report(outcomes, [], takes)))
        self._later(takes, None)

    def collect(self, seconds: float) -> list[Done]:
        self.now, _, done = heapq.heappop(self._events)
        self._free += done is None
        return [] if done is None else [done]

    def _outcome(self, run: Run) -> Outcome:
        if self._random.random() < self._weather.bad:
            return Outcome(run, FAILED, "a bad one")
        self.drawn += 1
        return Outcome(run, DRAWN)

    def _later(self, seconds: float, done: Done | None) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._number), done))


def asked_for(count: int) -> Iterator[Run]:
    params = Params("a red fox in a snowy forest", width=768, height=768)
    for row in range(count):
        yield Run(row, params.replace(seed=row))


def simulate(count: int, gpus: int, weather: Weather, seed: int = 0) -> dict[str, float]:
    """Run the bookkeeping of so many runs; return the figures of docs/scale.md."""
    engine, done = Pretended(gpus, weather, seed), Batch(Path("nowhere"), count)
    began = time.process_time()
    draw_runs(engine, Queue(asked_for(count)), done, counts(count, shown=False), gpus)
    taken = time.process_time() - began
    assert done.drawn == engine.drawn, "a picture was lost or drawn twice"
    assert done.drawn + done.failed == count, "a run was forgotten"
    return {
        "drawn": done.drawn,
        "failed": done.failed,
        "workers that died": engine.deaths,
        "pictures drawn again": engine.redone,
        "hours": engine.now / 3600,
        "hours if nothing went wrong": count * weather.picture / gpus / 3600,
        "microseconds of bookkeeping a run": 1e6 * taken / count,
        "peak megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--gpus", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0, help="a picture")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    weather = Weather(picture=options.seconds)
    for name, value in simulate(options.runs, options.gpus, weather, options.seed).items():
        print(f"{name}: {value:,.4g}" if isinstance(value, float) else f"{name}: {value:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
