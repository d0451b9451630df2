"""Words beside pictures: the settings in which they differ."""

from __future__ import annotations

from collections.abc import Sequence

from ..words.params import FIELDS, Params


def labels(params: Sequence[Params], *, leave_out: Sequence[str] = ()) -> list[str]:
    """Return one label per Params: the settings that differ, or prompt and seed when none does.

    Settings in `leave_out` are never named, for they stand elsewhere, such as before the row.

    >>> labels([Params("a cat", seed=0), Params("a cat", seed=1)])
    ['seed 0', 'seed 1']
    """
    differing = [n for n in FIELDS if len({getattr(p, n) for p in params}) > 1]
    names = [n for n in differing or ["prompt", "seed"] if n not in leave_out]
    return [" · ".join(_label(p, n) for n in names) for p in params]


def _label(params: Params, name: str) -> str:
    value = getattr(params, name)
    if name == "prompt":
        return value
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
    return f"{name.replace('_', ' ')} {text}"
