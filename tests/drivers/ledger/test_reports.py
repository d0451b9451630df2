"""The ledger takes its figures from the report of a model that somebody verified."""

from __future__ import annotations

import json

import pytest

import kandi_nb as kn
from kandi_nb.drivers.ledger.reports import GUIDES_SIDE, RULES
from kandi_nb.drivers.verify import verify as module
from kandi_nb.drivers.verify.rows import RANDOM
from kandi_nb.drivers.verify.verify import CHECKS
from kandi_nb.words.errors import KandiError, KandiWarning

CARD = {"side": 768, "steps": 25, "seconds": 7.6, "peak_gb": 7.5}


def report(folder, family="2.2", card="NVIDIA GeForce RTX 3090", verdict="as promised", **more):
    """Write what a verification of published weights on a card leaves."""
    row = {"check": "memory", "what": "x", "expected": "y", "seen": "z", "pictures": []}
    figures = {**CARD, "side": GUIDES_SIDE[family], "worst_language": 0.75}
    rows = [{**row, "verdict": verdict, "figures": figures}]
    model = {"key": f"a folder of {family}", "family": family, "memory": "resident", **more}
    made = {"schema": 2, "model": model, "machine": "Linux x86_64", "checks": {"memory": rows}}
    (folder / "report.json").write_text(json.dumps(made | {"card": card}))
    return folder


def decided(claims):
    return {row["id"] for row in claims if str(row["basis"]).startswith("kn.verify")}


def test_a_report_of_a_card_decides_what_the_guides_say_of_that_card(tmp_path):
    claims = kn.ledger(measure=report(tmp_path))
    assert decided(claims) == {
        *("memory-2.2", "service-vram", "seconds-2.2-3090", "languages-2.2")
    }
    assert claims["memory-2.2"]["value"]["resident"] == 7.5
    assert claims["memory-2.2"]["verdict"] == "holds"
    assert claims["seconds-2.2-3090"]["measured"] == "7.6 s a picture"
    assert claims["seconds-2.2-3090"]["verdict"] == "holds"
    assert claims["languages-2.2"]["verdict"] == "depends"
    assert "RTX 3090" in claims["memory-2.2"]["basis"]
    assert claims["seconds-2.2-4090"]["verdict"].startswith("needs")
    for source in (str(tmp_path), tmp_path / "report.json", str(tmp_path / "report.json")):
        assert kn.ledger(measure=source).rows == claims.rows
    own = kn.ledger({"memory-2.2": 9.0}, measure=tmp_path)
    assert own["memory-2.2"]["basis"].startswith("measured by you"), "yours come first"


def test_another_generation_plan_or_machine_decides_other_claims(tmp_path):
    three = decided(kn.ledger(measure=report(tmp_path, "3", "RTX 4090")))
    assert three == {"memory-3", "compare-memory", "seconds-3-4090"}
    moved = decided(kn.ledger(measure=report(tmp_path, memory="model-offload")))
    assert moved == {"seconds-2.2-3090", "languages-2.2"}, "of another plan than the guides'"


def test_what_decides_nothing_is_said(tmp_path):
    with pytest.warns(KandiWarning, match="decides no claim"):
        claims = kn.ledger(measure=report(tmp_path, verdict=RANDOM))
    assert not decided(claims), "weights by chance mean nothing"
    with pytest.raises(KandiError, match=r"no report.json"):
        kn.ledger(measure=tmp_path / "elsewhere")
    for text in ("{}", "[" * 100_000):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(KandiError, match="is no report"):
            kn.ledger(measure=tmp_path)


def test_every_rule_is_of_a_claim():
    assert set(RULES) <= {row["id"] for row in kn.ledger()}


def test_a_verification_of_the_bundled_model_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKS", {n: CHECKS[n] for n in ("weights", "languages")})
    found = kn.verify("mini-2.2", tmp_path, quick=True, device="cpu")
    row = kn.ledger(measure=found)["languages-mini"]
    assert row["value"] == 1 and row["verdict"] == "holds"
    assert row["basis"].startswith("kn.verify, ")
    text = (tmp_path / "report.json").read_text()
    assert '"worst_language": 1' in text and "card" not in json.loads(text)
