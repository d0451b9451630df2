"""The options of diffusers that guides list: what each does in the versions installed here."""

from __future__ import annotations

import pytest

from kandi_nb.model.plan.options import CRASHES, NOTHING, REFUSED, WORKS, options
from kandi_nb.words import models
from kandi_nb.words.errors import KandiError

# As the classes of 2.x are in diffusers 0.42; a new release may change a line, and should be
# looked at then: plans are made from these.
NAMES = ("unet", "prior", "movq")  # the columns
EXPECTED = {
    "fp8 layerwise casting": (CRASHES, WORKS, WORKS),
    "fp8, norms and encoder_hid_proj left out": (WORKS, WORKS, WORKS),
    "group offload": (WORKS, WORKS, REFUSED),
    "attention slicing": (WORKS, NOTHING, NOTHING),
    "set_attention_backend": (NOTHING, NOTHING, NOTHING),
    "fuse_qkv_projections": (REFUSED, NOTHING, REFUSED),
    "compile_repeated_blocks": (REFUSED, REFUSED, REFUSED),
    "step cache": (REFUSED, REFUSED, REFUSED),
    "tiling": (REFUSED, REFUSED, REFUSED),
    "slicing": (REFUSED, REFUSED, REFUSED),
}


@pytest.fixture(scope="module")
def table():
    return options("mini-2.2")


@pytest.mark.parametrize("option", EXPECTED)
def test_each_option_does_what_plans_take_for_granted(table, option):
    row = next(row for row in table if row["option"] == option)
    assert tuple(row[name] for name in NAMES) == EXPECTED[option], row


def test_nothing_else_is_tried(table):
    assert [row["option"] for row in table] == list(EXPECTED)


def test_errors_are_quoted_and_what_is_not_run_is_said(table):
    for row in table:
        failed = {row[name] for name in NAMES} & {CRASHES, REFUSED}
        assert bool(row["why"]) == bool(failed)
    assert "not run here" in table.note


def test_a_published_model_is_tried_on_the_small_one_of_its_family(table, monkeypatch):
    assert list(options("kandinsky-2.2")) == list(table)
    monkeypatch.setattr(
        "kandi_nb.model.plan.options.SPECS",
        {key: spec for key, spec in models.SPECS.items() if spec.family != "3"},
    )
    with pytest.raises(KandiError, match=r"no small model of the family 3 .* mini-2\.2"):
        options("kandinsky-3")


def test_some_options_can_be_tried_alone_and_unknown_ones_are_refused():
    (row,) = options("mini-3", only="attention slicing")
    assert row["option"] == "attention slicing" and row["unet"] == "does nothing"
    with pytest.raises(KandiError, match="unknown option 'slicingg'; did you mean slicing"):
        options("mini-3", only=["slicingg"])
