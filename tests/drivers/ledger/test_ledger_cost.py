"""The cost calculator: the rate by the hour × the seconds of a picture × the pictures."""

from __future__ import annotations

import pytest

import kandi_nb as kn
from kandi_nb.drivers.ledger.claims import rates


def test_it_is_rate_times_seconds_times_pictures():
    (row,) = kn.cost(3600, card="RTX 3090", rate=0.5, seconds=2)
    assert row["hours"] == 2 and row["cost"] == 1.0
    assert row["in_4_hours"] == 7200 and row["in_a_day"] == 43200
    assert row["plan"] == "measured by you"


def test_the_guides_rates_and_the_planners_seconds_are_the_defaults():
    table = kn.cost(1000)
    assert {row["card"]: row["rate"] for row in table} == rates()
    for row in table:
        (planned,) = [
            one["seconds"]
            for one in kn.plan("kandinsky-2.2", card=row["card"])
            if one["plan"] == row["plan"]
        ]
        assert row["seconds"] == planned
        assert row["cost"] == pytest.approx(row["rate"] * planned * 1000 / 3600)
    assert "2024" in table.note and "predicted" in table.note


def test_a_card_that_holds_nothing_costs_nothing_and_says_so():
    (row,) = kn.cost(card="GTX 1060", model="kandinsky-3", rate=0.02, width=2048, height=2048)
    assert row["plan"] == "nothing fits" and row["cost"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"rate": -1}, "rate is dollars an hour, a number from 0, not -1"),
        ({"rate": float("nan")}, "rate is dollars an hour"),
        ({"rate": "cheap"}, "rate is dollars an hour"),
        ({"rate": True}, "rate is dollars an hour"),
        ({"seconds": 0}, "seconds is those of one picture, a number above 0, not 0"),
        ({"pictures": 0}, "pictures is a whole number from 1, not 0"),
        ({"pictures": 2.5}, "pictures is a whole number"),
        ({"card": "H100"}, r"guides have no rate for H100: give yours, rate=1\.5"),
        ({"card": "RTX 309"}, "did you mean RTX 3090"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy(words, message):
    with pytest.raises(kn.KandiError, match=message) as caught:
        kn.cost(**words)
    assert "\n" not in str(caught.value)


def test_a_gift_is_a_rate_of_nothing():
    (row,) = kn.cost(10, card="H100", rate=0, seconds=1)
    assert row["cost"] == 0
