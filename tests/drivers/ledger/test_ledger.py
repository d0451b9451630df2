"""The ledger: every claim of the guides has a verdict, computed from what was measured."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path

import pytest

import kandi_nb as kn
from kandi_nb.drivers.ledger import figures, measures
from kandi_nb.drivers.ledger.claims import CLAIMS, claims, claims_of
from kandi_nb.drivers.ledger.verdicts import DEPENDS, FAILS, HOLDS, RULES, verdict
from kandi_nb.model.plan.names import read_card

ROOT = Path(__file__).parents[3]

ALL = list(claims().values())
MEASURABLE = [claim for claim in ALL if claim.measure]
# A value for each rule by which a claim holds, and one on the other side.
SIDES = {
    "fits": lambda c: ({"resident": c.figure, "exact": 1}, {"resident": 99, "exact": 98}),
    "cards": lambda c: ({"whole": 5, "exact": 5}, {"whole": 0, "exact": 0}),
    "about": lambda c: (c.figure * 1.1, c.figure * 3),
    "at least": lambda c: (1, 0),
    "at most": lambda c: (c.rule["than"], c.rule["than"] + 1),
    "equal": lambda c: (c.figure, c.figure + 1),
    "true": lambda c: (True, False),
}


def test_ids_are_unique_and_every_claim_has_a_verdict():
    rows = json.loads(CLAIMS.read_text("utf-8"))["claims"]
    assert len(rows) == len(claims()) == 56, "no id stands twice"
    table = kn.ledger()
    assert [row["id"] for row in table] == list(claims())
    for row in table:
        assert row["verdict"] in (HOLDS, FAILS, DEPENDS) or row["verdict"].endswith(
            ": not run here"
        )


def test_the_guides_topics_are_all_there():
    wanted = {"memory", "cards", "seconds", "cost", "languages", "quality", "settings"}
    wanted |= {"options", "tasks", "service", "text", "comparison"}
    assert {claim.topic for claim in ALL} == wanted


@pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.id)
def test_a_value_on_the_other_side_turns_the_verdict(claim):
    assert set(SIDES) == set(RULES)
    good, bad = SIDES[claim.rule["name"]](claim)
    assert verdict(claim, good) == HOLDS
    assert verdict(claim, bad) == FAILS
    assert (
        claim.sentence(good)
        and claim.sentence(bad)
        and claim.sentence(good) != claim.sentence(bad)
    )


@pytest.mark.parametrize(
    ("id", "value"),
    [
        ("memory-2.2", {"resident": 11, "exact": 2}),
        ("cards-3", {"whole": 0, "exact": 1}),
        ("languages-mini", 0.8),
    ],
)
def test_what_is_true_of_some_plans_alone_depends(id, value):
    assert verdict(claims()[id], value) == DEPENDS


# What guides say, in their own figures: card, price, size, table.
QUOTED = {
    "cards-2.2": ("RTX 3070", 1), "cards-3": ("RTX 3090", 1), "cards-3-large": ("RTX 4090", 1),
    "cost-4-hours": ("about $0.25", 0.25), "cost-day": ("about $1.50", 1.5),
    "size-2.1": ("768 px", 768), "size-2.2": ("1024 px", 1024), "size-3": ("1024 px", 1024),
    "quality-versions": ("2.1 good, 2.2 better, 3 best", True),
    "speed-versions": ("2.1 fast, 2.2 medium, 3 slower", True),
    "compare-languages": ("Kandinsky excellent, SDXL and FLUX limited", True),
    "compare-quality": ("Kandinsky high, SDXL very high, FLUX.1 highest", True),
    "compare-speed": ("Kandinsky medium, SDXL medium, FLUX.1 slow", True),
    "compare-memory": ("12 GB where SDXL needs 12 and FLUX 24", 12),
    "inpainting-flux": ("FLUX.1 limited", True),
    "service-ram": ("8 GB of RAM at least", True), "service-cores": ("4 cores at least", True),
    "service-disk": ("10 GB of disk at least", 10), "service-vram": ("8 GB of video memory", 8),
    "service-ram-recommended": ("16 GB of RAM", True),
    "service-disk-recommended": ("20 GB of disk", 20),
    "steps-timeout": ("after a time-out, raise the steps", 1),
    "service-english": ("use English for the best results", 0.9),
    "flux-external": ("FLUX.1-dev is an external API", True),
    "flux-speed": ("as fast as its API", True), "flux-cost": ("for each request", True),
    "flux-control": ("limited control, 2.2 full control", True),
    "flux-style": ("realistic, 2.2 artistic", True),
}  # fmt: skip


def test_claims_are_quoted_as_the_guides_have_them():
    for id, (words, figure) in QUOTED.items():
        assert words in claims()[id].claimed and claims()[id].figure == figure, id
    table = kn.ledger()
    cards = {id: table[id]["verdict"] for id in QUOTED if id.startswith("cards")}
    assert set(cards.values()) == {DEPENDS}, "no recommended card holds its model whole"
    assert table["service-disk"]["verdict"] == FAILS, "15.86 GB do not fit into 10"
    assert table["size-2.2"]["value"] == 512 and table["cost-day"]["verdict"] == HOLDS


def test_what_nobody_measured_says_what_it_needs():
    missing = [claim for claim in ALL if claim.measure is None]
    assert missing and all(claim.needs for claim in missing)
    for claim in missing:
        assert verdict(claim, None) == f"needs {claim.needs}: not run here"
    gpu = [claim for claim in missing if "GPU" in claim.needs]
    assert len(gpu) >= 8, "seconds, published weights, other models"


def test_every_measurement_exists_and_every_figure_that_can_be_measured_was():
    assert {claim.measure["name"] for claim in MEASURABLE} == set(measures.MEASURES)
    known = figures.figures_in()
    assert {claim.id for claim in MEASURABLE} <= set(known) <= set(claims())
    for figure in known.values():
        assert figure.basis.count(", ") >= 2, "how, when and on what"


def test_the_package_writes_no_verdict_down():
    for path in Path(measures.__file__).parent.glob("*.py"):
        words = [
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if path.name != "verdicts.py":
            assert not {HOLDS, FAILS, DEPENDS} & set(words) - {"holds", "depends"}, path.name
    text = CLAIMS.read_text("utf-8") + figures.STORED.read_text("utf-8")
    assert '"verdict"' not in text


@pytest.mark.parametrize(
    "id",
    ["slicing-3", "offloads-stack", "inpainting-3", "seed-0", "mixing-2.1", "text-after"],
)
def test_what_is_stored_is_what_is_measured_now(id):
    row = kn.ledger(measure=id)[id]
    assert "here and now" in row["basis"] or "read off" in row["basis"]
    assert row["value"] == figures.figures_in()[id].value


def test_a_prediction_that_is_stored_is_that_of_today():
    row = kn.ledger(measure=["memory-2.2"])["memory-2.2"]
    assert row["value"] == pytest.approx(figures.figures_in()["memory-2.2"].value, rel=0.02)
    assert row["verdict"] == DEPENDS and "kn.plan" in row["basis"]


def test_twice_the_steps_take_longer():
    value = measures.times_as_long("mini-2.2", few=4, many=16)
    assert value > 1.2 and verdict(claims()["steps-timeout"], value) == FAILS


def test_an_option_that_acts_is_told_from_one_that_does_not():
    assert measures.option_acts("mini-3", "group offload", "unet")
    assert not measures.option_acts("mini-3", "tiling", "unet"), "refused is not acting"


class Reading:
    """Stand in for a judge's reading; `right` names the attributes that agree."""

    def __init__(self, *right):
        self.right = right

    def agrees(self, **asked):
        return {what: what in self.right for what in asked}


