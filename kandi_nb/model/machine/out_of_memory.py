"""When memory is short: the same work in smaller pieces, and one line when that is no help."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ...words.errors import KandiError
from .device import free

Item = TypeVar("Item")
Made = TypeVar("Made")

# What allocators say, in small letters: PyTorch's own one (Linux, Windows), Apple's and CUDA's,
# cuBLAS, oneDNN and the system.
_COMPLAINTS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
    "could not create a memory object",
    "bad_alloc",
    "cannot allocate memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory was short, on a GPU or in the machine.

    Only CUDA has a class for it in PyTorch; a CPU's allocator raises a plain RuntimeError.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes do not fit"))
    (True, False)
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    said = str(error).casefold()
    return isinstance(error, (RuntimeError, OSError)) and any(c in said for c in _COMPLAINTS)


def in_halves(
    work: Callable[[Sequence[Item]], Iterable[Made]],
    batch: Sequence[Item],
    device: str,
    what: Callable[[Item], str],
    advice: str = "",
    *,
    retreat: Callable[[], bool] = lambda: False,
) -> list[Made]:
    """Return what the work makes of a batch, one each, in halves where memory is too short.

    Where it is too short for a single one, `retreat` is asked to make room, and tells whether
    it could. Raises KandiError when nothing helps, with what `what` says of the single one;
    `advice`, "ask for a smaller one", goes before the general remedies.
    """
    try:
        return list(work(batch))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        shortage = error.with_traceback(None)
    # Only here: the error's traceback kept all that the attempt had in memory.
    free()
    if len(batch) == 1:
        with enough_memory(device, what(batch[0])):
            made_room = retreat()
        if not made_room:
            raise _too_little(device, what(batch[0]), advice) from shortage
        halves = [batch]
    else:
        middle = len(batch) // 2
        halves = [batch[:middle], batch[middle:]]
    return [
        made
        for half in halves
        for made in in_halves(work, half, device, what, advice, retreat=retreat)
    ]


@contextmanager
def enough_memory(device: str, what: str) -> Iterator[None]:
    """Turn a shortage of memory in the block into a KandiError of one line."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise _too_little(device, what) from error.with_traceback(None)


def _too_little(device: str, what: str, advice: str = "") -> KandiError:
    others = "other programs and notebooks' kernels"
    if not device.startswith("cpu"):
        others = "what else uses the GPU"
    remedies = [*filter(None, [advice]), f"close {others}", "or take a smaller model"]
    said = f"{device} has too little memory for {what}; {', '.join(remedies)}"
    return KandiError(f"{said}; see docs/troubleshooting.md#memory")
