"""Ask a task what it would draw, every setting filled in, and let it draw nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from .errors import KandiError

_ASKED: ContextVar[bool] = ContextVar("_ASKED", default=False)


class Foreseen(BaseException):
    """Carry what a task would draw out of it, from where it would begin to.

    `recipes` are those that its pictures would have, `steps` how many each would take. No
    Exception: a task's own handling of errors must not take it for one.
    """

    def __init__(self, recipes: Sequence[dict[str, Any]], steps: Sequence[int]) -> None:
        super().__init__()
        self.recipes, self.steps = list(recipes), list(steps)


def looking_ahead() -> bool:
    """Tell whether somebody only asks what would be drawn."""
    return _ASKED.get()


def foreseen(task: Callable[..., Any], /, *arguments: Any, **inputs: Any) -> Foreseen:
    """Return what `task(*arguments, **inputs)` would draw; all its checks are made.

    Raises what the task raises for bad input, and KandiError for one that draws without the
    engine, so that nothing can be foreseen of it.
    """
    token = _ASKED.set(True)
    try:
        task(*arguments, **inputs)
    except Foreseen as ahead:
        return ahead
    finally:
        _ASKED.reset(token)
    raise KandiError(f"{task.__name__} drew without saying what; only its own Result knows")
