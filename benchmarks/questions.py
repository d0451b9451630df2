"""What users ask: how long a picture, a batch and a grid take, beside plain diffusers.

Each question has sides that take turns, and their order goes round, so that what else the
machine does meets all alike. Times are of this process (all its threads), not of the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import goals

import kandi_nb as kn

ROUNDS = 5  # the fewest that a median and a spread are taken of
BATCH = 8  # pictures
PLAIN, LOOP = "plain diffusers", "the guides' loop"
OWN_BATCH = "plain diffusers, num_images_per_prompt"
EXACT, ONE_CALL, FAST, TRACED = "kn.generate", "one call", 'speed="fast"', 'speed="traced"'

Sides = Mapping[str, Callable[[], Any]]


def take_turns(
    sides: Sides, rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return the seconds of each side in each round; each runs once before, to warm up."""
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(rounds):
        for name in order:
            start = clock()
            sides[name]()
            seconds[name].append(clock() - start)
        order = [*order[1:], order[0]]
    return seconds


def compared(
    what: str, seconds: Mapping[str, list[float]], theirs: str, ours: str
) -> dict[str, Any]:
    """Return a row: both medians, how many times as long theirs takes, and how that varied."""
    ratios = [a / b for a, b in zip(seconds[theirs], seconds[ours], strict=True)]
    return {
        "what": what,
        "sides": f"{theirs} : {ours}",
        "seconds": [statistics.median(seconds[name]) for name in (theirs, ours)],
        "ratio": statistics.median(ratios),
        "from_to": [min(ratios), max(ratios)],
    }


def measure(
    rounds: int = ROUNDS, model: str = "mini-2.2", steps: int = 25
) -> list[dict[str, Any]]:
    """Return a row for each question."""
    params = kn.Params(goals.PROMPTS[0], steps=steps, prior_steps=steps)
    k = kn.load(model, device="cpu", dtype="float32")
    guide = goals.Guide(model, params, k.spec.native_size)
    kinds = {EXACT: k, TRACED: k.with_speed("traced")}
    if k.spec.bundled:  # of others nobody has measured what fewer steps cost
        kinds[FAST] = k.with_speed("fast")
    usual = kn.Params(goals.PROMPTS[0])  # fast mode lowers the steps that nobody gave

    def ours(k: kn.Kandinsky, runs: Any) -> Callable[[], Any]:
        def draw() -> None:
            k.forget()  # every stage anew, as in the guides
            kn.generate(k, runs, progress=False)

        return draw

    def loop(runs: list[kn.Params]) -> Callable[[], Any]:
        return lambda: [guide.draw(run.prompt, run.seed) for run in runs]

    single = {PLAIN: loop([params])} | {
        name: ours(kind, usual if name == FAST else params) for name, kind in kinds.items()
    }
    one = take_turns(single, rounds)
    many = kn.sweep(params, seed=range(BATCH))
    batch = take_turns(
        {
            LOOP: loop(many),
            OWN_BATCH: lambda: guide.draw(params.prompt, 0, num_images_per_prompt=BATCH),
            ONE_CALL: ours(k, params.replace(count=BATCH)),
        },
        rounds,
    )
    table = kn.sweep(params, prompt=goals.PROMPTS, seed=goals.SEEDS)
    grid = take_turns({LOOP: loop(table), ONE_CALL: ours(k, table)}, rounds)
    size = f"a grid of {len(goals.PROMPTS)} languages × {len(goals.SEEDS)} seeds"
    return [
        *(compared(f"one picture, {name}", one, PLAIN, name) for name in kinds),
        compared(f"a batch of {BATCH}", batch, LOOP, ONE_CALL),
        compared(f"a batch of {BATCH}, theirs too", batch, OWN_BATCH, ONE_CALL),
        compared(size, grid, LOOP, ONE_CALL),
    ]
