"""One Params, several models, side by side."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..model.adapters.scales import check_takes, scaled_adapters
from ..model.find import find
from ..model.loading.kandinsky import Kandinsky
from ..model.loading.load import load_instead
from ..pictures.grid import grid
from ..pictures.result import Result
from ..pictures.sheet import Grid
from ..words.errors import KandiError, collected_warnings, did_you_mean, quote
from ..words.files import slug
from ..words.models import SPECS, ModelSpec
from ..words.params import Params
from ..words.tables import Table
from . import checks
from .generate import generate


@dataclass(repr=False)
class Versus(Table):
    """Hold what several models made of the same settings: a row a model, and the pictures.

    `results` says model → Result. In a notebook it shows the pictures, a row a model, above
    the table; `grid` holds the pictures alone.
    """

    results: dict[str, Result] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """Return the pictures, side by side: models in a row if each made one, else below."""
        names, results = list(self.results), list(self.results.values())
        if all(len(result) == 1 for result in results):
            return grid([[result[0] for result in results]], cols=names)
        return grid(results, rows=names)

    def _repr_html_(self) -> str:
        return self.grid._repr_html_() + super()._repr_html_()

    def save(self, folder: str | os.PathLike, *, inputs: bool = True) -> list[Path]:
        """Write every picture with its recipe, a sub-folder for each model; return the paths.

        Otherwise as `Result.save`.
        """
        paths: list[Path] = []
        for name, result in self.results.items():
            # That the originals travel is said once, not for each model.
            with contextlib.redirect_stdout(io.StringIO() if paths else sys.stdout):
                paths += result.save(Path(folder) / slug(name), inputs=inputs)
        return paths


def versus(
    params: Params | Sequence[Params],
    models: Sequence[str | Path | Kandinsky],
    task: Callable[..., Result] = generate,
    *,
    device: str | None = None,
    dtype: Any = None,
    memory: Any = "resident",
    scheduler: str | None = None,
    speed: str = "exact",
    adapter: Any = None,
    **inputs: Any,
) -> Versus:
    """Run a task with the same settings on one model after the other; return a table of them.

    `models`: keys, folders, loaded models or clients of services. Those that are named are
    loaded in turn, each in the place of the one before, so that no more than one has to fit the
    memory; networks whose files both have stay; `device` to `adapter` are those of `load`, for
    each of these. A loaded model is used as it is. `task` is `generate`, `edit` or
    another, `inputs` what it takes besides, such as `image=`. A row holds `model`, `seconds`
    (wall time of the task, without loading) and `peak_mb` (beyond the model itself). Raises
    KandiError before anything is loaded for models that are unknown, cannot do the task, or
    would draw equal pictures from different settings.
    """
    found = _named_specs(models)
    name = _name_of(task)
    for spec, _ in found.values():
        _check(spec, name, params, inputs.get("prompts"))
    loading = {"device": device, "dtype": dtype, "memory": memory, "scheduler": scheduler}
    loading |= {"speed": speed, "adapter": _adapters(adapter, found)}
    results: dict[str, Result] = {}
    once: dict[str, list[str]] = {}
    for label, k in _in_turn(found, name, loading, once):
        results[label] = task(k, params, **inputs)
        if not isinstance(results[label], Result):
            raise KandiError(
                f"versus compares tasks that draw, such as kn.edit, not {quote(task)}"
            )
    rows = [
        {"model": label, "seconds": result.seconds, "peak_mb": result.peak_mb}
        for label, result in results.items()
    ]
    return Versus(rows, ("model", "seconds", "peak_mb"), note=_note(once), results=results)


def _adapters(adapter: Any, found: Mapping[str, tuple[ModelSpec, Any]]) -> Any:
    """Return adapters, read once, as `load` takes them; raise KandiError where none are."""
    scaled = scaled_adapters(adapter)
    for spec, given in found.values():
        if scaled and not _is_ready(given):
            check_takes(spec)
    return dict(scaled) or None


def _named_specs(models: Any) -> dict[str, tuple[ModelSpec, Any]]:
    """Return label → (spec, what was given) of each model; raise KandiError."""
    if isinstance(models, (str, Path)) or _is_ready(models) or not isinstance(models, Sequence):
        raise KandiError(
            f'models is a list, such as ["mini-2.1", "mini-3"], not {quote(models)}'
        )
    if not models:
        raise KandiError(f"models is an empty list; known: {', '.join(SPECS)}")
    specs = [each.spec if _is_ready(each) else find(each)[0] for each in models]
    keys = [spec.key for spec in specs]
    # Two folders may bear one name; then each is called as it was given.
    labels = [
        key if keys.count(key) == 1 or _is_ready(each) else str(each)
        for key, each in zip(keys, models, strict=True)
    ]
    for label in labels:
        if labels.count(label) > 1:
            raise KandiError(f"models names {label} twice; name each once")
    return dict(zip(labels, zip(specs, models, strict=True), strict=True))


def _is_ready(model: Any) -> bool:
    """Tell whether a model is loaded, here or by the service of a client."""
    return isinstance(model, Kandinsky) or hasattr(model, "remote")


def _name_of(task: Any) -> str | None:
    """Return the name of a task of the package, None for another function."""
    if not callable(task):
        known = checks.every_task()
        hint = did_you_mean(task, known) if isinstance(task, str) else ""
        raise KandiError(
            f"task is a task itself, such as kn.edit, not {quote(task)}; {hint}known: "
            f"{', '.join(known)}"
        )
    every = checks.every_task()
    return next((name for name, known in every.items() if known.function is task), None)


def _check(spec: ModelSpec, task: str | None, params: Any, prompts: Any) -> None:
    """Raise KandiError for what the task would refuse of a model once it is loaded."""
    runs = checks.singles(params, prompts)
    if task is None:
        return
    checks.check_spec(spec, task)
    with collected_warnings():  # the task says them itself
        stand_in: Any = SimpleNamespace(spec=spec)  # of a model, only what is asked is there
        checks.without_unused(stand_in, task, runs)


def _in_turn(
    found: Mapping[str, tuple[ModelSpec, Any]],
    task: str | None,
    loading: Mapping[str, Any],
    once: dict[str, list[str]],
) -> Iterator[tuple[str, Kandinsky]]:
    """Give label and model, one loaded at a time; `once` gets what of each was there before."""
    latest: Kandinsky | None = None
    for label, (spec, given) in found.items():
        if _is_ready(given):
            yield label, given
            continue
        role = spec.role_of(task) if task else None
        roles = [role] if role else []
        # Weakly, so that what the next model lacks can go before it is loaded.
        before = [weakref.ref(part.network) for part in latest._components] if latest else []
        latest = load_instead(latest, given, roles=roles, **loading)
        latest.open(roles)
        shared = [
            part.folder.name
            for part in latest._components
            if any(reference() is part.network for reference in before)
        ]
        if shared:
            once[label] = shared
        yield label, latest


def _note(once: Mapping[str, list[str]]) -> str:
    """Say which networks did not have to be loaded."""
    return "; ".join(
        f"{label} took over {', '.join(names).replace('_', ' ')} of the model before it"
        for label, names in once.items()
    )
