"""The settings of a picture: one frozen, validated record that JSON can hold.

Ranges and defaults stand in `fields`.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from .errors import Cancelled, KandiError, KandiWarning, nearest, shown, warn
from .fields import ALIASES, FIELDS, Setting, checked, refuse_unknown

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


def _with_plain_errors(cls: type) -> type:
    """Make a wrong constructor call a KandiError that names the remedy, not a TypeError."""
    fill = cls.__init__

    @functools.wraps(fill)
    def __init__(self, /, *args, **named):
        refuse_unknown(named)
        if len(args) > 1:
            raise KandiError(
                "Params takes one value without a name, the prompt; name the others: "
                f'Params("a red fox", steps=25), not {len(args)} values in a row'
            )
        if args and "prompt" in named:
            raise KandiError("prompt is given twice, without and with its name; give it once")
        fill(self, *args, **named)
        # Not a field: two Params are equal whoever chose their values.
        asked = {*named, *(["prompt"] if args else [])}
        object.__setattr__(self, "explicit", frozenset(asked))

    cls.__init__ = __init__
    return cls


@_with_plain_errors
@dataclass(frozen=True, repr=False)
class Params:
    """Hold every setting of a run; values are checked and converted when it is made.

    Only the prompt may stand without its name: `Params("a red fox", steps=25, seed=7)`; tasks
    that need one say so. Ranges are those of `FIELDS`. Strength, width and height None are
    filled in by the task and the model; sizes are rounded up to a multiple of 64 with a
    KandiWarning. Picture i of a run uses `seed + i`
    and equals the single run `replace(seed=seed + i, count=1)`. The prior has its own
    `prior_seed`, so that the embedding depends on the text alone. `guidance` is the weight g in
    u + g · (c − u), the noise predicted without and with the prompt, for every model; 1 is
    none. `explicit` names the settings that were given, not left to their defaults: what
    `speed="fast"` leaves alone. Raises KandiError.
    """

    prompt: str | None = FIELDS["prompt"].default
    _: KW_ONLY
    negative: str | None = FIELDS["negative"].default
    steps: int = FIELDS["steps"].default
    guidance: float = FIELDS["guidance"].default
    prior_steps: int = FIELDS["prior_steps"].default
    prior_guidance: float = FIELDS["prior_guidance"].default
    strength: float | None = FIELDS["strength"].default
    width: int | None = FIELDS["width"].default
    height: int | None = FIELDS["height"].default
    seed: int = FIELDS["seed"].default
    prior_seed: int = FIELDS["prior_seed"].default
    count: int = FIELDS["count"].default

    def __post_init__(self) -> None:
        for name in FIELDS:
            object.__setattr__(self, name, checked(name, getattr(self, name)))
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
        prompt = [] if self.prompt is None else [repr(self.prompt)]
        return f"Params({', '.join([*prompt, *changed])})"

    def replace(self, /, **changes: Any) -> Params:
        """Return a copy with some settings changed; unknown names raise KandiError."""
        changed = dataclasses.replace(self, **changes)
        object.__setattr__(changed, "explicit", self.explicit | changes.keys())
        return changed

    def singles(self) -> list[Params]:
        """Return one Params per picture of the run: `seed + i` and `count=1`."""
        return [self.replace(seed=self.seed + i, count=1) for i in range(self.count)]

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as a plain dict that JSON can hold."""
        return {name: getattr(self, name) for name in FIELDS}

    def asked(self) -> dict[str, Any]:
        """Return the settings that were given, as a plain dict; `from_dict` takes it back."""
        return {name: getattr(self, name) for name in FIELDS if name in self.explicit}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Params:
        """Make Params from a dict as `to_dict` gives; absent settings get their default."""
        if not isinstance(values, Mapping):
            raise KandiError(f"expected a dict of settings, not {shown(values)}")
        return cls(**{str(name): value for name, value in values.items()})


def sweep(params: Params | None = None, /, **lists: Iterable[Any]) -> list[Params]:
    """Return every combination of the listed values; the first keyword varies slowest.

    >>> [p.steps for p in sweep(Params("a cat"), steps=[10, 25], seed=[0, 1])]
    [10, 10, 25, 25]
    """
    if params is None and isinstance(lists.get("params"), Params):
        params = lists.pop("params")
    if not isinstance(params, Params):
        raise KandiError(f'sweep starts from Params("…"), not {shown(params)}')
    refuse_unknown(lists)
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
