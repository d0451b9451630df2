"""Numbers that a user gives: one check for whole ones, one for all, NumPy's included."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable
from typing import Any

from .errors import KandiError, quote


def whole(
    name: str, value: Any, least: int = 0, most: int | None = None, says: str | None = None
) -> int:
    """Return a whole number as Python's int; raise KandiError for others, and out of range.

    `least` and `most` are inclusive. `says` replaces the sentence that names what is wanted.

    >>> whole("columns", 3, 1)
    3
    """
    number = as_whole(value)
    if number is None or number < least or (most is not None and number > most):
        wanted = says or f"{name} is a whole number {_range(least, most)}"
        raise KandiError(f"{wanted}, not {quote(value)}", about=name)
    return number


def real(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    says: str | None = None,
    *,
    above: float = -math.inf,
) -> float:
    """Return a finite number as Python's float; raise KandiError for others, and out of range.

    `least` and `most` are inclusive, `above` is not. `says` is as in `whole`.

    >>> real("gamma", 2, above=0)
    2.0
    """
    number = as_real(value)
    if number is None or not least <= number <= most or not number > above:
        low = f"above {above:g}" if above > -math.inf else _range(least, most)
        wanted = says or f"{name} is a number {low}"
        raise KandiError(f"{wanted}, not {quote(value)}", about=name)
    return number


def check_port(port: Any) -> int:
    """Return the number of a port; raise KandiError unless it is whole, from 0 to 65535."""
    return whole("port", port, 0, 65535, "a port is a whole number from 0 to 65535")


def as_whole(value: Any) -> int | None:
    """Return a whole number of any library as int, None for what is none; a truth is none."""
    if _is_truth(value):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def as_real(value: Any) -> float | None:
    """Return a finite number of any library as float, None for what is none."""
    if _is_truth(value) or not isinstance(value, numbers.Real):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number or fraction beyond what a float can hold
        return None
    return number if math.isfinite(number) else None


def _is_truth(value: Any) -> bool:
    # By name too: NumPy's own bool passes for an index before NumPy 2.3.
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _range(least: float, most: float | None) -> str:
    if most is None or most == math.inf:
        return f"from {least:g}" if least > -math.inf else ""
    return f"from {least:g} to {most:,g}" if most < 1e6 else f"from {least:g} to {most:,}"


def first_duplicate(names: Iterable[str]) -> str | None:
    """Return the first of some names that has stood before, None where each is its own.

    >>> first_duplicate(["seed", "steps", "seed"])
    'seed'
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
