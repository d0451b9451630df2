"""Switches of torch that a caller has on reach no pixel: off in a task, then on again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

_AUTOCASTS = ("cpu", "cuda", "mps", "xpu")


class _Switch(NamedTuple):
    """Hold how a switch of the whole process is read and set, and what tasks need."""

    read: Callable[[], Any]
    set: Callable[[Any], None]
    ours: Any


class _Process:
    """Hold how many tasks run in a process, and what the caller had before the first."""

    def __init__(self) -> None:
        self.lock, self.tasks = threading.Lock(), 0
        self.before: list[tuple[_Switch, Any]] = []


_PROCESSES: dict[int, _Process] = {}  # by id: a forked one begins anew


@contextmanager
def usual_switches() -> Iterator[None]:
    """Let torch be in the block as it is when a program begins, and then as the caller had it.

    Autocast is off on every device, new tensors are float32 and on the CPU, matrices are
    multiplied in full precision, and no algorithm is refused. Recipes say in which number
    format a picture was drawn, and no switch that they do not name may change it. What belongs
    to a thread is changed for this one alone; the rest when the first task begins, until the
    last one ends.
    """
    import torch

    with ExitStack() as stack:
        for kind in _AUTOCASTS:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_usual_in_process())
        yield


@contextmanager
def _usual_in_process() -> Iterator[None]:
    here = _PROCESSES.setdefault(os.getpid(), _Process())
    with here.lock:
        if not here.tasks:
            for switch in _switches():
                if (now := switch.read()) != switch.ours:
                    here.before.append((switch, now))
                    switch.set(switch.ours)
        here.tasks += 1
    try:
        yield
    finally:
        with here.lock:
            here.tasks -= 1
            while here.before and not here.tasks:
                switch, before = here.before.pop()
                switch.set(before)


def _switches() -> list[_Switch]:
    import torch

    def deterministic() -> tuple[bool, bool]:
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        )

    return [
        _Switch(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        _Switch(
            deterministic,
            lambda both: torch.use_deterministic_algorithms(both[0], warn_only=both[1]),
            (False, False),
        ),
        _Switch(
            torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"
        ),
    ]
