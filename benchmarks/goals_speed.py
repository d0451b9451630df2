"""Measure what `speed=` promises against plain diffusers, side by side in one run.

    python benchmarks/goals_speed.py                     # all goals, bundled models; minutes
    python benchmarks/goals_speed.py exact fast          # some of them
    python benchmarks/goals_speed.py exact --models mini-3 --rounds 15

Both sides take turns and are timed by the processor's own clock, so other work on the machine
meets both and is not counted. The exit code is 0 whether goals are met or not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from curve import LOSS, asked, read
from goals import PROMPTS

import kandi_nb as kn
from kandi_nb.drivers.verify.plain import Plain

MODELS = ["mini-2.2", "mini-2.1", "mini-3"]
STEPS = 25
PARAMS = kn.Params("a red fox in a snowy forest", steps=STEPS, prior_steps=STEPS)
EXACT, TRACED, FAST, GRID = 0.70, 0.60, 0.30, 6.0
FIRST, LOADING = 1.5, 0.5
PIXELS = 1  # of 255
PICTURES = 400  # that the judge reads


def share(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> float:
    """Return the median of ours : theirs, in turns, after one of each."""
    ours(), theirs()
    ratios = []
    for _ in range(rounds):
        began = time.process_time()
        ours()
        middle = time.process_time()
        theirs()
        ratios.append((middle - began) / (time.process_time() - middle))
    return statistics.median(ratios)


def say(what: str, value: str, met: bool) -> None:
    print(f"{what}: {value}: {'goal met' if met else 'GOAL MISSED'}", flush=True)


def drawing(k: kn.Kandinsky, params: kn.Params) -> Callable[[], Any]:
    def draw() -> Any:
        k.forget()
        return kn.generate(k, params, progress=False)

    return draw


def exact(models: list[str], rounds: int, speed: str = "exact", goal: float = EXACT) -> None:
    """One picture of 25 steps."""
    for model in models:
        k, plain = kn.load(model, device="cpu", dtype="float32", speed=speed), Plain(model)
        theirs = plain.draw(PARAMS.prompt)
        apart = np.abs(np.asarray(drawing(k, PARAMS)()[0], int) - np.asarray(theirs, int)).max()
        ratio = share(drawing(k, PARAMS), lambda p=plain: p.draw(PARAMS.prompt), rounds)
        met = ratio <= goal and apart <= PIXELS
        say(f"{speed}, {model}", f"{ratio:.2f} of plain, at most {goal}; {apart}/255", met)


def traced(models: list[str], rounds: int) -> None:
    """The same with its calls recorded."""
    exact(models, rounds, "traced", TRACED)


def fast(models: list[str], rounds: int) -> None:
    """One picture as fast draws it, and what the judge reads of 400, beside plain settings."""
    for model in models:
        quick, plain = kn.load(model, device="cpu", speed="fast"), Plain(model)
        params = kn.Params(PARAMS.prompt)
        ratio = share(drawing(quick, params), lambda p=plain: p.draw(PARAMS.prompt), rounds)
        say(f"fast, {model}", f"{ratio:.2f} of plain, at most {FAST}", ratio <= FAST)
        scenes = asked(PICTURES)
        own = kn.load(model, device="cpu")
        settings = quick.unless_asked
        few = quick.options["scheduler"], settings["steps"], settings.get("prior_steps")
        many = own.options["scheduler"], STEPS, STEPS if own.prior is not None else None
        ours, theirs = read(own, few, scenes), read(own, many, scenes)
        met = all(ours[what] >= theirs[what] - LOSS for what in theirs)
        say(f"fast, {model}", f"the judge reads {ours}, of plain settings {theirs}", met)


def grid(models: list[str], rounds: int) -> None:
    """Five languages × three seeds in one call against a loop over pictures."""
    for model in models[:1]:
        k, plain = kn.load(model, device="cpu", dtype="float32"), Plain(model)
        runs = kn.sweep(PARAMS, prompt=PROMPTS, seed=[0, 1, 2])

        def ours(k: kn.Kandinsky = k, runs: list = runs) -> None:
            k.forget()
            kn.generate(k, runs, progress=False)

        def theirs(plain: Plain = plain, runs: list = runs) -> None:
            for run in runs:
                plain.draw(run.prompt, run.seed)

        times = 1 / share(ours, theirs, max(1, rounds // 3))
        say(f"grid of 15, {model}", f"{times:.1f} × faster, at least {GRID:g}", times >= GRID)


_FRESH = """
import json, sys, time
clock = time.process_time
began = clock()
import torch, diffusers, transformers
for name in json.loads(sys.argv[2]):
    getattr(diffusers, name)
imported = clock() - began
import kandi_nb as kn
began = clock()
k = kn.load(sys.argv[1], device="cpu")
loaded = clock() - began
taken = []
for _ in range(4):
    k.forget()
    began = clock()
    kn.generate(k, kn.Params("a red fox in a snowy forest"), progress=False)
    taken.append(clock() - began)
print(json.dumps([imported, loaded, taken]))
"""


def first(models: list[str], rounds: int) -> None:
    """In fresh processes: loading beside the imports, the first picture beside later ones."""
    from kandi_nb.words.models import SPECS

    for model in models:
        names = [SPECS[model].roles[role].pipeline for role in SPECS[model].ids]
        command = [sys.executable, "-c", _FRESH, model, json.dumps(names)]
        loads, firsts = [], []
        for _ in range(max(1, rounds // 3)):
            done = subprocess.check_output(command, text=True, env={**os.environ})
            imported, loaded, taken = json.loads(done.splitlines()[-1])
            loads.append(loaded / imported)
            firsts.append(taken[0] / statistics.median(taken[1:]))
        load, one = statistics.median(loads), statistics.median(firsts)
        say(
            f"loading, {model}",
            f"{load:.2f} of the imports, at most {LOADING}",
            load <= LOADING,
        )
        say(
            f"first picture, {model}",
            f"{one:.2f} of a later one, at most {FIRST}",
            one <= FIRST,
        )


GOALS = {"exact": exact, "traced": traced, "fast": fast, "grid": grid, "first": first}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"{', '.join(GOALS)} (or all)")
    parser.add_argument("--models", default=",".join(MODELS), help="keys, with commas")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(words)
    wanted = options.goals or list(GOALS)
    if unknown := set(wanted) - set(GOALS):
        parser.error(f"unknown goal {', '.join(unknown)}; known: {', '.join(GOALS)}")
    import torch

    print(
        f"{torch.get_num_threads()} thread(s) of PyTorch's own choice, {os.cpu_count()} cores"
    )
    for name in wanted:
        GOALS[name](options.models.split(","), options.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
