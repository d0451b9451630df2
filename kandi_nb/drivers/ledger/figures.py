"""Figures that were measured before, with machine and date: what a ledger begins with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...words.files import write

STORED = Path(__file__).parent / "measured.json"


@dataclass(frozen=True)
class Figure:
    """Hold a measured value, in words what it rests on, and from how many pictures."""

    value: Any
    basis: str
    pictures: int = 0

    def __str__(self) -> str:
        read = f", {self.pictures} pictures" if self.pictures else ""
        return f"{self.basis}{read}"


def figures_in(path: Path = STORED) -> dict[str, Figure]:
    """Return id → figure of the runs in a file; where a claim stands twice, the
    later one, and one that was measured before one that was predicted.

    A run has `machine`, `date` and `figures`: id → `value`, `basis` and, if a judge read some,
    `pictures`. Any machine may add one: a card's figures decide what needs a GPU.
    """
    runs = json.loads(path.read_text("utf-8"))["runs"] if path.exists() else []
    known: dict[str, Figure] = {}
    for run in runs:
        for id, row in run["figures"].items():
            basis = f"{row['basis']}, {run['date']}, {run['machine']}"
            if id in known and _prediction(basis) and not _prediction(known[id].basis):
                continue  # what a card said outweighs what was planned for it
            known[id] = Figure(row["value"], basis, row.get("pictures", 0))
    return known


def _prediction(basis: str) -> bool:
    return basis.startswith("predicted")


def keep(figures: Mapping[str, Figure], machine: str, date: str, path: Path = STORED) -> None:
    """Write the figures of a machine into the file, in the place of its earlier ones."""
    text = json.loads(path.read_text("utf-8")) if path.exists() else {"runs": []}
    rows = {
        id: {"value": figure.value, "basis": figure.basis}
        | ({"pictures": figure.pictures} if figure.pictures else {})
        for id, figure in figures.items()
    }
    earlier = [run for run in text["runs"] if run["machine"] == machine]
    before = {id: row for run in earlier for id, row in run["figures"].items()}
    others = [run for run in text["runs"] if run["machine"] != machine]
    runs = [*others, {"machine": machine, "date": date, "figures": before | rows}]
    document = json.dumps({"runs": runs}, indent=1, ensure_ascii=False) + "\n"
    write(path, document.encode(), overwrite=True)
