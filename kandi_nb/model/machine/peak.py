"""How much memory a block of code needs at its worst moment."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass
class Peak:
    """Hold what `track_peak` measured, in MiB; `peak_mb` is None until the block has ended.

    `held_mb` was in use when the block began, `peak_mb` came on top of it at the worst moment.
    """

    held_mb: float | None = None
    peak_mb: float | None = None


@contextmanager
def track_peak(device: str = "cpu") -> Iterator[Peak]:
    """Measure how much more memory a block needs than was in use before it.

    On cuda what torch has allocated, otherwise the resident memory of the process. The CPU
    reading is exact on Linux; elsewhere the system only tells the highest value since the
    process began, so a block that stays below an earlier peak reads 0. What goes while the
    block runs, such as garbage from before, makes room that is not counted: collect it first
    where that matters. Blocks may lie inside of each other.

    >>> import gc
    >>> found = gc.collect()
    >>> with track_peak() as peak:
    ...     block = bytearray(200_000_000)
    >>> peak.peak_mb > 160
    True
    """
    for outer in _open:  # what they saw so far is lost when the high-water mark is set back
        outer.look()
    start, highest = _cuda_meter(device) if device.startswith("cuda") else _resident_meter()
    meter = _Meter(highest, start)
    _open.append(meter)
    peak = Peak(held_mb=start / MIB)
    try:
        yield peak
    finally:
        _open.remove(meter)
        peak.peak_mb = max(0.0, (meter.look() - start) / MIB)


@dataclass(eq=False)
class _Meter:
    """Hold the most that was seen in an open block, and how to look again."""

    highest: Callable[[], int]
    seen: int

    def look(self) -> int:
        self.seen = max(self.seen, self.highest())
        return self.seen


_open: list[_Meter] = []


def _cuda_meter(device: str) -> tuple[int, Callable[[], int]]:
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device), lambda: torch.cuda.max_memory_allocated(device)


def _resident_meter() -> tuple[int, Callable[[], int]]:
    import psutil

    start = psutil.Process().memory_info().rss
    with suppress(OSError):  # Linux: writing 5 sets the high-water mark back to the present
        Path("/proc/self/clear_refs").write_text("5")
    return start, _resident_peak


def _resident_peak() -> int:
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text()
        if peak := re.search(r"^VmHWM:\s+(\d+) kB", status, re.M):
            return int(peak[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024
