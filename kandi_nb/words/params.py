"""The settings of a picture: one frozen, validated record that JSON can hold; and seeds.

Ranges and defaults stand in `fields`. People give a seed as a number, or ask for any.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import numbers
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .errors import Cancelled, KandiError, KandiWarning, nearest, quote, warn
from .fields import ALIASES, FIELDS, SEEDS, Setting, check_value, refuse_unknown

__all__ = [
    "ABOVE",
    "ALIASES",
    "FIELDS",
    "RANDOM",
    "SEEDS",
    "Cancelled",
    "KandiError",
    "KandiWarning",
    "Params",
    "Setting",
    "is_random",
    "nearest",
    "random_seed",
    "read_seed",
    "sweep",
    "warn",
]

RANDOM = "random"
# Of seeds by chance: short enough to be copied by hand, and exact in every language's numbers.
ABOVE = 2**32
MOST_COMBINATIONS = 10**6  # of a sweep, which holds a record of each
_TYPED = re.compile(r"([+-]?\d{1,30})(?:\.0*)?", re.ASCII)


def _with_settings(cls: Any) -> Any:
    """Make a class the frozen record of `FIELDS`: each setting by name, with its default.

    Only the prompt may stand without its name.
    """
    for name, setting in FIELDS.items():
        kind = setting.type | None if setting.optional else setting.type
        cls.__annotations__[name] = kind
        kw_only = name != "prompt"
        setattr(cls, name, field(default=setting.default, kw_only=kw_only))
    return dataclass(frozen=True, repr=False)(cls)


def _with_plain_errors(cls: Any) -> Any:
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
@_with_settings
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

    if TYPE_CHECKING:
        explicit: frozenset[str]

        def __init__(self, prompt: str | None = None, **settings: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...  # the settings of `FIELDS`

    def __post_init__(self) -> None:
        for name in FIELDS:
            object.__setattr__(self, name, check_value(name, getattr(self, name)))
        if self.seed + self.count - 1 > FIELDS["seed"].high:
            raise KandiError(
                f"seed {self.seed} is too high for count {self.count}: picture i uses "
                f"seed + i, at most {FIELDS['seed'].high}; take a smaller seed",
                about="seed",
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
        changed: Params = dataclasses.replace(cast(Any, self), **changes)
        object.__setattr__(changed, "explicit", self.explicit | changes.keys())
        return changed

    def singles(self) -> list[Params]:
        """Return one Params per picture of the run: `seed + i` and `count=1`."""
        return [self.replace(seed=self.seed + i, count=1) for i in range(self.count)]

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as a plain dict that JSON can hold."""
        return {name: getattr(self, name) for name in FIELDS}

    def explicit_settings(self) -> dict[str, Any]:
        """Return the settings that were given, as a plain dict; `from_dict` takes it back."""
        return {name: getattr(self, name) for name in FIELDS if name in self.explicit}

    asked = explicit_settings  # its name until 0.2

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Params:
        """Make Params from a dict as `to_dict` gives; absent settings get their default."""
        if not isinstance(values, Mapping):
            raise KandiError(f"expected a dict of settings, not {quote(values)}")
        return cls(**{str(name): value for name, value in values.items()})


def sweep(params: Params | None = None, /, **lists: Any) -> list[Params]:
    """Return every combination of the listed values; the first keyword varies slowest.

    Raises KandiError for unknown names, for lists that are none, and above a million
    combinations.

    >>> [p.steps for p in sweep(Params("a cat"), steps=[10, 25], seed=[0, 1])]
    [10, 10, 25, 25]
    """
    if params is None and isinstance(lists.get("params"), Params):
        params = lists.pop("params")
    if not isinstance(params, Params):
        raise KandiError(f'sweep starts from Params("…"), not {quote(params)}')
    refuse_unknown(lists)
    values = {name: _as_list(name, given) for name, given in lists.items()}
    count = math.prod(map(len, values.values()))
    if count > MOST_COMBINATIONS:
        raise KandiError(
            f"these lists have {count:,} combinations; shorten them to {MOST_COMBINATIONS:,} "
            "in all, or sweep a part at a time"
        )
    return [
        params.replace(**dict(zip(values, combination, strict=True)))
        for combination in itertools.product(*values.values())
    ]


def _as_list(name: str, given: Any) -> list[Any]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise KandiError(f"{name} needs a list of values: write {name}=[{quote(given)}]")
    values = list(itertools.islice(given, MOST_COMBINATIONS + 1))  # one may have no end
    if len(values) > MOST_COMBINATIONS:
        raise KandiError(f"{name} has more than {MOST_COMBINATIONS:,} values; give fewer")
    if not values:
        raise KandiError(f"{name} is an empty list; give at least one value or leave it out")
    return values


def random_seed() -> int:
    """Return a seed from 0 to 2³² - 1 by chance; Python's own generators are not touched."""
    return secrets.randbelow(ABOVE)


def is_random(value: Any) -> bool:
    """Tell whether a door was asked for any seed: -1 or "random", typed or as a number.

    >>> is_random(-1), is_random(" Random "), is_random("-1.0"), is_random(7)
    (True, True, True, False)
    """
    if isinstance(value, str):
        return value.strip().casefold() == RANDOM or _whole(value) == -1
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value == -1


def read_seed(name: str, value: Any) -> int:
    """Return the seed that was given at a door: the command line, a table, a page, a service.

    -1 and "random" draw one by chance; 7, "7", 7.0 and "7.0" are 7. Raises KandiError.
    """
    if is_random(value):
        return random_seed()
    if isinstance(value, str):
        whole = _whole(value)
        if whole is None:
            raise KandiError(
                f"{name} must be a whole number from 0 to {FIELDS[name].high}, or random, not "
                f"{quote(value)}",
                about=name,
            )
        value = whole
    return check_value(name, value)


def _whole(text: str) -> int | None:
    """Return the whole number that a text says, exactly; None for any other text."""
    match = _TYPED.fullmatch(text.strip().replace("\N{MINUS SIGN}", "-"))
    return int(match[1]) if match else None
