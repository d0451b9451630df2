"""What a panel must know of a task to offer it: its name, its inputs, what it needs.

It is read off the table of tasks and the function's own signature, so that a task which is
written tomorrow has its panel, and so has any function of the shape (k, params, **inputs).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ....tasks.checks import Task, check_model, every_task
from ....words.errors import KandiError, did_you_mean, quote
from ....words.fields import FIELDS

# What the panel itself says to a task, or settles by its controls.
_OPTIONS = ("progress", "stop", "preview", "on_preview")
_OURS = ("prompts", "on_step", *_OPTIONS)


@dataclass(frozen=True)
class Call:
    """Say how a task is called: `pictures` and `others` are the inputs that it takes.

    `needed` are those that it cannot do without; `prompt` tells whether it needs one, `options`
    which of progress, stop, preview and on_preview it takes.
    """

    name: str
    function: Callable[..., Any]
    pictures: tuple[str, ...]
    others: tuple[str, ...]
    needed: tuple[str, ...]
    options: tuple[str, ...]
    prompt: bool

    def takes(self, name: str) -> bool:
        """Tell whether the task takes an input of that name."""
        return name in self.pictures or name in self.others

    def check(self, inputs: Iterable[str]) -> None:
        """Raise KandiError for names of inputs that the task does not take."""
        for name in inputs:
            if name in _OURS:
                raise KandiError(f"{name} is the panel's own matter, no input: leave it out")
            if name in FIELDS:
                raise KandiError(f"{name} is a setting: kn.panel(…, kn.Params({name}=…))")
            if not self.takes(name):
                known = (*self.pictures, *self.others)
                takes = ", ".join(known) or "no inputs"
                hint = did_you_mean(name, known)
                raise KandiError(f"{self.name} takes no {name}; {hint}it takes: {takes}")


def call_of(task: Any) -> Call:
    """Return how a task is called; raise KandiError for what is no task."""
    table = every_task()
    for name, known in table.items():
        if task is known.function:
            return _describe(name, known)
    if isinstance(task, str) or not callable(task) or not _of_our_shape(task):
        close = f"kn.{task}" if isinstance(task, str) and task in table else "kn.generate"
        raise KandiError(
            f"panel takes a task itself, such as {close}, not {quote(task)}; tasks: "
            f"{', '.join(table)}"
        )
    return _describe(getattr(task, "__name__", "task"), Task(task, prompt=False))


def possible(call: Call, k: Any) -> bool:
    """Tell whether a model can do a task."""
    try:
        check_able(call, k)
    except KandiError:
        return False
    return True


def check_able(call: Call, k: Any) -> None:
    """Raise KandiError unless `k` is a loaded model that can do the task."""
    if not (hasattr(k, "remote") and getattr(call.function, "takes_clients", False)):
        check_model(k, call.name if call.name in every_task() else None)


def _of_our_shape(task: Callable[..., Any]) -> bool:
    try:
        names = list(inspect.signature(task).parameters)
    except (TypeError, ValueError):
        return False
    return names[:2] == ["k", "params"]


def _describe(name: str, task: Task) -> Call:
    parameters = list(inspect.signature(task.function).parameters.values())[2:]
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
    inputs = [given for given in named if given not in _OURS]
    pictures = tuple(given for given in task.pictures if given in inputs)
    return Call(
        name=name,
        function=task.function,
        pictures=pictures,
        others=tuple(given for given in inputs if given not in pictures),
        needed=tuple(
            given for given in inputs if named[given].default is inspect.Parameter.empty
        ),
        options=tuple(o for o in _OPTIONS if anything or o in named),
        prompt=task.prompt,
    )
