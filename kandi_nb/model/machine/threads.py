"""How many CPU threads PyTorch takes: one for small models, its own number for large ones."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, MutableMapping
from pathlib import Path

# Bytes of weights. The bundled models have 16 to 55 MB, the published ones gigabytes; between
# them a second thread begins to bring more than the many short waits for it cost.
SMALL = 2**28
USERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
WAITING = "OMP_WAIT_POLICY"

_lock = threading.Lock()
_mine = threading.local()  # what `choose` set in this thread: OpenMP counts for each thread
_chosen: set[int] = set()  # … and anywhere: later threads begin with it
_own: int | None = None  # PyTorch's number before anything was set
_large = False


def wait_passively(environment: MutableMapping[str, str]) -> None:
    """Let threads that wait sleep, in the environment of a process that has no torch yet.

    Left alone they spin, and take the cores from every other process that has work to do. A
    policy that is set stays, and nothing is changed for this process once torch is loaded.
    """
    if environment is os.environ and "torch" in sys.modules:
        return
    environment.setdefault(WAITING, "PASSIVE")


def choose(folders: Iterable[Path], device: str = "cpu") -> None:
    """Set PyTorch's CPU threads by the size of the weights that are about to be loaded.

    One while all models so far are small: in four processes at once, or beside a busy one,
    threads that wait for each other take many times as long. A large model gets PyTorch's own
    number back. What the user set, by OMP_NUM_THREADS or `torch.set_num_threads`, stays.
    """
    global _own, _large
    if not device.startswith("cpu"):
        return
    import torch

    with _lock:
        if users_own():
            return
        _own = _own or torch.get_num_threads()
        _large = _large or _bytes(folders) > SMALL
        _mine.number = _own if _large else 1
        _chosen.add(_mine.number)
        torch.set_num_threads(_mine.number)


def share_out(processes: int) -> None:
    """Let a large model take only its part of the cores, where so many processes draw."""
    global _own
    import torch

    with _lock:
        _own = max(1, torch.get_num_threads() // processes)


def users_own() -> str:
    """Return what the user set the number of threads by, or nothing."""
    import torch

    for name in USERS:
        if os.environ.get(name):
            return name
    number = torch.get_num_threads()
    set_here = getattr(_mine, "number", None)
    usual = _usual() | _chosen if set_here is None else {set_here}
    return "" if number in usual else "torch.set_num_threads"


def describe_threads() -> str:
    """Return in words how many threads models on the CPU get, and why."""
    import torch

    if setting := users_own():
        return f"{torch.get_num_threads()}, set by {setting}"
    own = _own or torch.get_num_threads()
    return f"1 for small models, {own} for large ones" if own > 1 else "1"


def _bytes(folders: Iterable[Path]) -> int:
    files = (file for folder in folders for file in Path(folder).rglob("*.safetensors"))
    return sum(file.stat().st_size for file in files)


def _usual() -> set[int]:
    """Return the numbers that PyTorch may begin with: cores, or those this process may use."""
    numbers = {os.cpu_count() or 1}
    if hasattr(os, "sched_getaffinity"):
        numbers.add(len(os.sched_getaffinity(0)))
    try:
        import psutil
    except ImportError:  # `kn.check()` names it
        return numbers
    return numbers | {psutil.cpu_count(logical=False) or 1}
