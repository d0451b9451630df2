"""What a client says of a picture → `Params`: our names and the published ones, one schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ....model.schedulers.classes import scheduler_name
from ....tasks.checks import TASKS
from ....words.errors import KandiError, did_you_mean, quote
from ....words.families import FAMILIES
from ....words.fields import ALIASES, FIELDS, names_of, number_or_text
from ....words.params import RANDOM, SEEDS, Params, read_seed
from ...queue.limits import Limits, Refused

if TYPE_CHECKING:
    from ....model.loading.kandinsky import Kandinsky

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
# The side of a picture where nothing is said, by the guide of the published service.
_SIDES = MappingProxyType({"kandinsky-2.2": 768})
_BESIDES = ("scheduler", "model")  # for one picture; and the one that is loaded
NAMES = (*FIELDS, *PUBLISHED, *_BESIDES)
MOST_SEED = 2**63 - 2**10  # exact for programs that know floats alone; picture i adds i
SAYS = r"[^\s\x1c-\x1f\x85]"  # a text that is not empty: one letter that is no space
_STEPS = names_of(kind="steps")  # a service may allow fewer than is usual


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
            raise KandiError(f"unknown field {quote(name)}; {hint}known: {', '.join(known)}")
    given.pop("scheduler", None)  # see `scheduler_of`
    if (model := given.pop("model", None)) not in (None, k.spec.key):
        raise not_loaded(model, k)
    fields = {name: check_length(name, v, limits) for name, v in _ours(given, k).items()}
    steps = {name: FIELDS[name].default for name in _STEPS}
    for name, value in {**steps, **_ours(defaults, k)}.items():
        if FIELDS[name].used_by(task, k.spec.roles):
            fields.setdefault(name, min(value, limits.steps) if name in _STEPS else value)
    if TASKS[task].prompt and "prompt" not in fields and "items" not in others:
        raise KandiError(
            'prompt is missing; say what to draw, such as "a red fox in space"',
            about="prompt",
        )
    for name in ("seed", *(["prior_seed"] if "prior_seed" in fields else [])):
        fields[name] = read_seed(name, fields.get(name, RANDOM))
    return _within(Params(**fields), k, limits)


def _ours(given: Mapping[str, Any], k: Kandinsky) -> dict[str, Any]:
    """Return the fields by our names; raise KandiError for one that is said twice."""
    fields, names = {}, {}
    for name, value in given.items():
        ours = PUBLISHED.get(name, name)
        if ours in fields:
            raise KandiError(
                f"{names[ours]} and {name} are the same setting; give one of them", about=ours
            )
        if FIELDS[ours].type is int and isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows one kind of number
        if name == "guidance_scale" and _is_number(value):
            value += FAMILIES[k.spec.family].guidance_offset  # ours is the effective one
        fields[ours], names[ours] = value, name
    return fields


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def scheduler_of(values: Mapping[str, Any], k: Kandinsky) -> str | None:
    """Return the scheduler that a client's fields name, None for the model's own.

    Raises KandiError for one that nobody knows; whether it works here, its run says.
    """
    named = values.get("scheduler")
    if named is None or _plain(named) == _plain(k.options["scheduler"]):
        return None
    return scheduler_name(named)


def with_size(values: Mapping[str, Any], k: Kandinsky) -> Mapping[str, Any]:
    """Return a client's fields with the size that the published service has by default."""
    side = _SIDES.get(k.spec.key)
    if side is None or any(values.get(name) is not None for name in ("width", "height")):
        return values
    return {**values, "width": side, "height": side}


def not_loaded(model: Any, k: Kandinsky) -> Refused:
    """Return the answer to who names another model."""
    line = (
        f"{quote(model)} is not loaded here; this service has {k.spec.key} (its keeper may let "
        "it go by other names: --also-known-as)"
    )
    return Refused(404, line, code="model_not_found")


def check_length(name: str, text: Any, limits: Limits) -> Any:
    """Return what may be a text; raise KandiError for one that is too long for a service."""
    if isinstance(text, str) and len(text) > limits.characters:
        raise KandiError(
            f"{name} has at most {limits.characters:,} characters here, not {len(text):,}; "
            "models read a few sentences, so shorten it",
            about=name,
        )
    return text


