"""`kn.verify`: minutes on the user's own machine that say whether a model works there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...model.loading.kandinsky import Kandinsky
from ...model.loading.load import load
from ...words.errors import KandiError, collected_warnings, quote
from ...words.files import expand_path
from ...words.tables import Table
from . import memory, pictures, report, weights
from .rows import Row, Trial

Check = Callable[[Trial], Iterator[Row]]
# In this order: each names what it looks at, and the later ones trust the earlier.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "files": weights.files,
        "weights": weights.numbers,
        "scheduler": weights.scheduler,
        "MoVQ": weights.movq,
        "tasks": pictures.tasks,
        "memory": memory.memory,
        "exact": pictures.exact,
        "seeds": pictures.seeds,
        "languages": pictures.languages,
        "mixing": pictures.mixing,
        "adapters": pictures.adapters,
        "schedulers": pictures.schedulers,
        "recipes": pictures.recipes,
    }
)
COLUMNS = ("check", "what", "expected", "seen", "verdict")


@dataclass(repr=False)
class Verification(Table):
    """Hold the rows of a verification; `wrong` are those that are not as promised."""

    folder: Path = field(default_factory=Path)

    @property
    def wrong(self) -> list[dict[str, Any]]:
        """Return the rows that are not as promised."""
        return [row for row in self.rows if row["verdict"] == "wrong"]


def verify(
    model: Any,
    out: str | os.PathLike = "outputs/verify",
    *,
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
    **loading: Any,
) -> Verification:
    """Look whether a model works on this machine as promised; return a row a finding.

    `model` is a loaded one, a key or a folder. Files, weights, memory, each task, pixels beside
    plain diffusers, seeds, languages, mixtures, adapters, schedulers and recipes are looked at
    in turn: about ten minutes for a published model on a card, two with `quick`. `out` gets
    `report.html` with the pictures and `report.json`, without a path, a name or a prompt of
    yours. Called again for the same model, it goes on where it was stopped. `progress` hears
    the name of each check; what else is named goes to `load`. Verdicts: "as promised", "wrong",
    "cannot tell" (with the reason), "not here". Raises KandiError for a model or folder that is
    none; what is wrong with the model itself becomes a row.
    """
    folder = expand_path(out)
    held = report.read_report(folder)
    tell = progress or (lambda line: None)
    tell("loading")
    try:
        k = model if isinstance(model, Kandinsky) else load(model, **loading)
    except KandiError as error:
        return _report_unloaded(model, error, folder, quick)
    if not quick and held.get("quick"):
        held = {}
    facts = report.about(_facts(k), quick)
    same = all(held.get(name) == facts[name] for name in ("schema", "model", "versions"))
    done = dict(held["checks"]) if same and held else {}
    trial = Trial(k, folder, quick)
    folder.mkdir(parents=True, exist_ok=True)
    for name, check in CHECKS.items():
        trial.check = name
        if name not in done or name == "weights":  # which later ones ask what was trained
            tell(name)
            done[name] = [row.to_dict() for row in _findings(check, trial)]
            report.save(folder, {**facts, "checks": done})
    return _table({**facts, "checks": done}, folder)


def _findings(check: Check, trial: Trial) -> Iterator[Row]:
    """Give the rows of a check; what it raises is one, too."""
    with collected_warnings():
        try:
            yield from check(trial)
        except KandiError as error:
            yield trial.row(trial.check, "no error", error, False)


def _facts(k: Kandinsky) -> dict[str, Any]:
    """Return what identifies a model and no user: a folder's name is left out."""
    key = k.spec.key
    return {
        "key": f"a folder of {k.spec.family}" if key.endswith("/") else key,
        "family": k.spec.family,
        "size": k.spec.native_size,
        "device": k.device.partition(":")[0],
        "dtype": str(k.dtype).removeprefix("torch."),
        "memory": str(k.memory),
        "speed": k.speed,
        "revision": {role: str(k.revision[role])[:16] for role in k.spec.ids},
    }


def _report_unloaded(model: Any, error: KandiError, folder: Path, quick: bool) -> Verification:
    """Report a model that could not be loaded; raise for what is no model at all."""
    try:
        is_folder = Path(model).is_dir()
    except (TypeError, ValueError):
        raise KandiError(
            f"verify takes a model, a key or a folder, not {quote(model)}"
        ) from None
    if not is_folder:
        raise error
    folder.mkdir(parents=True, exist_ok=True)
    row = Row("loading", "model", "loads", str(error), "wrong").to_dict()
    facts = report.about({"key": "a folder"}, quick)
    report.save(folder, made := {**facts, "checks": {"loading": [row]}})
    return _table(made, folder)


def _table(made: Mapping[str, Any], folder: Path) -> Verification:
    rows = report.rows(made)
    return Verification(rows, COLUMNS, note=report.verdict(rows), folder=folder)
