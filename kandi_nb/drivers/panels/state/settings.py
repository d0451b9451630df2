"""What a panel offers of each setting: a slider's reach, sizes, and what a task uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....words.fields import FIELDS, names_of

# Up to where a slider goes at first: the table's own limits leave no room to aim. A higher
# number can be typed, up to those limits, and takes the slider along.
_REACH = {"steps": 100, "guidance": 16, "prior_steps": 100, "prior_guidance": 16, "count": 8}
SIZES = names_of(kind="size")
_GRID = 64  # pixels: sizes are multiples of it


def reach(name: str) -> tuple[float, float, float]:
    """Return lowest value, highest and step of a setting's slider."""
    setting = FIELDS[name]
    low = setting.step if setting.low < setting.step else setting.low  # 0.05, not 0.01, 0.06 …
    return low, _REACH.get(name, setting.high), setting.step


def sizes(native: int) -> list[int]:
    """Return the widths, or heights, that are sensible for a model of that native size.

    Far below it and beyond twice of it, Kandinsky models repeat their subject.

    >>> sizes(64)
    [64, 128]
    """
    least = max(_GRID, native // 2)
    return list(range(least, 2 * native + 1, _GRID))


def text_of(typed: str) -> str | None:
    """Return a text that was typed; an empty one is none."""
    return typed if typed.strip() else None


def used_fields(task: str, roles: Sequence[str]) -> list[str]:
    """Return the names of the settings that a task on a model with these roles uses."""
    return [name for name, field in FIELDS.items() if field.used_by(task, roles)]


def idle(task: str, roles: Sequence[str]) -> dict[str, Any]:
    """Return name → default of the settings that it does not use."""
    used = used_fields(task, roles)
    return {name: field.default for name, field in FIELDS.items() if name not in used}
