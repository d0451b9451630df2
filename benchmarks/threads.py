"""Measure `kandi-nb draw` alone, beside a busy process and four at once.

    python benchmarks/threads.py             # three rounds of each, minutes

Two sides take turns: the number of threads that kandi_nb chooses, and PyTorch's own number with
threads that spin while they wait, as it is without the choice. CPU seconds tell the cost also
where other work keeps the machine busy; wall seconds tell what a person waits.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

DRAW = [sys.executable, "-m", "kandi_nb.cli", "draw", "a red fox in a snowy forest"]
BUSY = [sys.executable, "-c", "while True: pass"]
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
}
SIDES = {
    "chosen": {},
    # 300,000 rounds are what GNU's OpenMP spins when nobody says anything.
    "pytorch": {"OMP_NUM_THREADS": str(os.cpu_count()), "GOMP_SPINCOUNT": "300000"},
}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` cores at work while the block runs."""
    others = [subprocess.Popen(BUSY) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def draw(at_once: int, side: str) -> tuple[float, float]:
    """Return (wall seconds, CPU seconds of each) of commands that run at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        before, start = os.times(), time.perf_counter()
        commands = [
            subprocess.Popen(
                [*DRAW, "-o", os.path.join(folder, f"{number}.png")],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=PLAIN | SIDES[side],
            )
            for number in range(at_once)
        ]
        codes = [command.wait() for command in commands]
        wall, after = time.perf_counter() - start, os.times()
    if any(codes):
        sys.exit("a command failed; try `kandi-nb check`")
    spent = after.children_user + after.children_system
    return wall, (spent - before.children_user - before.children_system) / at_once


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(words).rounds
    print(f"{os.cpu_count()} cores, median of {rounds} rounds, imports included")
    for name, at_once, others in (("alone", 1, 0), ("beside", 1, 1), ("four at once", 4, 0)):
        measured: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                with busy(others):
                    measured[side].append(draw(at_once, side))
        for side, pairs in measured.items():
            wall, spent = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{name:<13} {side:<8} {wall:6.2f} s, {spent:6.2f} CPU seconds", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
