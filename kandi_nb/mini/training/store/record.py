"""What is written of each stage: its log, and how long it was trained on what."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from ....words.files import write
from ... import names

FILE = "training.json"  # beside the checkpoint folders: how each stage ended


def hardware(device: str = "cpu") -> str:
    """Return in a few words what a stage trains on."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' if threads > 1 else ''}"


def read_records(weights: Path) -> dict[str, dict]:
    """Return stage → what `record` kept of it."""
    path = weights / FILE
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def trained_so_far(stage: str, called: str, weights: Path = names.WEIGHTS) -> str:
    """Return ``called`` and how long a stage was trained, for what begins with its weights."""
    end = read_records(weights).get(stage)
    return f"{called} ({end['steps']} steps, {end['seconds']} s)" if end else called


def record(
    stage: str,
    log: Path,
    trained_on: str,
    weights: Path = names.WEIGHTS,
    began: str | None = None,
) -> None:
    """Keep the end of a stage's log, and what it ``began`` with, for the cards."""
    with log.open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    end = {
        "steps": int(last["step"]),
        "seconds": int(last["seconds"]),
        "loss": float(last["loss"]),
        "hardware": trained_on,
    }
    if began:
        end["began"] = began
    with names.changing(weights):
        text = json.dumps(read_records(weights) | {stage: end}, indent=2) + "\n"
        write(weights / FILE, text.encode(), overwrite=True)


class Log:
    """The CSV of a stage, without what a killed training logged after its checkpoint."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        if path.exists():
            head, *rows = path.read_text("utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.split(",", 1)[0]) <= step]
            part = path.with_suffix(".part")
            part.write_text("".join([head, *kept]), "utf-8")
            os.replace(part, path)

    def write(self, state: dict, rate: float) -> None:
        """Append the state after a step, below a header if it is the first."""
        figures = state["shown"]
        row = [state["step"], f"{state['seconds']:.0f}", f"{rate:.2e}"]
        fresh = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if fresh:
                rows.writerow(["step", "seconds", "rate", *figures])
            rows.writerow([*row, *(f"{value:.4f}" for value in figures.values())])

    def report(self, stage: str, state: dict, progress: float) -> None:
        """Print the state and the minutes that are left."""
        left = state["seconds"] * (1 / max(progress, 1e-6) - 1) / 60
        text = " ".join(f"{key} {value:.4f}" for key, value in state["shown"].items())
        head = f"{stage} {state['step']} {progress:.0%}"
        print(f"{head}, {left:.1f} min left: {text}", flush=True)
