"""One option in this process: read a job's file, load, measure, write rows and pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ...model.find import find
from ...model.loading.description import Description
from ...model.machine.device import device as device_for
from ...model.machine.device import free
from ...model.machine.peak import track_peak
from ...tasks.checks import every_task
from ...words.errors import KandiError
from ...words.params import Params
from ..remote import transfer
from .bench import bench
from .trials import JOB, ROWS


def main(folder: Path) -> None:
    """Carry out the job of a folder. A refusal is written down, like rows."""
    job = json.loads((folder / JOB).read_text("utf-8"))
    try:
        written: dict[str, Any] = {"rows": _measure(job, folder)}
    except KandiError as error:
        written = {"refused": str(error)}
    (folder / ROWS).write_text(json.dumps(written), "utf-8")


def _measure(job: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    described = Description.unpack(job["model"])
    task, device = every_task()[job["task"]].function, device_for(described.device)
    inputs = transfer.unpack(job["inputs"], folder.parent)
    runs = [Params.from_dict(run) for run in job["runs"]]
    _import_libraries(described.model)
    free()
    with track_peak(device) as loading:
        chosen = {name: job[name] for name in ("memory", "dtype", "speed") if name in job}
        k = described.load(**{"device": device, **chosen})
    rows = []
    for number, params in enumerate(runs):
        with track_peak(device) as running:
            (row,) = bench(task, k, params, repeats=job["repeats"], **inputs)
            result = task(k, params, progress=False, **inputs)
        # What model and run took together, at the worst moment, beyond an empty process.
        least = loading.peak_mb
        row["peak_mb"] = max(least, running.held_mb - loading.held_mb + running.peak_mb)
        row["reserved_mb"] = _reserved_mb(device)
        row["plan"], row["options"] = str(k.memory), k.options
        for place, picture in enumerate(result.images):
            picture.convert("RGB").save(folder / f"{number:04}-{place:04}.png")
        rows.append(row)
    return rows


def _import_libraries(model: str) -> None:
    """Bring in what loading would import: it is the process's, not the model's memory."""
    import accelerate.hooks  # noqa: F401
    import diffusers

    for role in find(model)[0].roles.values():
        getattr(diffusers, role.pipeline)


def _reserved_mb(device: str) -> float | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_reserved(device) / 2**20


if __name__ == "__main__":
    main(Path(sys.argv[1]))
