"""The settings of a picture: type, range, default and help of each, declared once.

Sliders, the command line and the checks of `Params` read this table.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import KandiError, did_you_mean, shown, warn


@dataclass(frozen=True)
class Setting:
    """Describe one field of `Params`: its type, range, default and a line of help.

    `low` and `high` are inclusive and None for text; `step` is a sensible slider step;
    `optional` means that None is allowed. `tasks` names those that use it (None: all), `role`
    the pipeline that reads it (None: any); a model without that pipeline does not use it.
    """

    type: type
    low: float | None
    high: float | None
    default: Any
    help: str
    step: float | None = None
    optional: bool = False
    tasks: tuple[str, ...] | None = None
    role: str | None = None

    def used_by(self, task: str, roles: Iterable[str]) -> bool:
        """Tell whether a task on a model with these roles makes anything of the field."""
        return (self.tasks is None or task in self.tasks) and self.role in (None, *roles)


_GIVEN = ("edit", "inpaint", "outpaint", "upscale")  # tasks that start from a picture

FIELDS: dict[str, Setting] = {
    "prompt": Setting(str, None, None, None, "what the picture shows", optional=True),
    "negative": Setting(str, None, None, None, "what it should not show", optional=True),
    "steps": Setting(int, 2, 1000, 25, "denoising steps of the decoder", 1),
    "guidance": Setting(float, 1, 30, 4.0, "how strictly the decoder obeys", 0.5),
    "prior_steps": Setting(int, 2, 1000, 25, "denoising steps of the prior", 1, role="prior"),
    "prior_guidance": Setting(
        float, 1, 30, 4.0, "how strictly the prior obeys the text", 0.5, role="prior"
    ),
    "strength": Setting(
        float, 0.01, 1, None, "how much of a given picture is redrawn", 0.05, True, _GIVEN
    ),
    "width": Setting(int, 64, 4096, None, "pixels, rounded up to a multiple of 64", 64, True),
    "height": Setting(int, 64, 4096, None, "pixels, rounded up to a multiple of 64", 64, True),
    "seed": Setting(int, 0, 2**63 - 1, 0, "number that fixes the decoder's noise", 1),
    "prior_seed": Setting(
        int, 0, 2**63 - 1, 0, "number that fixes the prior's noise", 1, role="prior"
    ),
    "count": Setting(int, 1, 64, 1, "pictures; picture i uses seed + i", 1),
}

# Names that people bring from elsewhere and that look too different for difflib to guess.
ALIASES = {
    "text": "prompt",
    "negative_prompt": "negative",
    "num_inference_steps": "steps",
    "num_steps": "steps",
    "guidance_scale": "guidance",
    "cfg": "guidance",
    "cfg_scale": "guidance",
    "prior_num_inference_steps": "prior_steps",
    "prior_guidance_scale": "prior_guidance",
    "denoising_strength": "strength",
    "generator": "seed",
    "num_images_per_prompt": "count",
    "num_images": "count",
    "batch_size": "count",
    "n": "count",
    "w": "width",
    "h": "height",
}


LONGEST_TEXT = 100_000  # characters of a prompt: a thousand times what any model reads


def refuse_unknown(names: Iterable[str]) -> None:
    """Raise KandiError, with the nearest name, for the first that is not in `FIELDS`."""
    for name in names:
        if name not in FIELDS:
            hint = did_you_mean(ALIASES.get(name.casefold(), name), FIELDS)
            raise KandiError(f"unknown setting {shown(name)}; {hint}known: {', '.join(FIELDS)}")


def checked(name: str, value: Any) -> Any:
    """Return the value as the plain Python type of its field, or raise KandiError."""
    setting = FIELDS[name]
    if value is None and setting.optional:
        return None
    if setting.type is str:
        return _checked_text(name, value)
    number = _as_int(name, value) if setting.type is int else _as_float(name, value)
    if not setting.low <= number <= setting.high:
        raise KandiError(f"{name} must be {_range(setting)}, not {shown(value)}")
    return _rounded_up(name, number) if name in ("width", "height") else number


def _checked_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise KandiError(f"{name} must be text in quotes, not {shown(value)}")
    if name == "prompt" and not value.strip():
        raise KandiError('prompt is empty; say what to draw, for example "a red fox in space"')
    return readable(name, value)


def readable(name: str, value: str) -> str:
    """Return a text that a model can be given; raise KandiError, with its name, for others."""
    if len(value) > LONGEST_TEXT:
        raise KandiError(
            f"{name} is {len(value):,} characters long, at most {LONGEST_TEXT:,} are taken; "
            "models read a few sentences, so shorten it"
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise KandiError(
            f"{name} holds half a character at position {error.start} (a lone surrogate); "
            "type or paste the text again"
        ) from None
    return str(value)


def _as_int(name: str, value: Any) -> int:
    try:
        # By name too: NumPy's own bool passes for an index before NumPy 2.3.
        if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
            raise TypeError
        return operator.index(value)
    except TypeError:
        wanted = f"a whole number, {_range(FIELDS[name])}"
        raise KandiError(f"{name} must be {wanted}, not {shown(value)}") from None


def _as_float(name: str, value: Any) -> float:
    # numbers.Real covers Python's and NumPy's numbers, but not text, arrays or NumPy's bool.
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise KandiError(f"{name} must be a number, {_range(FIELDS[name])}, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # a whole number or fraction beyond what a float can hold
        raise KandiError(f"{name} must be {_range(FIELDS[name])}, not {shown(value)}") from None
    if not math.isfinite(number):
        raise KandiError(
            f"{name} must be a finite number, {_range(FIELDS[name])}, not {number}"
        )
    return number


def _rounded_up(name: str, number: int) -> int:
    rounded = -(-number // 64) * 64
    if rounded != number:
        warn(f"{name} {number} → {rounded}: sizes are multiples of 64")
    return rounded


def _range(setting: Setting) -> str:
    none = " (or None for the model's own)" if setting.optional else ""
    return f"from {setting.low} to {setting.high}{none}"


def number_or_text(text: str) -> Any:
    """Return the number that a text says, or the text itself, to be checked and quoted later.

    >>> number_or_text("25"), number_or_text("2.5"), number_or_text("many")
    (25, 2.5, 'many')
    """
    for reading in (int, float):
        if len(text) > 400:  # no number that anybody means, and long ones are slow to read
            break
        try:
            return reading(text)
        except ValueError:
            continue
    return text
