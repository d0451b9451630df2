"""Options of memory and speed as experiments: each in a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.loading.description import Description
from ...model.loading.speeds import SPEEDS
from ...model.machine.device import device as device_for
from ...model.machine.device import dtype as dtype_for
from ...model.plan.names import read_plan
from ...model.plan.stores import lacks
from ...model.progress import progress_bar
from ...tasks.checks import every_task
from ...words.bounds import whole
from ...words.errors import KandiError, quote
from ...words.params import Params
from ...words.tables import Table
from ..remote import transfer

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ...pictures.result import Result

# What may be mere noise: of two equal runs, in processes of their own, on a busy machine.
TIME_NOISE, MEMORY_NOISE, LEAST_MB = 0.2, 0.05, 4.0
NOTE = (
    "the first row is the reference of drift (mean and largest difference of pixels, of 255); "
    f"differences count from {TIME_NOISE:.0%} of the time and {MEMORY_NOISE:.0%} of the memory"
)
JOB, ROWS = "job.json", "rows.json"


def trials(
    task: Callable[..., Result],
    k: Kandinsky | str | Path,
    runs: Sequence[Params],
    *,
    options: Mapping[str, Sequence[Any] | None],
    repeats: int,
    inputs: Mapping[str, Any],
) -> Table:
    """Measure runs under each combination of options; `bench` says the rest."""
    name, described = _name_of(task), Description.of(k)
    device = device_for(described.device)
    choices = _choices(options, device)
    combinations = [
        dict(zip(choices, values, strict=True))
        for values in itertools.product(*choices.values())
    ]
    k_name = getattr(getattr(k, "spec", None), "key", described.model)
    rows: list[dict[str, Any]] = []
    first: list[dict[str, Any]] | None = None
    with tempfile.TemporaryDirectory(prefix="kandi-nb-bench-") as folder:
        place = Path(folder)
        job = {
            "task": name,
            "model": described.pack(place),
            "repeats": repeats,
            "runs": [run.explicit_settings() for run in runs],
            "inputs": transfer.pack(dict(inputs), place),
        }
        title = f"{len(combinations)} process{'es' if len(combinations) > 1 else ''}"
        with progress_bar(len(combinations), title) as bar:
            for number, chosen in enumerate(combinations):
                measured = _rows_of_trial(job | chosen, chosen, place / str(number), device)
                first = first or measured
                rows += [
                    {"model": k_name, **chosen, **run.to_dict(), **_with_effect(row, before)}
                    for run, row, before in zip(runs, measured, first, strict=True)
                ]
                bar.step()
    varied = [n for n in runs[0].to_dict() if len({str(r.to_dict()[n]) for r in runs}) > 1]
    measured_columns = ["seconds", "peak_mb", "drift", "drift_most", "effect"]
    if any(row.get("reserved_mb") is not None for row in rows):
        measured_columns.insert(2, "reserved_mb")
    return Table(rows, columns=[*choices, *varied, *measured_columns], note=NOTE)


def _name_of(task: Any) -> str:
    """Return the name under which a fresh process finds a task."""
    known = every_task()
    for name, entry in known.items():
        if entry.function is task:
            return name
    raise KandiError(
        "options are measured in fresh processes, which know the package's own tasks alone "
        f"({', '.join(f'kn.{name}' for name in known)}), not {quote(task)}"
    )


def _choices(options: Mapping[str, Any], device: str) -> dict[str, list[Any]]:
    """Return the options that were given, as JSON has them; raise KandiError for wrong ones."""
    choices: dict[str, list[Any]] = {}
    for name, values in options.items():
        if values is None:
            continue
        listed = [values] if isinstance(values, (str, int)) else values
        if not isinstance(listed, Sequence) or not listed:
            raise KandiError(f"{name} is a list of what to try, not {quote(values)}")
        read = {
            "memory": _plan,
            "dtype": lambda v: _dtype(v, device),
            "threads": _threads,
            "speed": _speed,
        }
        choices[name] = [read[name](value) for value in listed]
    return choices


def _plan(value: Any) -> str:
    return value if value == "auto" else str(read_plan(value))


def _dtype(value: Any, device: str) -> str:
    return str(dtype_for(device, value)).removeprefix("torch.")


def _speed(value: Any) -> str:
    if value not in SPEEDS:
        raise KandiError(f"unknown speed {quote(value)}; known: {', '.join(SPEEDS)}")
    return value


def _threads(value: Any) -> int:
    return whole("threads", value, 1, says="threads are whole numbers from 1")


def _rows_of_trial(
    job: dict[str, Any], chosen: Mapping[str, Any], folder: Path, device: str
) -> list[dict[str, Any]]:
    """Return a row for each run of a job, from a process of its own."""
    nothing = [{"seconds": None, "peak_mb": None} for _ in job["runs"]]
    plan = chosen.get("memory", "auto")
    if plan != "auto" and (missing := lacks(read_plan(plan), device)):
        return [row | {"effect": f"not run here: needs {missing[0]}"} for row in nothing]
    folder.mkdir()
    (folder / JOB).write_text(json.dumps(job), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kandi_nb.drivers.measure.trial", str(folder)],
        env=_environment(chosen.get("threads")),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if not (folder / ROWS).exists():
        lines = done.stderr.strip().splitlines()
        why = lines[-1] if lines else f"the process ended with {done.returncode}"
        return [row | {"effect": f"crashes: {why[:160]}"} for row in nothing]
    rows = json.loads((folder / ROWS).read_text("utf-8"))
    if "refused" in rows:
        return [row | {"effect": f"refused: {rows['refused']}"} for row in nothing]
    return [
        row | {"pictures": sorted(folder.glob(f"{number:04}-*.png"))}
        for number, row in enumerate(rows["rows"])
    ]


def _environment(threads: int | None) -> dict[str, str]:
    """Return the environment of a process that runs this very package."""
    package = str(Path(__file__).parents[3])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    chosen = (
        {}
        if threads is None
        else dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **chosen}


def _with_effect(row: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with how far its pixels are from the reference's, and what it did."""
    measured = {name: value for name, value in row.items() if name != "pictures"}
    unknown = measured | {"drift": None, "drift_most": None}
    if "pictures" not in row:
        return unknown
    if row is reference:
        return measured | {"drift": 0.0, "drift_most": 0, "effect": "reference"}
    if "pictures" not in reference:
        return unknown | {"effect": "runs, but there is no reference"}
    mean, most = transfer.difference(row["pictures"], reference["pictures"])
    return measured | {
        "drift": mean,
        "drift_most": most,
        "effect": _effect(row, reference, most),
    }


def _effect(row: Mapping[str, Any], reference: Mapping[str, Any], most: int) -> str:
    """Say in words what differs beyond noise, or that nothing does."""
    words = ["other pixels"] if most else []
    gap = row["peak_mb"] - reference["peak_mb"]
    if abs(gap) > max(LEAST_MB, MEMORY_NOISE * reference["peak_mb"]):
        words.append("more memory" if gap > 0 else "less memory")
    ratio = row["fastest"] / reference["fastest"]
    if max(ratio, 1 / ratio) > 1 + TIME_NOISE:
        words.append("slower" if ratio > 1 else "quicker")
    return ", ".join(words) or "does nothing"
