"""What a panel calls things: labels for people, and messages without Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ....words.errors import one_line
from ....words.fields import FIELDS
from ...widgets.translation import Translation

LABELS = {
    "prompt": "What it shows",
    "negative": "Avoid",
    "steps": "Quality",
    "guidance": "Follow the words",
    "prior_steps": "Prior: steps",
    "prior_guidance": "Prior: follow the words",
    "strength": "How much changes",
    "width": "Width",
    "height": "Height",
    "seed": "Seed",
    "prior_seed": "Prior: seed",
    "count": "Pictures",
    "image": "Picture to start from",
    "mask": "Mask from a file",
    "depth": "Depth map",
    "factor": "How many times larger",
    "join": "How old and new meet",
    "preview": "Show it unfinished",
    "task": "Task",
    "model": "Model",
}
ACTIONS = {
    "generate": "Draw",
    "edit": "Redraw",
    "inpaint": "Repaint",
    "outpaint": "Extend",
    "upscale": "Enlarge",
    "compare": "Compare",
}
MISSING = {
    "prompt": "Say what to draw.",
    "image": "Choose one of your pictures, or drop one.",
    "mask": "Paint over what shall be drawn anew.",
    "left": "Drag a side of the frame outwards, or choose a shape.",
    "depth": "Choose a depth map, or drop one.",
}
_CODE = re.compile(
    r"\bkn\.|\bk\.|\bpanel\.|\bmixer\.|\bimage\.\w+\(|[\w.]+\(.*\)|\b\w+=|~\w|pip install"
)
_NAMES = re.compile(r"\b(" + "|".join(name for name in FIELDS if "_" in name) + r")\b")


def sentence(text: str) -> str:
    """Return a message as a page says it: without Python, which its readers never see.

    >>> sentence('a mixer has 2 to 8 items, not 1; kn.mix takes more')
    'A mixer has 2 to 8 items, not 1.'
    """
    parts = [part for part in one_line(text).split("; ") if not _CODE.search(part)]
    if not parts:
        parts = [part for part in one_line(text).split(": ") if not _CODE.search(part)]
    said = "; ".join(parts).rstrip(" ,:") or "This cannot be done with these settings"
    said = _NAMES.sub(lambda name: name[0].replace("_", " "), said)
    if said.split()[0].strip(",").isalpha():  # no name of a file
        said = said[0].upper() + said[1:]
    return said + ("" if said[-1] in ".!?…" else ".")


def label(name: str) -> str:
    """Return what a setting or input is called."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


# What names a place in a prompt, by language: from there on it is the place alone.
_PLACES = re.compile(
    r"\s(in|on|at|under|above|im|am|auf|unter|dans|sur|à|sous|в|на|под)\s(?=\S)", re.IGNORECASE
)
_ENGLISH = ("in", "on", "at", "under", "above")


def place_of(prompt: str | None) -> str | None:
    """Return the place that a prompt names, None where none is found.

    >>> place_of("A red fox in a snowy forest"), place_of("Ein Fuchs im Wald")
    ('A snowy forest', 'Im Wald')
    """
    found = _PLACES.search(prompt or "")
    if found is None:
        return None
    rest = prompt[found.end() :].strip()
    text = rest if found[1].lower() in _ENGLISH else f"{found[1]} {rest}"
    return text[0].upper() + text[1:]


_SENTENCES = ("label", "aside", "empty", "advice")  # of a row: sentences


def translate_form(form: dict[str, Any], translate: Translation) -> dict[str, Any]:
    """Return what the rail shows of a panel, said in a language; what was typed stays."""
    if translate.language == "en":
        return form
    rows = {
        part: [_translate_row(row, translate) for row in form[part]]
        for part in ("fields", "more")
    }
    heads = [row["label"] for row in rows["more"][:3]]
    wrong = {name: translate.whole(text) for name, text in form["wrong"].items()}
    return {**form, **rows, "more_label": ", ".join([*heads, "…"]), "wrong": wrong}


def _translate_row(row: Mapping[str, Any], translate: Translation) -> dict[str, Any]:
    said = {name: translate.whole(row[name]) for name in _SENTENCES if row.get(name)}
    name, colon, rest = row["help"].rpartition(f"{row['name']}: ")
    said["help"] = name + colon + translate.whole(rest)  # the name, which code uses, stays
    if "ends" in row:
        said["ends"] = [translate(end) for end in row["ends"]]
    if "choices" in row and row["name"] != "model":
        said["choices"] = [
            [value, *map(translate.whole, words[:2]), *words[2:]]
            for value, *words in row["choices"]
        ]
    if row["kind"] == "prompt":
        said["words"] = [[translate(kind), words] for kind, words in row["words"]]
    if row["kind"] == "picture":
        said["words"] = translate.whole(row["words"])
    return {**row, **said}
