"""Hold the memory that kn.plan predicts against what a full-size network takes on this machine.

    python benchmarks/memory.py                 # every case, in minutes; 9 GB of memory
    python benchmarks/memory.py unet-256 movq   # those whose name begins so

Each case runs in a process of its own, one after the other, with random weights: the networks
of 2.2 as published, float32 or bfloat16, guidance on. Exits with 1 if a prediction missed.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import gc
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from kandi_nb.model.bundled import folders_of
from kandi_nb.model.machine import peak
from kandi_nb.model.plan import architecture, footprint
from kandi_nb.model.plan.fit import GB
from kandi_nb.model.speed.norms import norm_in_place
from kandi_nb.words import models
from kandi_nb.words.tables import Table

CASES = {
    "unet-256": ("unet", 256, "float32"),
    "unet-512": ("unet", 512, "float32"),
    "unet-768": ("unet", 768, "float32"),
    "movq-1024": ("movq", 1024, "float32"),
    "unet-256-bfloat16": ("unet", 256, "bfloat16"),
}
NEAR_SHARE, NEAR_GB, WHOLE_SHARE = 0.20, 0.1, 0.10


def network(name: str) -> architecture.Part:
    """Return one network of Kandinsky 2.2 as published."""
    known = models.SPECS["kandinsky-2.2"]
    return next(part for part in architecture.parts(known, {}) if part.name == name)


def medium(folder: Path) -> Path:
    """Write a random 2.2 of 0.4 GB after the bundled one; return its folder.

    Its weights are most of a process's memory, and its calls still take seconds.
    """
    known = models.SPECS["mini-2.2"]
    larger = {
        "prior": {"num_layers": 90},
        "unet": {"block_out_channels": (320, 448), "layers_per_block": 2},
    }
    for stage, names in {"prior": ["prior"], "decoder": ["unet"]}.items():
        target = folder / folders_of(known)[stage].name
        sums = shutil.ignore_patterns("SHA256SUMS")
        shutil.copytree(folders_of(known)[stage], target, ignore=sums)
        for part in architecture.parts(known, folders_of(known)):
            if part.name not in names or part.stage != stage:
                continue
            config = json.dumps(json.loads(part.config) | larger[part.name])
            network = architecture.build(dataclasses.replace(part, config=config))
            for file in (target / part.name).glob("*model*"):
                file.unlink()
            network.save_pretrained(target / part.name)
    return folder


def predicted(name: str, size: int, dtype: str) -> tuple[float, float]:
    """Return the bytes of the weights, and those on top of them at the worst moment."""
    part = network(name)
    top = footprint.cpu_peak(part, size, size, 1, dtype)
    return footprint.weights(part, dtype).plain, top


def measure(name: str, size: int, dtype: str) -> tuple[float, float, float]:
    """Return the same as it is in this process, and the seconds of the call."""
    import torch

    part = network(name)
    with torch.device("meta"):
        real = architecture.build(part)
    torch.nn.Module.to(real, getattr(torch, dtype))
    before = resident()
    real.to_empty(device="cpu")
    for tensor in (*real.parameters(), *real.buffers()):
        if tensor.is_floating_point():
            tensor.data.normal_(std=0.02)
    norm_in_place(real)
    weights = resident() - before
    start = time.perf_counter()
    with peak.track_peak() as top:
        architecture.call(part, real, size, size, 1)
    return weights, top.peak_mb * peak.MIB, time.perf_counter() - start


def resident() -> int:
    """Return the process's resident bytes once what is free has gone back to the system."""
    import psutil

    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


def compare(case: str) -> dict[str, object]:
    """Run one case in a fresh process and set it beside its prediction."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", case], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{case} failed: {done.stderr.strip().splitlines()[-1:]}")
    weights, top, seconds = json.loads(done.stdout.splitlines()[-1])
    planned_weights, planned_top = predicted(*CASES[case])
    off = abs(planned_top - top)
    whole, planned = weights + top, planned_weights + planned_top
    near = off <= max(NEAR_SHARE * top, NEAR_GB * GB)
    return {
        "case": case,
        "weights_gb": f"{planned_weights / GB:.3f} : {weights / GB:.3f}",
        "on top_gb": f"{planned_top / GB:.3f} : {top / GB:.3f}",
        "whole_gb": f"{planned / GB:.3f} : {whole / GB:.3f}",
        "off": f"{(planned / whole - 1) * 100:+.1f} %",
        "seconds": seconds,
        "met": near and abs(planned - whole) <= WHOLE_SHARE * whole,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", help=f"beginnings of: {', '.join(CASES)}")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.measure:
        print(json.dumps(measure(*CASES[words.measure])))
        return 0
    chosen = [case for case in CASES if case.startswith(tuple(words.cases) or "")]
    if not chosen:
        parser.error(f"no case begins so; known: {', '.join(CASES)}")
    rows = []
    for case in chosen:
        print(f"measuring {case} …", file=sys.stderr, flush=True)
        rows.append(compare(case))
        print(Table(rows[-1:], note="predicted : measured").text(110), flush=True)
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
