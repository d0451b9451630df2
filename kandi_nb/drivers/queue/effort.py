"""How much a picture is to draw, of what one of the usual kind is: pixels cost unequally."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...model.plan.architecture import Part, parts
from ...model.plan.footprint import activity
from ...words.errors import KandiError
from ...words.fields import FIELDS
from ...words.params import Params

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky

_HASTE = 2  # an estimate may be wrong by so much, and others are drawn before
_USUAL = FIELDS["steps"].default


def effort_of(k: Kandinsky, singles: Sequence[Params]) -> float:
    """Return the effort of pictures; 1 is one of the native size, of the usual steps."""
    side = k.spec.native_size
    times = [(s.width or side) * (s.height or side) / side**2 for s in singles]
    if max(times) <= 1:  # the usual case has no need of the networks
        return sum(single.steps / _USUAL for single in singles)
    step, decoding = _costs(k)
    whole = _USUAL * _cost(step, 1) + _cost(decoding, 1)
    each = zip(singles, times, strict=True)
    return sum(s.steps * _cost(step, n) + _cost(decoding, n) for s, n in each) / whole


def _cost(growth: tuple[float, float], times: float) -> float:
    """Return the operations for so many times the native pixels: attention grows with n²."""
    return growth[0] * times + growth[1] * times**2


def _costs(k: Kandinsky) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return how a step's and the decoding's operations grow; by pixels where unknown."""
    try:
        known = {part.name: part for part in parts(k.spec, k.folders)}
        return tuple(_growth(known[name], k.spec.native_size) for name in ("unet", "movq"))
    except (KandiError, KeyError):
        return (1.0, 0.0), (1.0, 0.0)


@functools.lru_cache(maxsize=32)
def _growth(part: Part, native: int) -> tuple[float, float]:
    """Return the shares of a network's operations that grow with n and with n².

    From two sizes, each of which is counted without weights or numbers.
    """
    four, sixteen = (activity(part, native * m, native * m, 1).operations for m in (2, 4))
    square = (sixteen / 16 - four / 4) / 12
    return four / 4 - 4 * square, square


def check_time(worker: Any, order: Any) -> None:
    """Raise KandiError for a size that could not be drawn in time, with one that can."""
    native = worker.k.spec.native_size
    width, height = order.params[0].width or native, order.params[0].height or native
    seconds, deadline = worker.queue.seconds(order.effort), worker.limits.deadline
    if width * height > native**2 and _HASTE * seconds > deadline:
        raise KandiError(
            f"{width} × {height} would take about {seconds:.0f} s here, of at most "
            f"{deadline:g} with the waiting; this model draws {native} × {native}: ask for that"
        )
