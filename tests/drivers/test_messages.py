"""The prose in other languages: what is missing or stale, and that no code is touched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kandi_nb.drivers.notebooks.copies import working_copies
from kandi_nb.drivers.notebooks.reading.messages import (
    check_language,
    languages,
    messages,
    state,
    translate,
)
from kandi_nb.words.errors import KandiError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FILES = sorted((NOTEBOOKS / "messages").glob("*/*.json"))


def original(file):
    (path,) = NOTEBOOKS.glob(f"{file.stem}_*.ipynb")
    return path


SPANS = re.compile(r"`[^`]+`")
LINKS = re.compile(r"\]\(([^)]+)\)")


def numbers(prose):
    """Return the numbers of a text, without those in code and links; 1,5 is 1.5."""
    return sorted(re.findall(r"\d+", SPANS.sub("", LINKS.sub("", prose))))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}-{f.stem}")
def test_nothing_is_missing_or_stale(file):
    """After a change of the English: translate those cells anew, or take the messages out."""
    done, missing, stale = state(original(file), file.parent.name)
    assert (missing, stale) == (0, 0), f"{done} translated"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}-{f.stem}")
def test_code_links_numbers_and_headings_are_those_of_the_english(file):
    path = original(file)
    english = json.loads(path.read_bytes())["cells"]
    theirs = json.loads(translate(path, NOTEBOOKS, file.parent.name))["cells"]
    for a, b in zip(english, theirs, strict=True):
        if a["cell_type"] == "code":
            assert a == b
            continue
        a, b = "".join(a["source"]), "".join(b["source"])
        assert LINKS.findall(a) == LINKS.findall(b), "the same links, in the same order"
        assert re.findall(r"\$+[^$]+\$+", a) == re.findall(r"\$+[^$]+\$+", b), "formulas"
        assert set(SPANS.findall(a)) <= set(SPANS.findall(b)), "names of code"
        for kind in (r"^#+ ", r"^\|", r"^\* ", r"^\*\*\d\.\*\*", r"</?details>"):
            assert sorted(re.findall(kind, a, re.M)) == sorted(re.findall(kind, b, re.M)), kind
        assert numbers(a) == numbers(b)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}-{f.stem}")
def test_links_call_notebooks_as_their_translations_do(file):
    said = "\n".join(json.loads(file.read_bytes()).values())
    for title, number in re.findall(r"\[([^]]+)\]\((\d\d)_\w+\.ipynb\)", said):
        other = messages(NOTEBOOKS, file.parent.name, number)
        assert not other or next(iter(other.values())).startswith(f"# {title}\n"), title


def test_a_copy_in_another_language_lies_apart_and_a_changed_cell_is_english(tmp_path):
    own = tmp_path / "notebooks"
    (own / "messages" / "de").mkdir(parents=True)
    source = next(NOTEBOOKS.glob("00_*.ipynb"))
    notebook = json.loads(source.read_bytes())
    notebook["cells"][2]["source"] = ["Something new."]
    (own / source.name).write_text(json.dumps(notebook), "utf-8")
    known = (NOTEBOOKS / "messages" / "de" / "00.json").read_text("utf-8")
    (own / "messages" / "de" / "00.json").write_text(known, "utf-8")
    working_copies(own, tmp_path / "work" / "de", language="de")
    text = (tmp_path / "work" / "de" / "notebooks" / source.name).read_text("utf-8")
    assert "Die Einrichtung prüfen" in text and "Something new." in text
    assert state(own / source.name, "de")[1:] == (1, 1), "one is missing, one is stale"


def test_an_unknown_language_is_refused_with_those_there_are():
    assert languages(NOTEBOOKS)[0] == "en" and "de" in languages(NOTEBOOKS)
    assert messages(NOTEBOOKS, "de", "99") == {}
    with pytest.raises(KandiError, match="en, de"):
        check_language(NOTEBOOKS, "tlh")
