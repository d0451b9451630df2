"""What a client says of a picture → `Params`: our names and the published ones, one schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...tasks.checks import TASKS
from ...words.errors import KandiError, did_you_mean, shown
from ...words.fields import ALIASES, FIELDS, LONGEST_TEXT, number_or_text
from ...words.params import Params
from ...words.seeds import random_seed
from ..queue.limits import Limits, Refused

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky

# Names of the published service and of diffusers → ours.
PUBLISHED: Mapping[str, str] = MappingProxyType(
    {
        "negative_prompt": "negative",
        "num_inference_steps": "steps",
        "guidance_scale": "guidance",
        "prior_num_inference_steps": "prior_steps",
        "prior_guidance_scale": "prior_guidance",
        "n": "count",
    }
)
# What the published service takes where a client says nothing.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"num_inference_steps": 50, "guidance_scale": 4.0, "prior_guidance_scale": 1.0}
)
_BESIDES = ("scheduler", "model")  # may be named, if they are those that are loaded
NAMES = (*FIELDS, *PUBLISHED, *_BESIDES)
_SEEDS = ("seed", "prior_seed")
_STEPS = ("steps", "prior_steps")  # a service may allow fewer than is usual
RANDOM = "random"


def params_of(
    values: Mapping[str, Any],
    k: Kandinsky,
    task: str,
    limits: Limits,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    others: tuple[str, ...] = (),
) -> Params:
    """Return the Params that a client's fields say; an absent seed is drawn by chance.

    null counts as absent, -1 and "random" as any seed. `defaults` stand for what is absent and
    used; `others` are names that the endpoint knows besides. Raises KandiError for unknown
    names, a setting under two names and values out of range; Refused for another model.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in NAMES:
            known = [*NAMES, *others]
            hint = did_you_mean(ALIASES.get(name.casefold(), name), known)
            raise KandiError(f"unknown field {shown(name)}; {hint}known: {', '.join(known)}")
    _check_loaded(k, given.pop("model", None), given.pop("scheduler", None))
    fields = _ours(given, k)
    steps = {name: FIELDS[name].default for name in _STEPS}
    for name, value in {**steps, **_ours(defaults, k)}.items():
        if FIELDS[name].used_by(task, k.spec.roles):
            fields.setdefault(name, min(value, limits.steps) if name in _STEPS else value)
    if TASKS[task].prompt and "prompt" not in fields and "items" not in others:
        raise KandiError('prompt is missing; say what to draw, such as "a red fox in space"')
    for name in ("seed", *(["prior_seed"] if "prior_seed" in fields else [])):
        if fields.get(name, RANDOM) in (-1, RANDOM):
            fields[name] = random_seed()
    return _within(Params(**fields), k, limits)


def _ours(given: Mapping[str, Any], k: Kandinsky) -> dict[str, Any]:
    """Return the fields by our names; raise KandiError for one that is said twice."""
    fields, names = {}, {}
    for name, value in given.items():
        ours = PUBLISHED.get(name, name)
        if ours in fields:
            raise KandiError(f"{names[ours]} and {name} are the same setting; give one of them")
        if FIELDS[ours].type is int and isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows one kind of number
        if name == "guidance_scale" and k.spec.family == "3" and _is_number(value):
            value += 1  # its pipeline adds one: see the effective guidance of `Params`
        fields[ours], names[ours] = value, name
    return fields


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_loaded(k: Kandinsky, model: Any, scheduler: Any) -> None:
    """Raise unless what is named is what is loaded."""
    if model is not None and model != k.spec.key:
        raise Refused(404, f"{shown(model)} is not loaded here; this service has {k.spec.key}")
    mine = k.options["scheduler"]
    if scheduler is not None and _plain(scheduler) != _plain(mine):
        raise KandiError(
            f"this service draws with {mine}, not {shown(scheduler)}; leave scheduler out"
        )


def _plain(scheduler: Any) -> str:
    """Return a scheduler's name without what people leave out: "DDPMScheduler" is "ddpm".

    >>> _plain("DDPMScheduler")
    'ddpm'
    """
    return re.sub("scheduler|[^a-z0-9]", "", str(scheduler).casefold())


def _within(params: Params, k: Kandinsky, limits: Limits) -> Params:
    """Return the params; raise KandiError for those that ask too much of one service."""
    for name, most in {**dict.fromkeys(_STEPS, limits.steps), "count": limits.count}.items():
        if getattr(params, name) > most:
            raise KandiError(
                f"{name} is at most {most} here, not {getattr(params, name)}; ask for less, "
                "or in several requests"
            )
    width, height = params.width or k.spec.native_size, params.height or k.spec.native_size
    if width * height > limits.pixels:
        raise KandiError(
            f"a picture has at most {limits.pixels:,} pixels here, not {width} × {height}; "
            "ask for a smaller one"
        )
    return params


def from_form(name: str, text: str) -> Any:
    """Return what a form's text says in its field's type; None for an empty one."""
    setting = FIELDS.get(PUBLISHED.get(name, name))
    if setting is None or setting.type is str:
        return text
    return number_or_text(text) if text else None  # browsers send empty fields


def schema(limits: Limits, defaults: Mapping[str, Any] = MappingProxyType({})) -> dict:
    """Return the JSON Schema of the fields that `params_of` reads: name → what it may be."""
    properties = {name: _property(name, limits) for name in FIELDS}
    properties |= {
        theirs: {**properties[ours], "description": f"the same as {ours}"}
        for theirs, ours in PUBLISHED.items()
    }
    for name, value in defaults.items():
        most = properties[name].get("maximum", value)
        properties[name] = {**properties[name], "default": min(value, most)}
        properties[PUBLISHED.get(name, name)].pop("default", None)
    for name in _SEEDS:
        whole = properties[name]
        text = f"{whole.pop('description')}; -1 or “random”: any"
        least = {**whole, "minimum": -1}
        least.pop("default", None)
        choices = [least, {"type": "string", "enum": [RANDOM]}]
        properties[name] = {"anyOf": choices, "description": text}
    return properties


def _property(name: str, limits: Limits) -> dict:
    setting = FIELDS[name]
    entry: dict[str, Any] = {"description": setting.help}
    if setting.type is str:
        entry |= {"type": "string", "maxLength": LONGEST_TEXT}
        return {**entry, "pattern": r"\S"} if name == "prompt" else entry
    most = {**dict.fromkeys(_STEPS, limits.steps), "count": limits.count}
    # Picture i uses seed + i.
    high = setting.high - 64 if name in _SEEDS else min(setting.high, most.get(name, 2**63))
    kind = "integer" if setting.type is int else "number"
    entry |= {"type": kind, "minimum": setting.low, "maximum": high}
    if setting.default is not None:
        entry["default"] = min(setting.default, high)
    return entry
