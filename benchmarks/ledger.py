"""Measure what the guides claim, and write kandi_nb/drivers/ledger/measured.json.

    python benchmarks/ledger.py                   # all that the bundled models decide, minutes
    python benchmarks/ledger.py --only steps-30   # some claims; the others stay as they were
    python benchmarks/ledger.py --card            # on a GPU: memory and seconds at full size

With --card the published architectures are built with random weights, which are as large and
as slow as the trained ones. Seconds of another card than the claim's are scaled by the makers'
data sheets, and say so; nothing of what pictures look like can be learned in this way.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import os
import sys
import time

import gpu
import report

import kandi_nb as kn
from kandi_nb.drivers.ledger import figures, ledger
from kandi_nb.drivers.ledger.claims import claims, claims_of
from kandi_nb.mini import judge
from kandi_nb.model.plan import names
from kandi_nb.words import fields

THRIFTIEST = "group-offload"  # of the plans that move no pixel and end in good time
# What is measured on a card: model, side in pixels, the claims of memory, those of seconds.
FULL_SIZE = (
    ("kandinsky-2.2", 768, ("memory-2.2",), ("seconds-2.2-3090", "seconds-2.2-4090")),
    (
        "kandinsky-3",
        1024,
        ("memory-3", "compare-memory"),
        ("seconds-3-3090", "seconds-3-4090"),
    ),
    ("kandinsky-3", 1536, ("memory-3-large",), ()),
)


def bundled(ids: list[str], count: int | None) -> dict[str, figures.Figure]:
    """Measure what the bundled models, the planner and the classes decide."""
    chosen = claims_of(ids) if ids else [c for c in claims().values() if c.measure]
    found = {}
    for claim in chosen:
        start = time.perf_counter()
        figure = ledger.measure_claim(claim, judge.read, count)
        basis = figure.basis.removesuffix(" here and now")
        found[claim.id] = figures.Figure(figure.value, basis, figure.pictures)
        print(f"{claim.id}: {figure.value} ({time.perf_counter() - start:.0f} s)", flush=True)
    return found


def full_size(card: names.Card) -> dict[str, figures.Figure]:
    """Measure peaks and seconds of full-size models with random weights, in float16."""
    found = {}
    for model, side, memory, seconds in FULL_SIZE:
        peaks = {}
        taken, peaks["resident"] = whole_picture(model, side, "resident")
        _, peaks["exact"] = whole_picture(model, side, THRIFTIEST)
        basis = f"measured at {side} px, full size, random weights, what PyTorch allocates"
        found |= {id: figures.Figure(peaks, basis) for id in memory}
        print(f"{model} at {side} px: {peaks}, {taken:.2f} s on {card.name}", flush=True)
        for id in seconds:
            other = names.read_card(f"RTX {id[-4:]}")
            scaled = taken * card.tflops / other.tflops
            words = f"{taken:.3g} s on {card.name}, scaled by data sheets to {other.name}"
            found[id] = figures.Figure(round(scaled, 2), words)
    return found


def whole_picture(model: str, side: int, plan: str) -> tuple[float, float]:
    """Return the seconds of a picture of the usual steps, once warm, and its peak in GB."""
    k = gpu.loaded(model, tiny=False, plan=plan)
    asked = gpu.params(False, side, fields.FIELDS["steps"].default)
    with gpu.peak() as top:
        taken = gpu.seconds(gpu.ours(k, asked), repeats=1 if plan == THRIFTIEST else 3)
    k = None
    gc.collect()
    kn.free()
    return taken, top["allocated_gb"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="ids of claims")
    parser.add_argument("--count", type=int, help="seeds a prompt, for what a judge reads")
    parser.add_argument("--card", action="store_true", help="measure full-size networks")
    words = parser.parse_args()
    machine = f"{report.processor()}, {os.cpu_count()} cores"
    if words.card:
        import torch

        if not torch.cuda.is_available():
            parser.error("--card needs an NVIDIA GPU, and there is none here")
        name = torch.cuda.get_device_name()
        # Drivers say "NVIDIA H100 80GB HBM3"; the table of cards knows an H100.
        close = [c for c in names.cards() if c.replace(" ", "") in name.replace(" ", "")]
        if not close:
            parser.error(f"{name} is not in the table of cards: kandi_nb/words/configs")
        machine, found = name, full_size(names.read_card(max(close, key=len)))
    else:
        found = bundled(words.only, words.count)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    figures.keep(found, machine, date)
    print(f"{len(found)} figures written: {figures.STORED.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
