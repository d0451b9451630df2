"""The static site: every page is there, links lead somewhere, nobody else is asked."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    found = importlib.util.spec_from_file_location(
        "build_site", ROOT / "docs" / "build_site.py"
    )
    builder = importlib.util.module_from_spec(found)
    found.loader.exec_module(builder)
    out = tmp_path_factory.mktemp("built") / "site"
    return out, builder.build(tmp_path_factory.mktemp("executed"), out)


def test_every_notebook_and_page_of_the_docs_has_a_page(site):
    out, pages = site
    assert {"index.html", "docs/notebooks.html", "docs/glossary.html"} <= set(pages)
    assert len([page for page in pages if page.startswith("notebooks/")]) == 38
    for page in pages:
        text = (out / page).read_text("utf-8")
        assert "<nav>" in text and len(text) > 1000, page


def test_no_page_asks_another_machine_for_anything(site):
    out, pages = site
    for page in pages:
        text = (out / page).read_text("utf-8")
        asked = re.findall(
            r"<(?:script|img|link|iframe)[^>]+(?:src|href)=.(?:https?:)?//", text
        )
        assert not asked, page


def test_links_among_pages_and_pictures_lead_somewhere(site):
    out, pages = site
    for page in pages:
        text = (out / page).read_text("utf-8")
        for place in re.findall(r'(?:href|src)="([^"#:]+\.(?:html|png|css|js))', text):
            assert ((out / page).parent / place).exists(), f"{page} → {place}"


def test_the_search_knows_what_pages_say(site):
    out, _ = site
    words = (out / "pages.js").read_text("utf-8")
    assert "traffic light" in words and "SITE_PAGES" in words
