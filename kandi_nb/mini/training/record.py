"""How long each stage was trained, on what, and how it ended: `training.json`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ...words.files import write
from .. import names

FILE = "training.json"  # beside the checkpoint folders


def hardware(device: str = "cpu") -> str:
    """Return in a few words what a stage trains on."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' if threads > 1 else ''}"


def recorded(weights: Path) -> dict[str, dict]:
    """Return stage → what `record` kept of it."""
    path = weights / FILE
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def trained_so_far(stage: str, called: str, weights: Path = names.WEIGHTS) -> str:
    """Return ``called`` and how long a stage was trained, for what begins with its weights."""
    end = recorded(weights).get(stage)
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
        text = json.dumps(recorded(weights) | {stage: end}, indent=2) + "\n"
        write(weights / FILE, text.encode(), overwrite=True)
