"""The page that `make bench` writes: ratios, what was not run, and when it was measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = {"date": "today", "processor": "a chip", "cores": 2, "load": 9.1, "rounds": 1}


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("report")


def goal(what, ratio, bound="at least 2 ×"):
    seconds = [ratio, 1.0]
    return {"what": what, "seconds": seconds, "ratio": ratio, "goal": bound, "met": True}


def part(*rows):
    return {"goals": {"rows": list(rows), "circumstances": HERE}}


def test_a_ratio_that_got_worse_is_named_with_both_values(report):
    before = part(goal("grid", 4.0), goal("one", 1.00, "at most 1.02 ×"), goal("edit", 3.0))
    after = part(goal("grid", 3.0), goal("one", 1.50, "at most 1.02 ×"), goal("edit", 2.9))
    assert report.slower(before, after) == ["grid: 4.00 × → 3.00 ×", "one: 1.00 × → 1.50 ×"]
    assert report.slower(after, before) == report.slower({}, after) == []


def test_the_page_names_both_sides_the_machine_and_what_was_not_run(report):
    page = report.page(part(goal("grid", 4.0)), ["grid: 5.00 × → 4.00 ×"])
    assert "| grid | 4 : 1 | 4 | at least 2 × | True |" in page
    circumstances = " ".join(page.split())
    assert "today; a chip, 2 cores, load 9.1 at the end, 1 rounds" in circumstances
    assert page.count("Not run here.") == 3
    assert "* grid: 5.00 × → 4.00 ×" in page


def test_only_what_was_measured_now_gets_new_figures(report, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    for name, file in {"RESULTS": "r.json", "PAGE": "page.md", "PLOT": "plot.png"}.items():
        monkeypatch.setattr(report, name, tmp_path / file)
    row = {"option": "a", "per_picture": 1.0, "peak_mb": 2.0, "effect": "reference"}
    monkeypatch.setitem(report.PARTS, "options", lambda repeats, only: [row])
    monkeypatch.setitem(report.PARTS, "goals", lambda repeats, only: [goal("grid", 4.0)])
    assert report.main([]) == 0
    monkeypatch.setitem(report.PARTS, "goals", lambda repeats, only: [goal("grid", 2.0)])
    assert report.main(["--only", "goals", "--repeats", "7"]) == 0
    assert "grid: 4.00 × → 2.00 ×" in capsys.readouterr().out
    kept = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert kept["options"]["rows"] == [row]
    assert kept["goals"]["circumstances"]["rounds"] == 7
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_the_committed_page_is_of_the_committed_results(report):
    results = json.loads(report.RESULTS.read_text("utf-8"))
    written = report.PAGE.read_text("utf-8")
    tables = [line for line in report.page(results, []).splitlines() if line.startswith("|")]
    assert len(tables) > 5 and all(line in written for line in tables)


def test_a_card_gets_a_row_for_each_way_and_each_plan(report, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    gpu = importlib.import_module("gpu")
    plan = {"seconds": 3.0, "predicted_gb": 4.0, "allocated_gb": 5.0}
    parts = {
        "floor": {"matmul_tflops": 700.0, "seconds": 1.0},
        "second": {"plain": 2.0, "traced": 1.0, "operations_tflop": 9.0, "seconds": 60.0},
        "plans-3": {"resident": plan, "prior-first": {"fault": "a\nlast"}, "fault": "ended"},
    }
    rows = gpu.table(parts)
    assert [(row["way"], row.get("seconds")) for row in rows] == [
        *(("plain", 2.0), ("traced", 1.0)),
        *(("resident", 3.0), ("prior-first", None), ("the rest", None)),
    ]
    assert rows[2]["peak_gb"] == [4.0, 5.0] and rows[3]["note"] == "failed: last"
    monkeypatch.setattr(report, "RESULTS", tmp_path / "r.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    report.keep("gpu", rows, report.circumstances(1) | {"load": None})
    page = (tmp_path / "page.md").read_text("utf-8")
    assert (
        "| resident | 3 | 4 : 5 |" in page and "load" not in page.partition("graphics card")[2]
    )
