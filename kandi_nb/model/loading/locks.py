"""The lock of a loaded model: one task at a time, and a new one in a forked process.

Only the thread that forked goes on in the child. What another thread held there, or had half
done with a network, stays so for ever: such a model is read anew where it is used.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ...words.errors import KandiError
from ..progress import progress_bar

_WAIT = 0.05  # seconds between two looks at the stop button while another thread draws


@contextmanager
def turn(lock: Any, running: list[bool], model: str, stop: Any) -> Iterator[None]:
    """Hold a model's lock in the block, in which `running` has an entry; wait for it.

    `stop`, anything with is_set(), ends the waiting. Raises KandiError inside a task of the
    same thread, such as in its callback.
    """
    while not lock.acquire(timeout=_WAIT):
        progress_bar(0, "", shown=False, stop=stop).check()
    try:
        if running:
            raise KandiError(
                f"this {model} is at work on another task, from whose callback it cannot be "
                "used; wait until that task is done, or load the model once more"
            )
        running.append(True)
        try:
            yield
        finally:
            running.clear()
    finally:
        lock.release()


class Model(Protocol):
    """Say what is asked of a loaded model here."""

    lock: Any
    placement: Any

    def begin_anew(self, lock: Any, placement: Any) -> None: ...


_models: weakref.WeakSet[Model] = weakref.WeakSet()


def remember(k: Model) -> None:
    """Have a model looked at in forked processes."""
    _models.add(k)


def _in_child() -> None:
    models = list(_models)
    if not models:
        return
    torch = sys.modules.get("torch")
    if torch is not None:  # the other threads of OpenMP are not here to be waited for
        torch.set_num_threads(1)
    # Light copies of a model share its lock, and what is read anew.
    fresh = {id(lock): threading.RLock() for lock in [k.lock for k in models] if _is_lost(lock)}
    placements: dict[int, Any] = {}
    for k in models:
        if lock := fresh.get(id(k.lock)):
            k.begin_anew(lock, placements.setdefault(id(k.placement), k.placement.anew()))


def _is_lost(lock: Any) -> bool:
    """Tell whether a thread holds a lock that is not here."""
    if lock.acquire(blocking=False):
        lock.release()
        return False
    return True


with contextlib.suppress(AttributeError):  # Windows does not fork
    os.register_at_fork(after_in_child=_in_child)
