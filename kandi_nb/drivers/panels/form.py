"""The form of a panel: each setting and input as the rail shows it, and what is set there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.pixels import is_picture
from ...words.errors import KandiError
from ...words.fields import FIELDS, check_value
from ...words.params import RANDOM, SEEDS, read_seed
from ...words.tasks import INPUTS, TASKS
from .state.calls import Call, possible
from .state.examples import EXAMPLES, advice
from .state.settings import SIZES, reach, sizes, text_of, used_fields
from .state.uploads import upload_limits
from .state.wording import MISSING, label, sentence

if TYPE_CHECKING:
    from ...words.models import ModelSpec
    from .state.state import State

_QUALITY = ((8, "Draft 8"), (25, "Good 25"), (50, "Fine 50"))
_COUNTS = (1, 2, 4, 8)
_MAIN = ("prompt", "strength", "steps", "guidance", "count", "seed")
_GRID = 64  # pixels: sizes are multiples of it
# Words that make a prompt richer, by what the vocabulary calls their kind: how they are added.
_ADDED = {"on animals": " with a {}", "places": " in {}", "styles": ", {}"}
_CHIPS = {"on animals": 2, "places": 1, "styles": 2}
_EMPTY = "Drop, paste or choose a picture."


def form(panel: State, wrong: Mapping[str, str], prompts: Sequence[str]) -> dict[str, Any]:
    """Return what the rail shows of a panel: fields, those behind More, and what is wrong."""
    used = used_fields(panel.call.name, panel.k.spec.roles)
    values = panel.params.to_dict()
    fields = [*_switches(panel)]
    for name in _MAIN:
        if name in used:
            fields.append(field(name, values, panel, prompts))
        if name == "prompt":
            fields += [_picture(name, panel) for name in panel.call.pictures if name == "image"]
            fields += _options(panel)
    if "width" in used and not panel.call.takes("left"):
        at = next((n for n, row in enumerate(fields) if row["name"] == "count"), len(fields))
        fields.insert(at, _shape(panel))
    seldom = [name for name in FIELDS if name in used and name not in _MAIN]
    more = [field(name, values, panel, prompts) for name in seldom]
    more += [_picture(name, panel) for name in panel.call.pictures if name != "image"]
    if "on_preview" in panel.call.options:
        more.append(_preview(panel))
    return {
        "fields": fields,
        "more": more,
        "more_label": ", ".join(_heads(more)),
        "wrong": {name: _page_text(name, text, panel) for name, text in wrong.items() if text},
        **upload_limits(),
    }


def _heads(more: Sequence[Mapping]) -> list[str]:
    words = [row["label"].lower() for row in more[:1]]
    names = [row["name"] for row in more]
    words += ["prior"] * ("prior_steps" in names) + ["size"] * ("width" in names)
    words += [word for word in ("mask", "depth") if word in names]
    return [word.capitalize() if n == 0 else word for n, word in enumerate(words)] + ["…"]


def _page_text(name: str, text: str, panel: State) -> str:
    """Return a complaint in words of the page."""
    return (
        MISSING[name] if name in MISSING and text == panel.missing.get(name) else sentence(text)
    )


def _switches(panel: State) -> list[dict[str, Any]]:
    """Return the lists of tasks and models, where there are several."""
    made = []
    if len(panel.calls) > 1:
        able = [name for name, call in panel.calls.items() if possible(call, panel.k)]
        titles = [[name, _title(name)] for name in able]
        made.append(row_of("choice", "task", value=panel.call.name, choices=titles))
    if len(panel.models) > 1:
        keys = [model.spec.key for model in panel.models]
        several = [
            [n, key if keys.count(key) == 1 else f"{key} ({n + 1})"]
            for n, key in enumerate(keys)
        ]
        now = next(n for n, model in enumerate(panel.models) if model is panel.k)
        made.append(row_of("choice", "model", value=now, choices=several))
    return made


def _title(name: str) -> str:
    return (TASKS[name].title if name in TASKS else "") or name.replace("_", " ").capitalize()


def row_of(kind: str, name: str, **words: Any) -> dict[str, Any]:
    """Return a row of a kind, with the label and help of its name."""
    helps = {**{n: f.help for n, f in FIELDS.items()}, **{n: i.help for n, i in INPUTS.items()}}
    return {
        "kind": kind,
        "name": name,
        "label": label(name),
        "help": f"{name}: {helps[name]}" if name in helps else name,
        **words,
    }


def field(
    name: str, values: Mapping[str, Any], panel: Any, prompts: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the rail shows of a setting."""
    value, setting = values[name], FIELDS[name]
    if name == "prompt":
        return _prompt(value, panel, prompts)
    if setting.type is str:
        return row_of("text", name, value=value)
    if name in SEEDS:
        locks = name == "seed"
        return row_of("seed", name, value=str(value), locks=locks, locked=panel.locked)
    if name in SIZES:
        choices = [[None, "as it suits"], *([n, f"{n} px"] for n in _sizes(value, panel))]
        return row_of("choice", name, value=value, choices=choices, half=True)
    if name == "steps":
        choices = [[n, text] for n, text in _QUALITY]
        return row_of("steps", name, value=value, choices=choices, aside=f"{value} steps")
    if name == "count":
        choices = [[n, str(n)] for n in sorted({*_COUNTS, value})]
        return row_of("segments", name, value=value, choices=choices, half=True)
    low, high, step = reach(name)
    words: dict[str, Any] = {"low": low, "high": high, "step": step, "value": value}
    if name == "strength":
        usual = TASKS[panel.call.name].strength if panel.call.name in TASKS else None
        words |= {"usual": usual or 1.0, "optional": True, "ends": ["keep", "change"]}
    return row_of("slider", name, **words)