def _plain(scheduler: Any) -> str:
    """Return a scheduler's name without what people leave out: "DDPMScheduler" is "ddpm".

    >>> _plain("DDPMScheduler")
    'ddpm'
    """
    return re.sub("scheduler|[^a-z0-9]", "", str(scheduler).casefold())


def _within(params: Params, k: Kandinsky, limits: Limits) -> Params:
    """Return the params; raise KandiError for those that ask too much of one service."""
    bounds = {**dict.fromkeys(_STEPS, limits.steps), "count": limits.count}
    for name, most in {**bounds, **dict.fromkeys(SEEDS, MOST_SEED)}.items():
        if getattr(params, name) > most:
            raise KandiError(
                f"{name} is at most {most} here, not {getattr(params, name)}; ask for less, "
                "or in several requests",
                about=name,
            )
    width, height = params.width or k.spec.native_size, params.height or k.spec.native_size
    if width * height > limits.pixels:
        raise KandiError(
            f"a picture has at most {limits.pixels:,} pixels here, not {width} × {height}; "
            "ask for a smaller one",
            about="width",
        )
    return params


def from_form(name: str, text: str) -> Any:
    """Return what a form's text says in its field's type; None for an empty one."""
    setting = FIELDS.get(PUBLISHED.get(name, name))
    if setting is None or setting.type is str:
        return text
    return number_or_text(text) if text else None  # browsers send empty fields


def schema(
    k: Kandinsky, limits: Limits, defaults: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
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
    for name in SEEDS:
        whole = properties[name]
        text = f"{whole.pop('description')}; -1 or “random”: any"
        least = {**whole, "minimum": -1}
        least.pop("default", None)
        choices = [least, {"type": "string", "enum": [RANDOM]}]
        properties[name] = {"anyOf": choices, "description": text}
    loaded = "the one that is loaded"
    properties["model"] = {"enum": [k.spec.key], "description": loaded}
    usual = "the loaded one; others by their names"
    properties["scheduler"] = {"enum": [k.options["scheduler"]], "description": usual}
    return properties


def blank(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a field in a form, where an empty text counts as absent."""
    return dict(entry) if entry.get("type") == "string" else {"anyOf": [entry, {"const": ""}]}


def rules(limits: Limits, *, form: bool = False) -> list[list[dict[str, Any]]]:
    """Return what the fields are together: lists of JSON Schemas, one of each of which holds.

    Each setting has one name, and a picture is not larger than may be.
    """
    names = [dict.fromkeys(PUBLISHED, False), dict.fromkeys(PUBLISHED.values(), False)]
    highest: dict[int, int] = {}  # height → the greatest width, of powers of two
    for width in (64 * 2**n for n in range(7)):
        highest[min(FIELDS["height"].high, limits.pixels // width // 64 * 64)] = width

    def side(most: int) -> dict[str, Any]:
        entry = {"type": "integer", "minimum": FIELDS["width"].low, "maximum": most}
        return blank(entry) if form else entry

    sizes = [
        {"width": side(width), "height": side(height)}
        for height, width in highest.items()
        if height
    ]
    return [[{"properties": one} for one in choices] for choices in (names, sizes)]


def _property(name: str, limits: Limits) -> dict[str, Any]:
    setting = FIELDS[name]
    entry: dict[str, Any] = {"description": setting.help}
    if setting.type is str:
        entry |= {"type": "string", "maxLength": limits.characters}
        return {**entry, "pattern": SAYS} if name == "prompt" else entry
    most = {**dict.fromkeys(_STEPS, limits.steps), "count": limits.count}
    most |= dict.fromkeys(("width", "height"), limits.pixels // 64 // 64 * 64)
    most |= dict.fromkeys(SEEDS, MOST_SEED)
    high = min(setting.high, most.get(name, 2**63))
    kind = "integer" if setting.type is int else "number"
    entry |= {"type": kind, "minimum": setting.low, "maximum": high}
    if setting.default is not None:
        entry["default"] = min(setting.default, high)
    return entry
