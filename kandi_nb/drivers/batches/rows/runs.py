"""What a batch is asked for: pictures one by one, each with its settings and its own inputs.

They come from Params, from rows in Python or from a table file, and are looked at twice: all
of them before anything runs, then as they are drawn. Neither keeps them.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....pictures.images import open_source
from ....pictures.reading.rows import TEXTS, rows
from ....tasks.checks import Task, every_task
from ....words.errors import KandiError, collected_warnings, did_you_mean, quote
from ....words.fields import ALIASES, FIELDS, number_or_text
from ....words.files import beside, expand_path
from ....words.params import RANDOM, SEEDS, Params, is_random, read_seed
from ....words.tasks import is_picture
from .templates import Chance, Texts, many


@dataclass(frozen=True)
class Run:
    """Say one picture: the row that asks for it, its Params, and what else that row has."""

    row: int
    params: Params
    inputs: Mapping[str, Any] = field(default_factory=dict)


# Where templates are expanded.
TEXT_COLUMNS = tuple(name for name, setting in FIELDS.items() if setting.type is str)
MOST_WAYS = 10**7  # pictures of one row: more are a slip, and nobody's disk holds them


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


def task_call(task: Any) -> Asked:
    """Return what is known of a task, given by itself or by its name; raise KandiError."""
    tasks = every_task()
    if isinstance(task, str) and task in tasks:
        task = tasks[task].function
    if not callable(task):
        hint = did_you_mean(task, tasks) if isinstance(task, str) else ""
        raise KandiError(
            f"batch takes a task, such as kn.generate, not {quote(task)}; {hint}known by name: "
            f"{', '.join(tasks)}"
        )
    name = next((name for name, row in tasks.items() if row.function is task), None)
    known = tasks[name] if name else None
    parameters = inspect.signature(task).parameters
    words = [each for each in parameters.values() if each.kind != each.VAR_KEYWORD][2:]
    inputs = (*known.inputs, *known.options) if known else tuple(word.name for word in words)
    if len(parameters) < 2:
        raise KandiError(f"{quote(task)} is no task: those are called as task(k, params)")
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
        defaults: Params | Mapping[str, Any] | None = None,
        shared: tuple[str, ...] = (),
        sample: int | None = None,
    ) -> None:
        self.chance = Chance()
        self.path = _path(source)
        self.source = [source] if isinstance(source, Params) else source
        self.task, self.shared, self.sample = task, shared, sample
        given = defaults if isinstance(defaults, Mapping) else {}
        self._random = [name for name in SEEDS if is_random(given.get(name))]
        self.defaults = _default_params(defaults, self._random)
        if self.path is None and not isinstance(self.source, (list, tuple)):
            raise KandiError(
                "runs is Params, a list of them, such as kn.sweep gives, or the path of a "
                f"table, not {quote(source)}"
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
                params, inputs = self._read(number, row)
                self._check_inputs(params, inputs)
                count += params.count * self._ways(params)
        if not count:
            raise KandiError(f"{self.name} has no rows; give at least one")
        return count

    def __iter__(self) -> Iterator[Run]:
        for number, row in self._rows():
            with self._naming(number), collected_warnings():  # `check` said them
                params, inputs = self._read(number, row)
                texts = Texts({name: getattr(params, name) for name in TEXT_COLUMNS})
            for changes in texts.sample(self.sample) if self.sample else texts:
                for single in params.replace(**changes).singles():
                    yield Run(number, single, inputs)

    def _ways(self, params: Params) -> int:
        """Return how many texts a row stands for, those that are taken; raise KandiError."""
        texts = Texts({name: getattr(params, name) for name in TEXT_COLUMNS})
        texts.check_prompt()
        ways = min(texts.count, self.sample or texts.count)
        if ways * params.count > MOST_WAYS:
            raise KandiError(
                f"{quote(params.prompt)} stands for {many(texts.count)} texts; take some of "
                "them: sample=100"
            )
        return ways

    def _rows(self) -> Iterator[tuple[int, Any]]:
        return enumerate(self.source, start=1) if self.path is None else rows(self.path)

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        """Name the row in an error."""
        try:
            yield
        except KandiError as error:
            where = "run" if self.path is None else f"{self.path.name}, row"
            raise KandiError(f"{where} {number}: {error}", about=error.about) from None

    def _read(self, number: int, row: Any) -> tuple[Params, dict[str, Any]]:
        """Return the settings and the inputs of a row."""
        if isinstance(row, Params):
            return row, {}
        if not isinstance(row, Mapping):
            raise KandiError(f"a run is Params or a dict of columns, not {quote(row)}")
        settings, inputs = {}, {}
        for name, cell in row.items():
            if name in FIELDS:
                settings[name] = self._setting(name, cell)
            elif name in self.task.inputs:
                inputs[name] = self._input(name, cell)
            else:
                self._refuse(name)
        settings = {name: value for name, value in settings.items() if value is not None}
        for name in SEEDS:
            if is_random(settings.get(name, RANDOM if name in self._random else None)):
                settings[name] = self.chance.seed(number, name)
        inputs = {name: value for name, value in inputs.items() if value is not None}
        return self.defaults.replace(**settings), inputs

    def _refuse(self, name: Any) -> None:
        columns = [*FIELDS, *self.task.inputs]
        word = str(name)
        hint = did_you_mean(ALIASES.get(word.casefold(), word), columns)
        raise KandiError(
            f"unknown column {quote(name)}; {hint}{self.task.name} takes: {', '.join(columns)}"
        )

    def _setting(self, name: str, cell: Any) -> Any:
        """Return the value of a setting; an empty cell of a text table leaves the default."""
        if name in SEEDS and cell is not None and str(cell).strip():
            return cell if is_random(cell) else read_seed(name, cell)
        if not self._is_text or not isinstance(cell, str):
            return cell
        # An empty prompt is a slip, not a wish for another row's prompt.
        if not cell.strip() and name != "prompt":
            return None
        return cell if FIELDS[name].type is str else _cell_number(cell)

    def _input(self, name: str, cell: Any) -> Any:
        if self._is_text:
            cell = cell.strip() or None
        known = self.task.known
        if known is None or name not in known.inputs:  # an option, such as join
            return _cell_number(cell) if self._is_text and cell else cell
        if self.path is not None and cell is not None:
            if not isinstance(cell, str):
                raise KandiError(f"{name} is the path of a file, not {quote(cell)}")
            # Beside the table, wherever the command is typed.
            return str(beside(self.path.parent, cell))
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
            if known and is_picture(name) and isinstance(value, (str, os.PathLike))
        }
        if len({tuple(sorted(size)) for size in sizes.values()}) > 1:  # a photo may be turned
            listed = ", ".join(f"{name} {w} × {h}" for name, (w, h) in sizes.items())
            raise KandiError(f"pictures of one row have one size, not {listed}")

    @property
    def _is_text(self) -> bool:
        return self.path is not None and self.path.suffix.lower() in TEXTS


def _size(path: str, name: str) -> tuple[int, int]:
    with open_source(path, name) as picture:
        return picture.size


def _default_params(
    defaults: Params | Mapping[str, Any] | None, random: Sequence[str]
) -> Params:
    """Return the defaults as Params, but for seeds by chance, which each row draws."""
    if defaults is None or isinstance(defaults, Params):
        return defaults or Params()
    fixed = {name: value for name, value in defaults.items() if name not in random}
    seeds = {name: read_seed(name, fixed[name]) for name in SEEDS if name in fixed}
    return Params.from_dict({**fixed, **seeds})


def _cell_number(text: str) -> Any:
    """Return the number that a cell says, 2,5 for 2.5 too; other text as it is.

    >>> [_cell_number(text) for text in ("2.5", "2,5", "0,125", "7 ", "x")]
    [2.5, 2.5, 0.125, 7, 'x']
    """
    text = text.strip()
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", text, re.ASCII):
        plain = text.replace(",", "")
        raise KandiError(
            f"{text} may be {plain} or a fraction; write it without the comma, or with a point"
        )
    if re.fullmatch(r"[+-]?\d*,\d+", text, re.ASCII):
        text = text.replace(",", ".")
    return number_or_text(text)


def _path(source: Any) -> Path | None:
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = expand_path(source)
    if not path.suffix and not path.exists():
        raise KandiError(
            f"runs names a table, such as prompts.csv, not {quote(str(source))}; for a prompt "
            f"say kn.Params({quote(str(source))})"
        )
    return path
