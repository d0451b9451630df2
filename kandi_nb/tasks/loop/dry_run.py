"""Ask a task what it would draw, every setting filled in, and let it draw nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ...words.errors import KandiError

_RUNS: ContextVar[list[DryRun] | None] = ContextVar("_RUNS", default=None)


@dataclass
class DryRun:
    """Hold what a task would draw: the engine returns it in the place of a Result.

    `recipes` are those that its pictures would have, `steps` how many each would take.
    """

    recipes: list[dict[str, Any]]
    steps: list[int]

    def note(self) -> Any:
        """Return it as what the engine's run came to, and keep it for who asked."""
        runs = _RUNS.get()
        if runs is not None:
            runs.append(self)
        return self


def is_dry() -> bool:
    """Tell whether somebody only asks what would be drawn."""
    return _RUNS.get() is not None


def dry_run(task: Callable[..., Any], /, *arguments: Any, **inputs: Any) -> DryRun:
    """Return what `task(*arguments, **inputs)` would draw; all its checks are made.

    Of a task that runs the engine more than once it is the first run. Raises what the task
    raises for bad input, and KandiError for one that draws without the engine, so that nothing
    can be said of it.
    """
    runs: list[DryRun] = []
    token = _RUNS.set(runs)
    try:
        task(*arguments, **inputs)
    except Exception:
        if not runs:  # else it missed the pictures that a dry run does not have
            raise
    finally:
        _RUNS.reset(token)
    if not runs:
        raise KandiError(f"{task.__name__} drew without saying what; only its own Result knows")
    return runs[0]
