"""Panels in other languages: nothing missing or stale, and English where nobody translated."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.panels import form, hearing, shown, view
from kandi_nb.drivers.panels.form import form as form_of
from kandi_nb.drivers.panels.state import wording
from kandi_nb.drivers.panels.state.wording import translate_form
from kandi_nb.drivers.widgets.classes import BROWSER
from kandi_nb.drivers.widgets.translation import (
    Translation,
    languages,
    messages,
    translation,
)
from kandi_nb.tasks.checks import every_task
from kandi_nb.words.errors import KandiError
from kandi_nb.words.fields import FIELDS
from kandi_nb.words.tasks import INPUTS, TASKS

MOST_MISSING = 8  # who writes a new sentence need not wait for four translators
PACKAGE = Path(kn.__file__).parent
SCRIPTS = BROWSER.glob("*.js")
BEGUN = [language for language in languages() if messages(language)]  # not an empty file


def calls():
    """Yield the sentences that Python code and scripts translate where they stand."""
    for path in (PACKAGE / "drivers" / "panels").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("translate"):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant))
    for path in SCRIPTS:
        yield from re.findall(r'translate\(\s*"([^"]+)"', path.read_text("utf-8"))


def tables():
    """Yield the sentences that stand in tables."""
    for table in (wording.LABELS, wording.ACTIONS, wording.MISSING, shown._SAID):
        yield from table.values()
    for known in ({**FIELDS, **INPUTS}).values():
        yield known.help
    yield from (row.title for row in TASKS.values() if row.title)
    yield from (words for _, words in form._QUALITY)
    yield from [
        *view._EMPTY.values(),
        *view._START.values(),
        view.WAITING,
        hearing._ASKED,
        "Run",
    ]


SENTENCES = {text for text in (*calls(), *tables())}


def pieces(text):
    """Return what stands between the braces of a sentence, as it compares."""
    parts = re.split(r"\{[^}]*\}", text.rstrip("."))
    return [part[:1].lower() + part[1:] for part in parts]


@pytest.fixture(scope="module")
def sources():
    """Return all that any code could say, as one text."""
    said = [*SENTENCES]
    for path in sorted(PACKAGE.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        said += [n.value for n in nodes if isinstance(n, ast.Constant) and type(n.value) is str]
    return "\n".join(piece for text in said for piece in pieces(text))


@pytest.mark.parametrize("language", BEGUN)
def test_few_sentences_are_missing(language):
    missing = sorted(SENTENCES - messages(language).keys())
    assert len(missing) <= MOST_MISSING, missing


@pytest.mark.parametrize("language", BEGUN)
def test_no_message_is_stale(language, sources):
    for text in messages(language):
        assert all(piece in sources for piece in pieces(text)), text


@pytest.mark.parametrize("language", BEGUN)
def test_braces_are_those_of_the_english(language):
    for text, said in messages(language).items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", said)), (
            text
        )
        assert said.strip() == said and said


class Recording(Translation):
    """Note what nobody has translated."""

    def __init__(self, language):
        super().__init__(language, messages(language))
        self.unknown = set()

    def __call__(self, text, **values):
        if text not in self._known:
            self.unknown.add(text)
        return super().__call__(text, **values)

    def whole(self, text):
        said = super().whole(text)
        formed = any(form.fullmatch(text) for form, _ in self._forms)
        if said == text and text not in self._known and not formed:
            self.unknown.add(text)
        return said


@pytest.fixture(scope="module")
def panels(tiny_roles):
    made = [
        kn.panel(task.function, tiny_roles, kn.Params("a fox"))
        for name, task in every_task().items()
        if name in TASKS
    ]
    yield made
    for each in made:
        each.close()


@pytest.mark.parametrize("language", BEGUN)
def test_every_label_help_and_choice_of_a_form_is_translated(language, panels):
    record = Recording(language)
    for each in panels:
        if each.call.takes("image"):
            each.give("image", [Image.new("RGB", (64, 64))] * 2)
        translate_form(form_of(each, {"steps": "Steps is odd."}, ["a fox"]), record)
    # Names of what is no sentence stay: sizes, ratios, models.
    left = {text for text in record.unknown if re.search(r"[a-z]{3}", text)}
    assert left == {"Steps is odd."}


def test_a_panel_speaks_its_language_and_code_and_prompts_do_not(tiny_roles):
    made = kn.panel(
        kn.generate, tiny_roles, kn.Params("Redraw", steps=2, prior_steps=2), language="de"
    )
    seen = made.view()
    rows = {row["name"]: row for row in seen.rail.form["fields"]}
    assert seen.runbar.action == "Zeichnen" and rows["steps"]["label"] == "Qualität"
    assert rows["prompt"]["value"] == "Redraw", "what somebody typed is no sentence of ours"
    assert seen.rail.translation["language"] == "de"
    assert seen.rail.translation["messages"]["Remove"] == "Entfernen"
    assert "Copy as code" not in seen.rail.translation["messages"], "each part gets its own"
    seen.rail._handle_custom_msg({"kind": "set", "name": "steps", "value": 5000}, [])
    assert seen.rail.form["wrong"]["steps"].startswith("Steps muss ")
    seen.rail._handle_custom_msg({"kind": "set", "name": "steps", "value": 2}, [])
    made.run()
    assert (
        seen.stage.saves == "In outputs speichern" and "kn.Params('Redraw'" in seen.stage.code
    )
    made.close()


def test_the_brush_speaks_the_language_of_its_panel(tiny_roles, monkeypatch):
    image = Image.new("RGB", (64, 64))
    made = kn.panel(kn.inpaint, tiny_roles, language="de", image=image)
    assert made.view().brush.painter.translation["messages"]["Brush"] == "Pinsel"
    made.close()
    monkeypatch.setenv("KANDI_LANGUAGE", "fr")
    alone = kn.mask_painter(image).translation
    assert alone["language"] == "fr" and "Brush" in alone["messages"]


def test_english_sends_nothing_and_the_environment_chooses(tiny_roles, monkeypatch):
    made = kn.panel(kn.generate, tiny_roles)
    assert made.view().rail.translation == {} and made.view().runbar.action == "Draw"
    made.close()
    monkeypatch.setenv("KANDI_LANGUAGE", "fr")
    assert translation().language == "fr" and translation("de").language == "de"
    monkeypatch.setenv("KANDI_LANGUAGE", "tlh")
    with pytest.raises(KandiError, match="KANDI_LANGUAGE is one of en, de, fr"):
        kn.panel(kn.generate, tiny_roles)
    with pytest.raises(KandiError, match=r"^language is one of"):
        kn.panel(kn.generate, tiny_roles, language="tlh")


def test_what_is_not_translated_is_english():
    some = Translation(
        "xx", {"Draw": "X", "{done}/{total} steps": "{total}-{done}", "the end": "ende"}
    )
    assert some("Draw") == "X" and some("Stop") == "Stop" and some("a {n}", n=2) == "a 2"
    assert (
        some.whole("3/25 steps") == "25-3"
        and some.whole("3/25 steps left") == "3/25 steps left"
    )
    assert some.whole("The end") == "Ende"
