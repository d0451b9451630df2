"""The settings of a picture: one frozen, validated record that JSON can hold.

Every range is declared once, in `FIELDS`: sliders, the command line and the checks read it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from .errors import Cancelled, KandiError, KandiWarning, nearest, shown, warn

__all__ = [
    "ALIASES",
    "FIELDS",
    "Cancelled",
    "KandiError",
    "KandiWarning",
    "Params",
    "Setting",
    "nearest",
    "sweep",
    "warn",
]


@dataclass(frozen=True)
class Setting:
    """Describe one field of `Params`: its type, range, default and a line of help.

    `low` and `high` are inclusive and None for text; `step` is a sensible slider step;
    `optional` means that None is allowed.
    """

    type: type
    low: float | None
    high: float | None
    default: Any
    help: str
    step: float | None = None
    optional: bool = False


FIELDS: dict[str, Setting] = {
    "prompt": Setting(str, None, None, None, "what the picture shows"),
    "negative": Setting(str, None, None, None, "what it should not show", optional=True),
    "steps": Setting(int, 2, 1000, 25, "denoising steps of the decoder", 1),
    "guidance": Setting(float, 1, 30, 4.0, "how strictly the decoder obeys the prior", 0.5),
    "prior_steps": Setting(int, 2, 1000, 25, "denoising steps of the prior", 1),
    "prior_guidance": Setting(float, 1, 30, 4.0, "how strictly the prior obeys the text", 0.5),
    "strength": Setting(float, 0.01, 1, 0.3, "how much of a given picture is redrawn", 0.05),
    "width": Setting(int, 64, 4096, None, "pixels, rounded up to a multiple of 64", 64, True),
    "height": Setting(int, 64, 4096, None, "pixels, rounded up to a multiple of 64", 64, True),
    "seed": Setting(int, 0, 2**63 - 1, 0, "number that fixes the decoder's noise", 1),
    "prior_seed": Setting(int, 0, 2**63 - 1, 0, "number that fixes the prior's noise", 1),
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


def _with_plain_errors(cls: type) -> type:
    """Make a wrong constructor call a KandiError that names the remedy, not a TypeError."""
    fill = cls.__init__

    @functools.wraps(fill)
    def __init__(self, *args, **named):
        _refuse_unknown(named)
        if len(args) > 1:
            raise KandiError(
                "Params takes one value without a name, the prompt; name the others: "
                f'Params("a red fox", steps=25), not {len(args)} values in a row'
            )
        if not args and "prompt" not in named:
            raise KandiError(
                'prompt is missing; say what to draw: Params("a red fox in space")'
            )
        if args and "prompt" in named:
            raise KandiError("prompt is given twice, without and with its name; give it once")
        fill(self, *args, **named)

    cls.__init__ = __init__
    return cls


@_with_plain_errors
@dataclass(frozen=True, repr=False)
class Params:
    """Hold every setting of a run; values are checked and converted when it is made.

    Only the prompt may stand without its name: `Params("a red fox", steps=25, seed=7)`.
    Ranges are those of `FIELDS`. Width and height None mean the model's native size; others
    are rounded up to a multiple of 64 with a KandiWarning. Picture i of a run uses `seed + i`
    and equals the single run `replace(seed=seed + i, count=1)`. The prior has its own
    `prior_seed`, so that the embedding depends on the text alone. Raises KandiError.
    """

    prompt: str
    _: KW_ONLY
    negative: str | None = FIELDS["negative"].default
    steps: int = FIELDS["steps"].default
    guidance: float = FIELDS["guidance"].default
    prior_steps: int = FIELDS["prior_steps"].default
    prior_guidance: float = FIELDS["prior_guidance"].default
    strength: float = FIELDS["strength"].default
    width: int | None = FIELDS["width"].default
    height: int | None = FIELDS["height"].default
    seed: int = FIELDS["seed"].default
    prior_seed: int = FIELDS["prior_seed"].default
    count: int = FIELDS["count"].default

    def __post_init__(self) -> None:
        for name in FIELDS:
            object.__setattr__(self, name, _checked(name, getattr(self, name)))
        if self.seed + self.count - 1 > FIELDS["seed"].high:
            raise KandiError(
                f"seed {self.seed} is too high for count {self.count}: picture i uses "
                f"seed + i, at most {FIELDS['seed'].high}; take a smaller seed"
            )

    def __repr__(self) -> str:
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, setting in FIELDS.items()
            if name != "prompt" and getattr(self, name) != setting.default
        ]
        return f"Params({', '.join([repr(self.prompt), *changed])})"

    def replace(self, **changes: Any) -> Params:
        """Return a copy with some settings changed; unknown names raise KandiError."""
        return dataclasses.replace(self, **changes)

    def singles(self) -> list[Params]:
        """Return one Params per picture of the run: `seed + i` and `count=1`."""
        return [self.replace(seed=self.seed + i, count=1) for i in range(self.count)]

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as a plain dict that JSON can hold."""
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Params:
        """Make Params from a dict as `to_dict` gives; absent settings get their default."""
        if not isinstance(values, Mapping):
            raise KandiError(f"expected a dict of settings, not {shown(values)}")
        return cls(**{str(name): value for name, value in values.items()})


def sweep(params: Params, **lists: Iterable[Any]) -> list[Params]:
    """Return every combination of the listed values; the first keyword varies slowest.

    >>> [p.steps for p in sweep(Params("a cat"), steps=[10, 25], seed=[0, 1])]
    [10, 10, 25, 25]
    """
    if not isinstance(params, Params):
        raise KandiError(f'sweep starts from Params("…"), not {shown(params)}')
    _refuse_unknown(lists)
    values = {name: _listed(name, given) for name, given in lists.items()}
    return [
        params.replace(**dict(zip(values, combination, strict=True)))
        for combination in itertools.product(*values.values())
    ]


def _listed(name: str, given: Any) -> list[Any]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise KandiError(f"{name} needs a list of values: write {name}=[{shown(given)}]")
    values = list(given)
    if not values:
        raise KandiError(f"{name} is an empty list; give at least one value or leave it out")
    return values


def _refuse_unknown(names: Iterable[str]) -> None:
    for name in names:
        if name not in FIELDS:
            close = ALIASES.get(name.casefold()) or nearest(name, FIELDS)
            hint = f"did you mean {close}? " if close else ""
            raise KandiError(f"unknown setting {name!r}; {hint}known: {', '.join(FIELDS)}")


def _checked(name: str, value: Any) -> Any:
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
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        wanted = f"a whole number, {_range(FIELDS[name])}"
        raise KandiError(f"{name} must be {wanted}, not {shown(value)}") from None


def _as_float(name: str, value: Any) -> float:
    # numbers.Real covers Python's and NumPy's numbers, but not text, arrays or NumPy's bool.
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise KandiError(f"{name} must be a number, {_range(FIELDS[name])}, not {shown(value)}")
    number = float(value)
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
    none = " (or None for the model's own size)" if setting.optional else ""
    return f"from {setting.low} to {setting.high}{none}"
