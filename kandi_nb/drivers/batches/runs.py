"""What a batch is asked for: pictures one by one, each with its settings and its own inputs.

They come from Params, from rows in Python or from a table file, and are looked at twice: all
of them before anything runs, then as they are drawn. Neither keeps them.
"""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...pictures.images import opened
from ...tasks.checks import Task, every_task
from ...words.errors import KandiError, did_you_mean, shown
from ...words.fields import ALIASES, FIELDS
from ...words.files import expanded
from ...words.params import Params
from .rows import TEXTS, rows
from .templates import Template


@dataclass(frozen=True)
class Run:
    """Say one picture: the row that asks for it, its Params, and what else that row has."""

    row: int
    params: Params
    inputs: Mapping[str, Any] = field(default_factory=dict)


PICTURES = ("image", "mask", "depth")  # inputs that are looked at before anything runs


@dataclass(frozen=True)
class Asked:
    """Hold a task with the keywords that it takes; `known` is its row of the table of tasks."""

    name: str
    function: Callable[..., Any]
    known: Task | None
    inputs: tuple[str, ...]
    required: tuple[str, ...]
    takes: frozenset[str]

    @property
    def options(self) -> tuple[str, ...]:
        """Return the keywords that one call has once for all its runs."""
        return self.known.options if self.known else self.inputs


def asked(task: Any) -> Asked:
    """Return what is known of a task, given by itself or by its name; raise KandiError."""
    tasks = every_task()
    if isinstance(task, str) and task in tasks:
        task = tasks[task].function
    if not callable(task):
        hint = did_you_mean(task, tasks) if isinstance(task, str) else ""
        raise KandiError(
            f"batch takes a task, such as kn.generate, not {shown(task)}; {hint}known by name: "
            f"{', '.join(tasks)}"
        )
    name = next((name for name, row in tasks.items() if row.function is task), None)
    known = tasks[name] if name else None
    parameters = inspect.signature(task).parameters
    words = [each for each in parameters.values() if each.kind != each.VAR_KEYWORD][2:]
    inputs = (*known.inputs, *known.options) if known else tuple(word.name for word in words)
    if len(parameters) < 2:
        raise KandiError(f"{shown(task)} is no task: those are called as task(k, params)")
    return Asked(
        name or getattr(task, "__name__", type(task).__name__),
        task,
        known,
        inputs,
        tuple(w.name for w in words if w.default is w.empty and w.name in inputs),
        frozenset(parameters),
    )


