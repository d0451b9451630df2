"""The first page in other languages: commands, code, calls and figures are the README's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kandi_nb.mini import captions

ROOT = Path(__file__).parent.parent
ENGLISH = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted((ROOT / "docs").glob("README.*.md"))
PARTS = 4  # sections that are translated whole: Two commands to What stands out


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def first_page(text):
    """Return the sections that are translated whole, without their headings."""
    return "\n".join(re.split(r"^## .+\n", text, flags=re.M)[1 : PARTS + 1])


def commands(text):
    lines = "".join(blocks(text, "sh")).splitlines()
    return [line.partition("#")[0].strip() for line in lines]


def strings(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str]


@pytest.fixture(params=PAGES, ids=lambda page: page.suffixes[0][1:])
def page(request):
    return request.param


def test_commands_are_those_of_the_english(page):
    assert commands(page.read_text("utf-8")) == commands(ENGLISH)


def test_code_is_that_of_the_english_and_its_prompts_ask_for_the_same_scenes(page):
    (ours,), (theirs,) = (blocks(t, "python") for t in (page.read_text("utf-8"), ENGLISH))
    trees = [ast.parse(ours), ast.parse(theirs)]
    for a, b in zip(*map(strings, trees), strict=True):
        if a.value != b.value:
            assert captions.expects(a.value) == captions.expects(b.value)
            assert not captions.unknown_words(a.value)
        a.value = b.value
    assert ast.dump(trees[0]) == ast.dump(trees[1])


def test_calls_figures_and_addresses_are_those_of_the_english(page):
    ours, theirs = first_page(page.read_text("utf-8")), first_page(ENGLISH)
    spans = [
        set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", t, flags=re.M | re.S)))
        for t in (ours, theirs)
    ]
    assert spans[1] <= spans[0]
    figures = [sorted(re.findall(r"\d+(?:[.,]\d+)?", strip(text))) for text in (ours, theirs)]
    assert [f.replace(",", ".") for f in figures[0]] == figures[1]
    places = [[target(path, link) for link in links(text)] for path, text in
              ((page, ours), (ROOT / "README.md", theirs))]  # fmt: skip
    assert sorted(places[0]) == sorted(places[1])


def strip(text):
    """Return the prose alone: without code and addresses."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]+`|\]\([^)]*\)", "", text)


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", text)


def target(page, link):
    return link if "://" in link else str((page.parent / link.partition("#")[0]).resolve())


def test_links_lead_somewhere_and_the_index_and_the_english_name_the_page(page):
    found = [link for link in links(page.read_text("utf-8")) if "://" not in link]
    assert all(Path(target(page, link)).exists() for link in found)
    assert "../README.md" in found, "the English is a click away"
    assert f"kandi-nb lab --language {page.suffixes[0][1:]}" in page.read_text("utf-8")
    assert page.name in links((ROOT / "docs" / "README.md").read_text("utf-8"))
    assert f"docs/{page.name}" in links(ENGLISH)