def _sizes(value: int | None, panel: State) -> list[int]:
    return sorted({*sizes(panel.k.spec.native_size), *filter(None, [value])})


def _prompt(value: str | None, panel: State, prompts: Sequence[str]) -> dict[str, Any]:
    spec = panel.k.spec
    words = known_words(spec)
    return {
        **row_of("prompt", "prompt", value=value),
        "help": FIELDS["prompt"].help.capitalize(),
        "history": list(dict.fromkeys(prompts)),
        "chips": _chips(words),
        "languages": [[code, name] for code, (name, _) in EXAMPLES.items()],
        "words": [[what, listed] for what, listed in words.items()],
        "advice": advice(spec, value),
    }


def known_words(spec: ModelSpec) -> dict[str, list[str]]:
    """Return kind → words of a bundled model, none of one that draws everything."""
    if not spec.bundled:
        return {}
    return {
        row["what"]: [w for w in row["words"].split(", ") if not w.startswith("or none")]
        for row in spec.vocabulary
    }


def _chips(words: Mapping[str, list[str]]) -> list[list[str]]:
    return [
        [word, _ADDED[kind].format(word)]
        for kind, count in _CHIPS.items()
        for word in [w for w in words.get(kind, []) if kind != "places" or " " not in w][:count]
    ]


def shapes(native: int) -> dict[str, tuple[int | None, int | None]]:
    """Return name → width and height of the shapes that a model of a native size draws.

    >>> shapes(64), shapes(512)["wide"]
    ({'square': (None, None), 'wide': (128, 64), 'tall': (64, 128)}, (640, 384))
    """
    long, short = (max(1, round(native * by / _GRID)) * _GRID for by in (1.25, 0.8))
    if long == short:
        long += _GRID
    return {"square": (None, None), "wide": (long, short), "tall": (short, long)}


def _shape(panel: State) -> dict[str, Any]:
    values = panel.params
    known = shapes(panel.k.spec.native_size)
    now = next((n for n, size in known.items() if size == (values.width, values.height)), "")
    titles = {"square": "as the model likes it", "wide": "wide", "tall": "tall"}
    if panel.call.takes("image"):
        titles["square"] = "as the picture is"
    choices = [
        [name, titles[name].capitalize(), _size_words(size), name]
        for name, size in known.items()
    ]
    return {
        **row_of("segments", "shape", value=now, choices=choices, half=True),
        "label": "Shape",
        "help": "width and height",
    }


def _size_words(size: tuple[int | None, int | None]) -> str:
    return "" if None in size else f"{size[0]} × {size[1]} pixels"


def _options(panel: State) -> list[dict[str, Any]]:
    """Return the choices of a task that are no settings, such as how many times larger."""
    return [
        row_of(
            "segments",
            name,
            value=panel.inputs.get(name, INPUTS[name].default),
            choices=[
                [n, f"{n} ×" if isinstance(n, int) else str(n)] for n in INPUTS[name].choices
            ],
        )
        for name in panel.call.others
        if name in INPUTS and INPUTS[name].choices and name == "factor"
    ]


def _preview(panel: State) -> dict[str, Any]:
    choices = [
        [n, f"every {n} steps" if n else "never"] for n in sorted({0, 1, 5, panel.preview})
    ]
    made = row_of("choice", "preview", value=panel.preview, choices=choices)
    return {**made, "help": "while it is drawn"}


def _picture(name: str, panel: State) -> dict[str, Any]:
    held = panel.inputs.get(name)
    return row_of(
        "picture",
        name,
        words=description_of(held),
        empty=MISSING[name] if name == "image" else _EMPTY,
    )


def description_of(held: Any) -> str:
    """Return what is said of an input."""
    if held is None:
        return ""
    held = getattr(held, "image", held)  # of a Mask
    if is_picture(held):
        file = held.info.get("file")
        return f"{f'{file}, ' if file else ''}{held.width} × {held.height}"
    if isinstance(held, (list, tuple)):
        return f"{len(held)} pictures"
    return type(held).__name__


def read(name: str, value: Any) -> Any:
    """Return what a page sent as the value of a setting; raise KandiError for what is none."""
    if name in SEEDS:
        return read_seed(name, str(value).strip() or RANDOM)
    setting = FIELDS[name]
    if setting.type is str:
        return text_of(str(value or ""))
    if value is None or (setting.optional and value == ""):
        return None
    if isinstance(value, str):
        value = _number(name, value)
    return check_value(name, round(value, 6) if isinstance(value, float) else value)


def _number(name: str, typed: str) -> float:
    try:
        number = float(typed.replace(",", "."))
    except ValueError:
        low, high = FIELDS[name].low, FIELDS[name].high
        raise KandiError(f"{name} is a number from {low} to {high}") from None
    return int(number) if number.is_integer() else number


def choice(call: Call, name: str, value: Any) -> Any:
    """Return what a page chose of a task's own choices; None stands for the usual one."""
    known = INPUTS[name].choices if name in INPUTS and call.takes(name) else ()
    if value not in known or isinstance(value, bool):
        raise KandiError(f"{label(name)} is one of {', '.join(map(str, known))}")
    return None if value == INPUTS[name].default else value