def test_the_judge_decides_what_is_about_pictures(tiny_folder):
    prompts, words = ["a cat", "ein Hund"], {"object": "cat", "place": "space"}

    def half_blind(pictures):
        answers = [Reading("object", "place"), Reading("object")]
        return [answers[n % 2] for n in range(len(pictures))]

    from kandi_nb.drivers.ledger import judged

    folder = str(tiny_folder)
    with pytest.MonkeyPatch.context() as patch:
        short = kn.Params(steps=2, prior_steps=2)
        patch.setattr(judged, "Params", lambda **claims_of: short.replace(**claims_of))
        share = judged.least_right(folder, prompts, words, 2, half_blind)
    assert share == 0.5


def test_a_claim_can_be_measured_with_the_bundled_judge():
    from kandi_nb.mini import judge

    row = kn.ledger(measure=["languages-mini"], judge=judge.read, count=1)["languages-mini"]
    assert row["verdict"] == HOLDS and row["basis"].endswith("4 pictures")


def test_own_figures_replace_what_is_known():
    table = kn.ledger({"price-3090": 0.2, "seconds-3-3090": 15.5, "memory-3": 9})
    assert [table[id]["verdict"] for id in ("price-3090", "seconds-3-3090", "memory-3")] == [
        FAILS,
        HOLDS,
        HOLDS,
    ]
    assert table["price-3090"]["basis"] == "measured by you"
    assert "not run here" in kn.ledger()["price-3090"]["verdict"], "nothing was kept"


