"""Prove `speed="fast"` on scenes and seeds that did not choose its settings.

    python benchmarks/fast.py mini-2.2 mini-2.1 mini-3      # goes on where it was broken off

The rule stands before any figure is read: of each reading of the judge (object, colour, place)
fast may lose `MOST_LOST` against the settings of plain diffusers over the same `PICTURES`
pictures. Scenes are drawn with another salt and seeds begin where those of curve.py end, and
each setting is drawn by the same networks. A part is written to `--kept` as soon as it is read.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curve import READ, STEPS, read

import kandi_nb as kn
from kandi_nb.mini.captions import canonical
from kandi_nb.mini.evaluation.text import held_out
from kandi_nb.mini.world.vocabulary import LANGUAGES

MOST_LOST = 0.015
PICTURES, SCENES, PART = 400, 40, 50
SALT, FIRST_SEED = "proof of fast", 1001


def scenes() -> list[tuple[Any, str, int]]:
    """Return (scene, sentence, seed) of each picture: as many in each of the languages."""
    found = held_out(SCENES, salt=SALT)
    pairs = [(scene, language) for scene in found for language in LANGUAGES]
    return [
        (scene, canonical(scene, language), FIRST_SEED + number)
        for number, (scene, language) in enumerate(pairs * (PICTURES // len(pairs)))
    ]


def settings(k: kn.Kandinsky, quick: kn.Kandinsky) -> dict[str, tuple]:
    """Return what each side sets: scheduler, steps, steps of the prior."""
    own, fast = (each.options["scheduler"].removesuffix("Scheduler") for each in (k, quick))
    few, prior_steps = quick.unless_asked, None if k.prior is None else STEPS
    return {
        "plain": (own, STEPS, prior_steps),
        "fast": (fast, few["steps"], few.get("prior_steps")),
    }


def parts(model: str, kept: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of a model that are not kept yet, each with its readings."""
    k = kn.load(model, device="cpu", dtype="float32")
    sides = settings(k, kn.load(model, device="cpu", dtype="float32", speed="fast"))
    pictures = scenes()
    for start in range(0, PICTURES, PART):
        for side, point in sides.items():
            name = f"{model} {side} {point} {start}"
            if name not in kept:
                yield name, read(k, point, pictures[start : start + PART])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="bundled keys")
    parser.add_argument("--kept", type=Path, default=Path("outputs/fast.jsonl"))
    words = parser.parse_args()
    words.kept.parent.mkdir(parents=True, exist_ok=True)
    lines = words.kept.read_text("utf-8").splitlines() if words.kept.exists() else []
    kept = dict(json.loads(line) for line in lines)
    for model in words.models:
        for name, readings in parts(model, kept):
            kept[name] = readings
            with words.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, readings]) + "\n")
        report(model, kept)
    return 0


def report(model: str, kept: dict[str, Any]) -> None:
    """Print what each side reads, and whether fast keeps to the rule."""
    shares = {}
    for side in ("plain", "fast"):
        rows = [row for name, row in kept.items() if name.startswith(f"{model} {side} ")]
        shares[side] = {
            what: statistics.mean(row[what] for row in rows) for what in (*READ, "all")
        }
    lost = {what: shares["plain"][what] - shares["fast"][what] for what in READ}
    met = max(lost.values()) <= MOST_LOST
    for side, share in shares.items():
        print(model, side, {what: round(value, 4) for what, value in share.items()})
    print(f"{model}: loses at most {max(lost.values()):.4f}, may lose {MOST_LOST}:", end=" ")
    print("rule met" if met else "RULE BROKEN", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
