"""No text that a page sends is ever taken for the name of a file."""

from __future__ import annotations

import builtins
import io
import os

import pytest
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn

MARK = "stranger-8f1c.png"
QUICK = kn.Params("a fox", steps=2, prior_steps=2)


@pytest.fixture
def touched(monkeypatch):
    """The paths with the mark that anything looked at while this test ran."""
    found: list[str] = []

    def watched(real):
        def call(path, *words, **named):
            if isinstance(path, (str, bytes, os.PathLike)) and MARK in os.fsdecode(path):
                found.append(f"{real.__name__} {os.fsdecode(path)}")
            return real(path, *words, **named)

        return call

    for module, names in {
        builtins: ("open",),
        io: ("open",),
        os: ("open", "stat", "lstat", "mkdir", "scandir"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, watched(getattr(module, name)))
    return found


@pytest.fixture
def studio(tiny_roles, tiny, tmp_path):
    made = kn.studio(tiny_roles, QUICK, models=[tiny], folder=tmp_path)
    made.view()
    made["generate"].run()
    for name in made:
        made.open(name)
    yield made
    made.close()


def marked(value):
    """Return a value of the same form with the mark in the place of each text."""
    if isinstance(value, str):
        return f"./{MARK}"
    if isinstance(value, (list, tuple)):
        return [marked(each) for each in value] or [f"./{MARK}"]
    if isinstance(value, dict):
        return {key: marked(each) for key, each in value.items()}
    return value


def sent(widget):
    """Set each synced trait that holds a text as a page would."""
    for name in widget.keys:
        held = getattr(widget, name, None)
        if name.startswith("_") or not isinstance(held, (str, list, tuple, dict)):
            continue
        try:
            widget.set_state({name: marked(held)})
        except Exception as error:  # a value that it cannot be
            assert MARK not in str(getattr(error, "filename", "")), "it was opened"


def press_everything():
    for widget in list(widgets._instances.values()):
        if hasattr(widget, "click") and widget.description != "Stop":
            widget.click()


MESSAGES = [
    {"kind": kind, **{name: f"./{MARK}" for name in ("name", "value", "id", "number", "text")}}
    for kind in ("begin", "end", "pick", "remove", "open", "set", "add", "act", "keep", "run")
]


def test_no_text_of_a_page_is_looked_for_on_the_disk(studio, touched):
    mine = list(widgets._instances.values())
    for widget in mine:
        sent(widget)
    for widget in mine:
        for message in MESSAGES:
            try:
                widget._handle_custom_msg(message, [])
            except Exception as error:
                assert MARK not in str(getattr(error, "filename", ""))
    press_everything()
    for name in studio.opened:
        control = studio[name]
        if hasattr(control, "wait"):
            control.stop()
            assert control.wait(60)
    if studio["mix"].mixer is not None:
        studio["mix"].mixer.stop()
    assert touched == []


@pytest.mark.filterwarnings("ignore:.*reads at most 77 tokens")
def test_a_text_to_mix_that_looks_like_a_file_is_a_text(studio, touched, tmp_path):
    file = tmp_path / MARK
    Image.new("RGB", (8, 8)).save(file)
    touched.clear()
    studio["mix"].items = [str(file), "./" + MARK]
    made = studio["mix"].make()
    assert all(isinstance(item, kn.Params) for item in made.items)
    assert made.thumbnails == ["", ""] and touched == []
    studio["mix"].run()
    assert touched == []


STRANGE = [[], [[]], {}, {"a": 1}, ["steps"], 10**400, -(10**400), [10**400], float("nan")]
KINDS = [
    "set",
    "roll",
    "language",
    "remove",
    "use",
    "show",
    "step",
    "pick",
    "go",
    "answer",
    "open",
    "star",
    "delete",
    "begin",
    "piece",
    "end",
    "example",
]
NAMES = ["shape", "task", "model", "locked", "preview", "steps", "image", "how", "stage"]
KEYS = ("name", "value", "number", "id", "size", "target")


def test_what_none_of_our_scripts_sends_raises_nothing(studio):
    every = [
        {"kind": kind, **dict.fromkeys(KEYS, value)}
        for kind in [*KINDS, "drop item", []]
        for value in STRANGE
    ]
    every += [
        {"kind": "set", "name": name, "value": value}
        for name in [*NAMES, "item 0"]
        for value in STRANGE
    ]
    for widget in list(widgets._instances.values()):
        for heard in list(widget._msg_callbacks.callbacks):  # ipywidgets hides what they raise
            for message in [None, [], 5, *every]:
                heard(widget, message, [b"x"])