class Runs:
    """Read runs as often as asked; `defaults` fill in what a row does not say.

    `source`: Params, a list of Params and of dicts (column → value), or the path of a table.
    `shared` names the inputs that all of them have. `sample` limits the combinations that are
    taken of each template.
    """

    def __init__(
        self,
        source: Any,
        task: Asked,
        *,
        defaults: Params | None = None,
        shared: tuple[str, ...] = (),
        sample: int | None = None,
    ) -> None:
        self.path = _path(source)
        self.source = [source] if isinstance(source, Params) else source
        self.task, self.shared, self.sample = task, shared, sample
        self.defaults = defaults or Params()
        if self.path is None and not isinstance(self.source, (list, tuple)):
            raise KandiError(
                "runs is Params, a list of them, such as kn.sweep gives, or the path of a "
                f"table, not {shown(source)}"
            )
        # Many rows name the same picture: the disk is asked once.
        self._size = functools.lru_cache(1024)(_size)

    @property
    def name(self) -> str:
        return "the list of runs" if self.path is None else str(self.path)

    def check(self) -> int:
        """Look at every row and return how many pictures they ask for; raise KandiError."""
        count = 0
        for number, row in self._rows():
            with self._naming(number):
                params, inputs = self._read(row)
                self._check_inputs(params, inputs)
                template = _template(params)
                most = template.count if template else 1
                count += params.count * min(most, self.sample or most)
        if not count:
            raise KandiError(f"{self.name} has no rows; give at least one")
        return count

    def __iter__(self) -> Iterator[Run]:
        for number, row in self._rows():
            with self._naming(number), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # `check` said them
                params, inputs = self._read(row)
                template = _template(params)
            texts = iter(template or [params.prompt])
            if template and self.sample:
                texts = template.sample(self.sample)
            for text in texts:
                for single in params.replace(prompt=text).singles():
                    yield Run(number, single, inputs)

    def _rows(self) -> Iterator[tuple[int, Any]]:
        return enumerate(self.source, start=1) if self.path is None else rows(self.path)

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        """Name the row in an error."""
        try:
            yield
        except KandiError as error:
            where = "run" if self.path is None else f"{self.path.name}, row"
            raise KandiError(f"{where} {number}: {error}") from None

    def _read(self, row: Any) -> tuple[Params, dict[str, Any]]:
        """Return the settings and the inputs of a row."""
        if isinstance(row, Params):
            return row, {}
        if not isinstance(row, Mapping):
            raise KandiError(f"a run is Params or a dict of columns, not {shown(row)}")
        settings, inputs = {}, {}
        for name, cell in row.items():
            if name in FIELDS:
                settings[name] = self._setting(name, cell)
            elif name in self.task.inputs:
                inputs[name] = self._input(name, cell)
            else:
                self._refuse(name)
        settings = {name: value for name, value in settings.items() if value is not None}
        inputs = {name: value for name, value in inputs.items() if value is not None}
        return self.defaults.replace(**settings), inputs

    def _refuse(self, name: Any) -> None:
        columns = [*FIELDS, *self.task.inputs]
        word = str(name)
        hint = did_you_mean(ALIASES.get(word.casefold(), word), columns)
        raise KandiError(
            f"unknown column {shown(name)}; {hint}{self.task.name} takes: {', '.join(columns)}"
        )

    def _setting(self, name: str, cell: Any) -> Any:
        """Return the value of a setting; an empty cell of a text table leaves the default."""
        if not self._is_text or not isinstance(cell, str):
            return cell
        # An empty prompt is a slip, not a wish for another row's prompt.
        if not cell.strip() and name != "prompt":
            return None
        return cell if FIELDS[name].type is str else _number(cell)

    def _input(self, name: str, cell: Any) -> Any:
        if self._is_text:
            cell = cell.strip() or None
        known = self.task.known
        if known is None or name not in known.inputs:  # an option, such as join
            return _number(cell) if self._is_text and cell else cell
        if self.path is not None and cell is not None:
            if not isinstance(cell, str):
                raise KandiError(f"{name} is the path of a file, not {shown(cell)}")
            # Beside the table, wherever the command is typed.
            return str(self.path.parent / expanded(cell))
        return cell

    def _check_inputs(self, params: Params, inputs: Mapping[str, Any]) -> None:
        """Raise KandiError for what is missing, and for files that are no pictures."""
        there = {*inputs, *self.shared}
        known = self.task.known
        if known and known.prompt and params.prompt is None and "embedding" not in there:
            raise KandiError(f"{self.task.name} needs a prompt; give a column prompt")
        for name in self.task.required:
            if name not in there:
                raise KandiError(f"{self.task.name} needs {name}; give a column {name}")
        sizes = {
            name: self._size(os.fspath(value), name)
            for name, value in inputs.items()
            if known and name in PICTURES and isinstance(value, (str, os.PathLike))
        }
        if len({tuple(sorted(size)) for size in sizes.values()}) > 1:  # a photo may be turned
            listed = ", ".join(f"{name} {w} × {h}" for name, (w, h) in sizes.items())
            raise KandiError(f"pictures of one row have one size, not {listed}")

    @property
    def _is_text(self) -> bool:
        return self.path is not None and self.path.suffix.lower() in TEXTS


def _size(path: str, name: str) -> tuple[int, int]:
    with opened(path, name) as picture:
        return picture.size


def _template(params: Params) -> Template | None:
    """Return the template that a prompt is, None for one without a brace."""
    prompt = params.prompt
    return Template(prompt) if prompt and set(prompt) & set("{}\\") else None


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _path(source: Any) -> Path | None:
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = expanded(source)
    if not path.suffix and not path.exists():
        raise KandiError(
            f"runs names a table, such as prompts.csv, not {shown(str(source))}; for a prompt "
            f"say kn.Params({shown(str(source))})"
        )
    return path
