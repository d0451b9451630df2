"""Measure what a batch costs beyond its task, and what a second process brings.

    python benchmarks/batches.py                 # the bundled model, some minutes
    python benchmarks/batches.py workers --runs 128

Run it on a machine that has nothing else to do: two processes need two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import kandi_nb as kn

OVERHEAD_GOAL = 0.03  # of the bare task's time
WORKERS_GOAL = 1.6  # times as quick with two processes on two cores
GOALS = ["overhead", "workers"]


def runs(count: int, steps: int) -> list[kn.Params]:
    params = kn.Params("a red fox in a snowy forest", steps=steps, prior_steps=steps)
    return kn.sweep(params, seed=range(count))


def overhead(model: str, asked: list[kn.Params], repeats: int) -> None:
    """One call of the task against a batch in this process, into a fresh folder each time."""
    k = kn.load(model, device="cpu")
    root = Path(tempfile.mkdtemp())

    def bare() -> None:
        k.forget()
        kn.generate(k, asked, progress=False)

    def batch() -> None:
        k.forget()
        kn.batch(kn.generate, k, asked, out=tempfile.mkdtemp(dir=root), progress=False)

    measured = kn.pair(batch, bare, repeats)
    shutil.rmtree(root)
    print(f"batch of {len(asked)} against one call of the task\n    {measured}")
    met = "met" if measured.ratio <= 1 + OVERHEAD_GOAL else "MISSED"
    print(f"    at most {OVERHEAD_GOAL:.0%} longer: {met} ({measured.ratio - 1:+.1%})")


def workers(model: str, asked: list[kn.Params], repeats: int) -> None:
    """One process against two, from the first picture to the last: models are loaded once."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    whole: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeats):
        for number in (1, 2):
            out = Path(tempfile.mkdtemp())
            began = time.time()
            kn.batch("generate", model, asked, out=out, workers=number, progress=False)
            whole[number].append(time.time() - began)
            times = sorted(path.stat().st_mtime for path in out.glob("*.png"))
            later = [t for t in times if t > times[0] + 1e-1]
            rates[number].append(len(later) / (times[-1] - times[0]))
            shutil.rmtree(out)
    best = {number: max(each) for number, each in rates.items()}
    ratio = best[2] / best[1]
    print(f"batch of {len(asked)}, one process against two")
    print(f"    pictures a second: {best[1]:.2f} against {best[2]:.2f}: {ratio:.2f} ×")
    print(f"    with loading: {min(whole[1]):.1f} s against {min(whole[2]):.1f} s")
    met = "met" if ratio >= WORKERS_GOAL else "MISSED"
    print(f"    at least {WORKERS_GOAL:g} × as quick: {met}")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"{', '.join(GOALS)} (or all)")
    parser.add_argument("--model", default="mini-2.2")
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(words)
    asked = runs(options.runs, options.steps)
    for name, measure in (("overhead", overhead), ("workers", workers)):
        if name in (options.goals or GOALS):
            measure(options.model, asked, options.repeats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