def test_a_part_of_the_ledger_is_a_ledger():
    cost = kn.ledger().about("cost")
    assert len(cost) == 7 and cost["price-3060"]["figure"] == 0.03
    assert "7 claims" in cost.note and cost[:2][1]["id"] == "price-3090"
    assert "needs" in cost._repr_html_()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"measure": "slicing3"}, "unknown claim 'slicing3'; did you mean slicing-3?"),
        ({"measure": 3}, "claims are named by a list of ids"),
        ({"measure": "seconds-3-3090"}, r"needs a GPU \(RTX 3090\)"),
        ({"measure": "steps-30"}, "decided by a judge: from kandi_nb.mini import judge"),
        ({"measure": "steps-30", "judge": len, "count": 0}, "count is a whole number"),
        ({"figures": {"price-309": 1}}, "did you mean price-3090"),
        ({"figures": {"price-3090": -1}}, "price-3090 is decided by a number from 0, not -1"),
        ({"figures": {"price-3090": float("nan")}}, "decided by a number"),
        ({"figures": {"seed-0": 1}}, "seed-0 is decided by True or False, not 1"),
        ({"figures": {"memory-3": "much"}}, "decided by resident and exact"),
        ({"figures": 3}, "figures is id → value"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy(words, message):
    with pytest.raises(kn.KandiError, match=message) as caught:
        kn.ledger(**words)
    assert "\n" not in str(caught.value)


def test_rows_that_are_not_there_are_said(recwarn):
    with pytest.raises(kn.KandiError, match="topic is one of memory"):
        kn.ledger().about("weather")
    with pytest.raises(kn.KandiError, match="no claim 'seed-0' in this part"):
        kn.ledger().about("cost")["seed-0"]


def test_figures_of_a_machine_are_kept_beside_those_of_others(tmp_path):
    path = tmp_path / "measured.json"
    figures.keep({"seed-0": figures.Figure(False, "measured")}, "a laptop", "2026-01-01", path)
    figures.keep(
        {"memory-2.2": figures.Figure({"resident": 11, "exact": 3}, "measured")},
        "one card",
        "2026-01-02",
        path,
    )
    figures.keep(
        {"slicing-3": figures.Figure(False, "tried", 3)}, "a laptop", "2026-01-03", path
    )
    known = figures.figures_in(path)
    assert set(known) == {"seed-0", "memory-2.2", "slicing-3"}
    assert str(known["memory-2.2"]) == "measured, 2026-01-02, one card"
    assert str(known["slicing-3"]) == "tried, 2026-01-03, a laptop, 3 pictures"
    assert figures.figures_in(tmp_path / "none.json") == {}


def test_what_a_card_said_outweighs_what_was_planned_for_it(tmp_path):
    path, seen = tmp_path / "measured.json", {"resident": 12, "exact": 3}
    figures.keep({"memory-2.2": figures.Figure(seen, "measured")}, "one card", "1", path)
    planned = figures.Figure({"resident": 11, "exact": 2}, "predicted by kn.plan")
    figures.keep({"memory-2.2": planned, "memory-3": planned}, "a laptop", "2", path)
    known = figures.figures_in(path)
    assert known["memory-2.2"].value == seen and known["memory-3"].value == planned.value


def test_what_a_card_decides_is_named_by_claims_that_are_there(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    bench = importlib.import_module("ledger")
    sized = [id for _, _, memory, seconds in bench.FULL_SIZE for id in (*memory, *seconds)]
    assert {c.id for c in claims_of(sized)} == {
        c.id for c in ALL if c.topic in ("memory", "seconds") or c.id == "compare-memory"
    }
    pictures = {"resident": (2.5, 6.0), bench.THRIFTIEST: (9.0, 4.0)}
    monkeypatch.setattr(bench, "whole_picture", lambda model, side, plan: pictures[plan])
    found = bench.full_size(read_card("H100"))
    assert found["memory-3"].value == {"resident": 6.0, "exact": 4.0}
    slower = found["seconds-3-3090"]
    assert slower.value == round(2.5 * 989 / 71, 2) and "scaled by data sheets" in slower.basis
    assert verdict(claims()["memory-3"], found["memory-3"].value) == HOLDS


def test_ids_can_all_be_asked_for():
    assert claims_of("all") == ALL
