"""Measure what `speed="fast"` may take: the judge's reading of settings against their time.

    python benchmarks/curve.py mini-2.2                 # measures all points; minutes
    python benchmarks/curve.py mini-2.2 --write         # … and writes the package's file
    python benchmarks/curve.py mini-2.2 --pictures 50   # a quick look

A point's time is a share: one picture against plain diffusers' with 25 steps, both in turns in
this process, by the processor's own time, with one thread. The judge reads held-out scenes in
five languages. Of the points within `MOST_TIME` whose readings lose less than `LOSS` against
plain diffusers' over the same scenes the one that is read best is taken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import kandi_nb as kn
from kandi_nb.mini import judge
from kandi_nb.mini.captions import canonical
from kandi_nb.mini.evaluation.text import held_out
from kandi_nb.mini.world.vocabulary import LANGUAGES
from kandi_nb.model.loading.speeds import CURVES

READ = ("object", "colour", "place")
LOSS = 0.03  # of any reading: what "fast" may lose
MOST_TIME = 0.30  # of plain diffusers': what "fast" may take
STEPS = 25  # of plain diffusers, in each stage
# Scheduler, steps, steps of the prior.
POINTS = {
    "2.2": [
        ("DDIM", 12, 12),
        ("DDIM", 8, 10),
        ("DDIM", 8, 8),
        ("DDIM", 6, 8),
        ("DDIM", 5, 10),
        ("DPMSolverMultistep", 8, 8),
        ("DPMSolverMultistep", 6, 8),
    ],
    "2.1": [("DDIM", 8, 10), ("DDIM", 5, 10)],
    "3": [("DDIM", 8, None), ("DDIM", 6, None), ("DPMSolverMultistep", 6, None)],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a bundled key")
    parser.add_argument("--pictures", type=int, default=400, help="of each point")
    parser.add_argument("--rounds", type=int, default=9, help="of each time")
    parser.add_argument("--write", action="store_true", help="into the package")
    words = parser.parse_args()
    k = kn.load(words.model, device="cpu", dtype="float32")
    scenes = asked(words.pictures)
    plain = (type(k.decoder.scheduler).__name__.removesuffix("Scheduler"), STEPS, STEPS)
    plain = plain if k.prior is not None else (*plain[:2], None)
    rows = [{**named(plain), "plain": True, "time": 1.0, **read(k, plain, scenes)}]
    rows.append({**rows[0], "plain": False, "time": share(k, plain, words.rounds)})
    show(rows)
    for point in POINTS[k.spec.family]:
        row = {**named(point), "plain": False, "time": share(k, point, words.rounds)}
        rows.append(row | read(k, point, scenes))
        show(rows[-1:])
    best = chosen(rows)
    print("fast:", best)
    if words.write:
        write(words.model, rows, best, words.pictures)
    return 0


def named(point: tuple) -> dict[str, Any]:
    return dict(zip(("scheduler", "steps", "prior_steps"), point, strict=True))


def show(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        print(json.dumps(row), flush=True)


def asked(pictures: int) -> list[tuple[Any, str, int]]:
    """Return (scene, sentence, seed): held-out scenes, each in five languages."""
    scenes = held_out(max(1, min(40, pictures // len(LANGUAGES))))
    seeds = range(1, 1 + max(1, pictures // (len(scenes) * len(LANGUAGES))))
    return [
        (scene, canonical(scene, language), seed)
        for seed in seeds
        for scene in scenes
        for language in LANGUAGES
    ]


def settings(k: kn.Kandinsky, point: tuple) -> dict[str, int]:
    _, steps, prior_steps = point
    return {"steps": steps} | ({} if prior_steps is None else {"prior_steps": prior_steps})


def read(k: kn.Kandinsky, point: tuple, scenes: Sequence[tuple]) -> dict[str, Any]:
    """Return the shares of pictures that the judge reads as they were asked for."""
    light = k.with_scheduler(point[0])
    runs = [kn.Params(text, seed=seed, **settings(k, point)) for _, text, seed in scenes]
    readings = judge.read(kn.generate(light, runs, progress=False).arrays())
    right = [
        reading.agrees(**{what: getattr(scene, what) for what in READ})
        for reading, (scene, *_) in zip(readings, scenes, strict=True)
    ]
    shares = {what: statistics.mean(one[what] for one in right) for what in READ}
    shares["all"] = statistics.mean(all(one.values()) for one in right)
    return {**{n: round(v, 4) for n, v in shares.items()}, "pictures": len(scenes)}


def share(k: kn.Kandinsky, point: tuple, rounds: int) -> float:
    """Return the time of one picture as a share of plain diffusers' with 25 steps."""
    from kandi_nb.drivers.verify.plain import Plain

    light = k.with_scheduler(point[0])
    params = kn.Params("a red fox in a snowy forest", **settings(k, point))
    guide = Plain(k.spec.key)

    def ours() -> None:
        light.forget()
        kn.generate(light, params, progress=False)

    ours(), guide.draw(params.prompt, steps=STEPS)
    ratios = []
    for _ in range(rounds):
        began = time.process_time()
        ours()
        middle = time.process_time()
        guide.draw(params.prompt, steps=STEPS)
        ratios.append((middle - began) / (time.process_time() - middle))
    return round(statistics.median(ratios), 3)


def chosen(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the point that is read best of those that are quick enough and lose little.

    Not the quickest: what the judge cannot see, such as sharpness, goes with the steps, too.
    """
    plain = rows[0]
    able = [
        row
        for row in rows[1:]
        if row["time"] <= MOST_TIME
        and all(round(plain[what] - row[what], 4) < LOSS for what in (*READ, "all"))
    ]
    best = max(able, key=lambda row: (row["all"], -row["time"]))
    return {name: best[name] for name in ("scheduler", "steps", "prior_steps")}


def write(model: str, rows: list[dict[str, Any]], best: dict[str, Any], pictures: int) -> None:
    note = (
        f"read by the judge over {pictures} held-out pictures a row; time is a share of plain "
        f"diffusers' with {STEPS} steps, one thread of a CPU, both in turns"
    )
    text = json.dumps({"note": note, "fast": best, "rows": rows}, indent=1)
    (CURVES / f"{model}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
