"""Heat tables: every number at its place, darker where it is higher, readable by all."""

from __future__ import annotations

import html.parser
import re

import pytest
import torch

from kandi_nb.pictures.charts import heat
from kandi_nb.words.errors import KandiError


class Page(html.parser.HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.cells, self.heads = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self._into = self.cells if tag == "td" else self.heads
            self._into.append({"text": "", **dict(attrs)})

    def handle_data(self, data):
        self._into[-1]["text"] += data


def luminance(colours):
    linear = [
        c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colours
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def paper(cell):
    return luminance([int(n) for n in re.search(r"rgb\((.+?)\)", cell["style"])[1].split(",")])


def test_numbers_and_labels_stand_at_their_places():
    page = Page(heat(torch.tensor([[1.0, 0.5], [0.25, 0]]), ["狐", "<b>"])._repr_html_())
    assert [head["text"] for head in page.heads] == ["狐", "<b>", "狐", "<b>"]
    assert [head["scope"] for head in page.heads] == ["col", "col", "row", "row"]
    assert [cell["text"] for cell in page.cells] == ["", "1.00", "0.50", "0.25", "0.00"]


def test_higher_is_darker_and_the_text_stays_readable():
    values = [[n / 10 for n in range(11)]]
    cells = Page(heat(values, ["a"], range(11))._repr_html_()).cells[1:]
    papers = [paper(cell) for cell in cells]
    assert papers == sorted(papers, reverse=True) and papers[0] > 5 * papers[-1]
    for cell, behind in zip(cells, papers, strict=True):
        ink = 1.0 if "#fff" in cell["style"] else 0.0
        light, dark = max(ink, behind), min(ink, behind)
        assert (light + 0.05) / (dark + 0.05) > 4.5, "the contrast that WCAG asks for"


def test_low_and_high_fix_the_colours():
    def shade(**limits):
        return paper(Page(heat([[0.5]], ["a"], **limits)._repr_html_()).cells[1])

    assert shade(low=0, high=0.5) < shade(low=0, high=1) < shade(low=0.5, high=1)
    assert shade(low=0, high=0.4) == shade(low=0, high=0.5), "beyond the range is its end"


def test_empty_cells_stay_empty():
    found = heat([[None, 1.0], [float("nan"), 0.0]], ["a", "b"])
    assert found.values == [[None, 1.0], [None, 0.0]]
    assert [cell["text"] for cell in Page(found._repr_html_()).cells[1:]] == [
        "",
        "1.00",
        "",
        "0.00",
    ]


def test_as_text_it_is_an_aligned_table():
    lines = repr(heat([[1, 0.123], [0.5, -1]], ["fox", "owl"], ["x", "x"])).splitlines()
    assert lines[0].split() == ["x", "(1)", "x", "(2)"]
    assert [line.split() for line in lines[2:]] == [
        ["fox", "1.00", "0.12"],
        ["owl", "0.50", "-1.00"],
    ]


@pytest.mark.parametrize(
    ("matrix", "rows", "limits"),
    [
        ([[1, 2]], ["a"], {}),
        ([[1]], ["a", "b"], {}),
        ([[1, 2], [3]], ["a", "b"], {}),
        ([["x"]], ["a"], {}),
        (3, ["a"], {}),
        ([[None]], ["a"], {}),
        ([], [], {}),
        ([[1]], "a", {}),
        ([[1]], ["a"], {"low": 2, "high": 1}),
    ],
)
def test_what_fits_no_table_is_refused_in_one_line(matrix, rows, limits):
    with pytest.raises(KandiError, match=r"^[^\n]+$"):
        heat(matrix, rows, **limits)
