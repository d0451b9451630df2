"""What a process that draws does: foresee, pass over what is there, claim, draw, save."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.loading.description import Description
from ...model.loading.kandinsky import Kandinsky
from ...model.machine.threads import share_out
from ...pictures.recipe import png_bytes
from ...tasks.checks import check_model
from ...tasks.loop.dry_run import dry_run
from ...words.errors import Cancelled, KandiError, collected_warnings, line_of, warn
from ...words.files import write
from .folder.claims import Claims
from .folder.hashes import as_given, run_hash
from .folder.index import Index, is_whole, line
from .rows.runs import Asked, Run

if TYPE_CHECKING:
    from ...pictures.result import Result

DRAWN, THERE, BUSY, FAILED = "drawn", "there", "busy", "failed"


class Unsaved(KandiError):
    """A picture cannot be saved: the next one could not either, so the batch stops."""


@dataclass(frozen=True)
class Source:
    """Say where a process gets its model: a key or folder to load, or an object that travels.

    `model` is the Description of one that is loaded, or the object. `options` are those that
    the caller's own model has, which the loaded one must have too.
    """

    model: Any
    options: Mapping[str, Any] | None = None

    def open(self, number: int = 0, workers: int = 1) -> Any:
        """Load the model in one of several processes, which share out cores and GPUs."""
        if not isinstance(self.model, Description):
            return self.model
        share_out(workers)
        k = self.model.load(device=_own_gpu(self.model.device, number))
        for name, value in (self.options or {}).items():
            if name != "device" and k.options.get(name) != value:
                raise KandiError(
                    f"workers load {k.spec.key} anew and get {name} {k.options.get(name)}, not "
                    f"the {value} of yours; take workers=1"
                )
        return k


def _own_gpu(device: str | None, number: int) -> str | None:
    """Return the GPU of a process where there are several and none was chosen."""
    import torch

    many = torch.cuda.device_count() if device in (None, "cuda") else 0
    return f"cuda:{number % many}" if many > 1 else device


@dataclass(frozen=True)
class Order:
    """Say what a process is to do; it travels there by pickle."""

    task: Asked
    source: Source
    folder: Path
    shared: Mapping[str, Any] = field(default_factory=dict)
    keep_inputs: bool = True
    retry: int = 1


@dataclass(frozen=True)
class Outcome:
    """Say what became of a run: drawn, there, busy (another process draws it) or failed."""

    run: Run
    status: str
    error: str = ""


@dataclass
class Report:
    """Hold the outcomes of some runs, and what was warned of meanwhile."""

    outcomes: list[Outcome]
    warnings: list[str]
    seconds: float = 0.0


class Worker:
    """Draw runs with one model into one folder; without `draws` it only says what it would."""

    def __init__(self, order: Order, k: Any = None, *, draws: bool = True) -> None:
        self.order, self.task = order, order.task
        self.k = order.source.open() if k is None else k
        if self.task.known and isinstance(self.k, Kandinsky):
            check_model(self.k, self.task.name)
        if draws:
            self.claims, self.index = Claims(order.folder), Index(order.folder)
            self._there = _identity(order.folder)

    def close(self) -> None:
        """Let go of the folder."""
        self.claims.close()
        self.index.close()

    def do(self, runs: Sequence[Run], stop: Any = None) -> Report:
        """Draw what is not there yet and nobody else draws; a run that fails stops no other.

        Raises Unsaved where nothing can be saved, and Cancelled after a stop.
        """
        began = time.monotonic()
        with collected_warnings() as lines:
            outcomes = self._do(runs, stop)
        return Report(outcomes, list(dict.fromkeys(lines)), time.monotonic() - began)

    def recipes(self, runs: Sequence[Run]) -> tuple[list[dict[str, Any]], list[int]]:
        """Return the recipes that the pictures of runs will have, and the steps of each."""
        known, params = self.task.known, [run.params for run in runs]
        inputs = self._inputs(runs)
        if ask := getattr(self.k, "dry_run", None):  # a model elsewhere, which answers itself
            ahead = ask(self.task.name, params, **inputs)
            return ahead.recipes, ahead.steps
        if known and isinstance(self.k, Kandinsky):
            ahead = dry_run(self.task.function, self.k, params, **inputs)
            return ahead.recipes, ahead.steps
        recipes = [
            as_given(self.task.name, self.k, run.params, self._by_content(run)) for run in runs
        ]
        return recipes, [run.steps for run in params]

    def _by_content(self, run: Run) -> dict[str, Any]:
        """Return the inputs of a run, files as paths: those count by what they hold."""
        files = self.task.known.inputs if self.task.known else ()
        return {
            name: Path(value) if name in files and isinstance(value, str) else value
            for name, value in {**self.order.shared, **run.inputs}.items()
        }

    def call(self, runs: Sequence[Run], stop: Any = None) -> Result:
        """Let the task draw runs that agree in their options."""
        quiet = {"progress": False, "stop": stop}
        quiet = {name: value for name, value in quiet.items() if name in self.task.takes}
        params = [run.params for run in runs]
        result = self.task.function(self.k, params, **self._inputs(runs), **quiet)
        if len(result) != len(runs):
            raise KandiError(
                f"{self.task.name} drew {len(result)} pictures for {len(runs)} Params; a batch "
                "needs one each"
            )
        return result

    def _inputs(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return the keywords of one call: inputs as lists, options as the runs have them."""
        first = runs[0].inputs
        lists = self.task.known.inputs if self.task.known else ()
        own = {
            name: [run.inputs[name] for run in runs] if name in lists else value
            for name, value in first.items()
        }
        return {**self.order.shared, **own}

    def _do(self, runs: Sequence[Run], stop: Any) -> list[Outcome]:
        try:
            marks = [run_hash(recipe) for recipe in self.recipes(runs)[0]]
        except (Cancelled, Unsaved):
            raise
        except Exception as error:
            if len(runs) == 1:
                return [Outcome(runs[0], FAILED, line_of(error))]
            return [outcome for run in runs for outcome in self._do([run], stop)]
        outcomes, mine = [], {}
        try:
            for run, mark in zip(runs, marks, strict=True):
                status = BUSY if mark in mine else self._claim(mark)
                if status is None:
                    mine[mark] = run
                else:  # of two equal rows the second finds the picture of the first
                    outcomes.append(Outcome(run, status))
            return outcomes + self._draw_each(mine, stop)
        finally:
            for mark in mine:
                self.claims.give_back(mark)

    def _claim(self, mark: str) -> str | None:
        """Return why a picture is not to be drawn here, None once it is claimed."""
        path = self._path(mark)
        if is_whole(path):
            return THERE
        self._check_folder()
        try:
            if not self.claims.take(mark):
                return BUSY
        except (KandiError, OSError) as error:
            raise Unsaved(line_of(error)) from error
        if is_whole(path):  # since the first look
            self.claims.give_back(mark)
            return THERE
        if os.path.lexists(path):  # cut short, or a link to nowhere
            set_aside(path, "was cut short")
        return None

    def _draw_each(self, mine: Mapping[str, Run], stop: Any) -> list[Outcome]:
        """Draw claimed pictures: together, and where that fails each alone, some times over."""
        attempts = 1 if len(mine) > 1 else 1 + self.order.retry
        said = ""
        for _ in range(attempts if mine else 0):
            try:
                self._draw(mine, stop)
                return [Outcome(run, DRAWN) for run in mine.values()]
            except (Cancelled, Unsaved):
                raise
            except Exception as error:
                said = line_of(error)
        if len(mine) == 1:
            return [Outcome(run, FAILED, said) for run in mine.values()]
        return [o for mark, run in mine.items() for o in self._draw_each({mark: run}, stop)]

    def _draw(self, mine: Mapping[str, Run], stop: Any) -> None:
        began = time.monotonic()
        result = self.call(list(mine.values()), stop)
        seconds = round((time.monotonic() - began) / len(mine), 3)
        pictures = zip(mine, result.images, result.recipes, result.inputs, strict=True)
        for mark, image, recipe, inputs in pictures:
            data = png_bytes(image, recipe, inputs if self.order.keep_inputs else None)
            digest = hashlib.sha256(data).hexdigest()
            self._check_folder()  # writing would make it anew, apart from what is there
            try:
                self.index.add(line(f"{mark}.png", recipe, seconds, time.time(), digest))
                if not is_whole(self._path(mark)):
                    write(self._path(mark), data)
            except (KandiError, OSError) as error:
                raise Unsaved(line_of(error)) from error
        self._check_folder()

    def _check_folder(self) -> None:
        """Raise Unsaved where another folder has the name now, or none."""
        if _identity(self.order.folder) != self._there:
            raise Unsaved(
                f"{self.order.folder} was renamed, removed or exchanged while it was drawn into"
            )

    def _path(self, mark: str) -> Path:
        return self.order.folder / f"{mark}.png"


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return by what the system knows a folder, whatever it is called; None without one."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def set_aside(path: Path, why: str) -> None:
    """Give what stands under a picture's name another one, and say so; raise Unsaved."""
    try:
        path.replace(path.with_suffix(".damaged"))
    except OSError as error:
        raise Unsaved(line_of(error)) from error
    warn(f"{path.name} {why}; it is called .damaged now and drawn anew")
