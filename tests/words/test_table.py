"""Rows of measurements as a table that shows itself."""

from __future__ import annotations

import pytest

import kandi_nb as kn
from kandi_nb.words.errors import KandiError
from kandi_nb.words.tables import Table

ROWS = [{"model": "mini-2.2", "seconds": 1.25}, {"model": "mini-3", "note": "no prior"}]


def test_rows_show_themselves_with_all_their_names():
    table = kn.table(ROWS)
    assert isinstance(table, Table) and list(table) == ROWS
    assert list(table.columns) == ["model", "seconds", "note"]
    assert repr(table).splitlines()[0].split() == ["model", "seconds", "note"]
    assert "—" in repr(table).splitlines()[2], "no value is a dash"
    assert "<td" in table._repr_html_()


def test_columns_choose_and_order():
    table = kn.table(ROWS, columns=["note", "model"])
    assert repr(table).splitlines()[0].split() == ["note", "model"]
    assert "1.25" not in repr(table)
    assert repr(kn.table(ROWS, columns="model")) == "model\n────────\nmini-2.2\nmini-3"


def test_rows_without_names_take_those_of_the_columns():
    assert list(kn.table([(1, 2), [3, 4]], columns=("a", "b")))[1] == {"a": 3, "b": 4}


def test_rows_may_come_one_by_one_and_are_not_changed():
    row = {1: "one"}
    table = kn.table(iter([row]))
    assert list(table.columns) == ["1"] and "one" in table._repr_html_()
    table[0]["1"] = "two"
    assert row == {1: "one"}


def test_no_rows_say_so():
    assert repr(kn.table([])) == repr(kn.table([], columns=["a"])) == "nothing to show"


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (3, (), "takes a list of dicts"),
        ("rows", (), "takes a list of dicts"),
        ({"a": 1}, (), "takes a list of dicts"),
        ([3], (), "a row is a dict, name → value, not 3"),
        ([(1, 2)], (), "a row is a dict"),
        ([(1, 2)], ["a"], "a value for each of 1 columns, not 2"),
        (ROWS, ["second"], "no row has 'second'; there are: model, seconds, note"),
        (ROWS, 3, "columns"),
        (ROWS, [3], "columns"),
    ],
)
def test_what_is_no_table_is_one_line(rows, columns, words):
    with pytest.raises(KandiError) as caught:
        kn.table(rows, columns)
    assert words in str(caught.value) and "\n" not in str(caught.value)
