"""From a claim's figure and a measured value to a verdict: by rules, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...words.bounds import as_real
from ...words.errors import KandiError, quote
from .claims import Claim

HOLDS, FAILS, DEPENDS = "holds", "does not hold", "depends"
NEAR = 1.25  # times: prices and seconds that are nearer are about the same


def verdict(claim: Claim, value: Any) -> str:
    """Return "holds", "does not hold" or "depends"; for None what it needs to be measured.

    Raises KandiError for a value that the claim's rule cannot read.
    """
    if value is None:
        return f"needs {claim.needs or 'a measurement'}: not run here"
    name, limits = claim.rule["name"], dict(claim.rule)
    limits.pop("name")
    return RULES[name](claim.figure, read_value(claim, value), **limits)


def read_value(claim: Claim, value: Any) -> Any:
    """Return a value as the claim's rule takes it; raise KandiError for any other."""
    rule = claim.rule["name"]
    if rule == "true":
        if isinstance(value, bool):
            return value
        raise KandiError(f"{claim.id} is decided by True or False, not {quote(value)}")
    if rule == "fits" and _amount(value):  # one figure: all that it took
        return {"resident": float(value), "exact": float(value)}
    names = {"fits": ("resident", "exact"), "cards": ("whole", "exact")}.get(rule)
    if names is None:
        signed = rule == "at most"  # a difference may be below nothing
        if _amount(value, signed):
            return float(value)
        raise KandiError(f"{claim.id} is decided by a number from 0, not {quote(value)}")
    if isinstance(value, Mapping) and all(_amount(value.get(name)) for name in names):
        return value
    raise KandiError(f"{claim.id} is decided by {' and '.join(names)}, not {quote(value)}")


def _amount(value: Any, signed: bool = False) -> bool:
    number = as_real(value)
    return number is not None and (signed or number >= 0)


def _fits(figure: float, value: Mapping[str, float]) -> str:
    """A claim of memory holds when everything fits, and depends when some exact plan does."""
    if value["resident"] <= figure:
        return HOLDS
    return DEPENDS if value["exact"] <= figure else FAILS


def _cards(figure: int, value: Mapping[str, int]) -> str:
    if value["whole"] >= figure:
        return HOLDS
    return DEPENDS if value["exact"] >= figure else FAILS


def _about(figure: float, value: float) -> str:
    return HOLDS if figure / NEAR <= value <= figure * NEAR else FAILS


def _at_least(figure: float, value: float, than: float, half: float) -> str:
    """Below `than` it depends, below `half` it does not hold."""
    return HOLDS if value >= than else DEPENDS if value >= half else FAILS


def _at_most(figure: float, value: float, than: float) -> str:
    return HOLDS if value <= than else FAILS


def _same(figure: Any, value: Any) -> str:
    return HOLDS if value == figure else FAILS


RULES: dict[str, Callable[..., str]] = {
    "fits": _fits,
    "cards": _cards,
    "about": _about,
    "at least": _at_least,
    "at most": _at_most,
    "equal": _same,
    "true": _same,
}
