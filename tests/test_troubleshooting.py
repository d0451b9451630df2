"""docs/troubleshooting.md: errors lead to it, and what it says stands in the ledger."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kandi_nb as kn

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
HEADINGS = [heading.casefold() for heading in re.findall(r"^## (\w+)$", PAGE, re.M)]
NAMED = {
    path.relative_to(ROOT).as_posix(): re.findall(r"docs/troubleshooting\.md#(\w+)", text)
    for path in sorted((ROOT / "kandi_nb").rglob("*.py"))
    if "docs/troubleshooting.md" in (text := path.read_text(encoding="utf-8"))
}


def test_every_heading_that_the_package_names_is_there():
    assert len(NAMED) >= 6 and all(NAMED.values()), "each with its heading"
    named = {anchor for anchors in NAMED.values() for anchor in anchors}
    assert named <= set(HEADINGS)
    assert named >= {"memory", "colours", "slow", "service"}


def test_the_guides_five_lists_are_there_and_each_advice_has_a_finding():
    assert HEADINGS == ["memory", "colours", "text", "slow", "service"]
    for part in PAGE.split("\n## ")[1:]:
        rows = re.findall(r"^\| (.+?) \| (.+) \|$", part, re.M)
        assert rows[0] == ("advice", "what was measured about it") and len(rows) >= 5
        assert all(advice and finding for advice, finding in rows)


def test_every_call_on_the_page_exists():
    calls = set(re.findall(r"\bkn\.(\w+)", PAGE))
    assert calls >= {"ledger", "cost", "plan", "options"} and calls <= set(kn.__all__)


@pytest.mark.parametrize(
    ("id", "words", "holds"),
    [
        ("memory-2.2", "11.3 GB at 768 px", None),
        ("memory-3", "32.2 GB at 1024 px", None),
        ("slicing-3", "On 3 it does nothing", False),
        ("slicing-2.2", "Acts on 2.2", True),
        ("offloads-stack", "They do not stack", False),
        ("inpainting-3", "There is no class for it", False),
        ("seed-0", "0 is a seed like any other", False),
        ("steps-30", "30 steps instead of 100 | Holds", True),
        ("guidance-colours", "Guidance between 3 and 6 | Holds", True),
        ("text-after", "Write the text afterwards | Holds", True),
        ("languages-mini", "Hold on mini-2.2", True),
        ("mixing-2.1", "It fails: the example unpacks", False),
    ],
)
def test_the_page_says_what_the_ledger_says(id, words, holds):
    assert words in PAGE
    row = kn.ledger()[id]
    if holds is None:
        assert f"{row['value']['resident']:.1f} GB" in words
    else:
        assert row["verdict"] == ("holds" if holds else "does not hold")


def test_the_page_says_that_more_steps_make_a_time_out_worse():
    assert "More steps after a time-out" in PAGE
    row = kn.ledger()["steps-timeout"]
    assert row["verdict"] == "does not hold" and 1.5 < row["value"] < 2.5, "about twice"


def test_an_error_names_its_heading_in_one_line():
    with pytest.raises(kn.KandiError) as caught:
        kn.load("mini-2.2", memory="model-offload+sequential-offload")
    assert "see docs/troubleshooting.md#memory" in str(caught.value)
    assert "\n" not in str(caught.value)
