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


def question(ratio, what="one picture"):
    seconds = [ratio, 1.0]
    return {
        "what": what,
        "sides": "a : b",
        "seconds": seconds,
        "ratio": ratio,
        "from_to": [1, 2],
    }


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
    assert page.count("Not run here.") == 4
    assert "* grid: 5.00 × → 4.00 ×" in page


def test_only_what_was_measured_now_gets_new_figures(report, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    for name, file in {"RESULTS": "r.json", "PAGE": "page.md", "PLOT": "plot.png"}.items():
        monkeypatch.setattr(report, name, tmp_path / file)
    monkeypatch.setattr("os.getloadavg", lambda: (0.5, 9, 9))
    row = {"option": "a", "per_picture": 1.0, "peak_mb": 2.0, "effect": "reference"}
    monkeypatch.setitem(report.PARTS, "questions", lambda repeats, only: [question(2.0)])
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


@pytest.fixture
def written(report, tmp_path, monkeypatch):
    """Where the report writes to, with one question as it was measured for 0.1.0."""
    monkeypatch.setattr(report, "ROOT", tmp_path)
    for name, file in {"RESULTS": "r.json", "PAGE": "page.md", "PLOT": "plot.png"}.items():
        monkeypatch.setattr(report, name, tmp_path / file)
    old = {"rows": [question(3.0)], "circumstances": HERE | {"kandi_nb": "0.1.0"}}
    report.RESULTS.write_text(json.dumps({"questions": old}), "utf-8")
    monkeypatch.setitem(report.PARTS, "questions", lambda *_: [question(2.0)])
    monkeypatch.setattr("os.getloadavg", lambda: (0.5, 9, 9))
    return tmp_path


def test_what_users_ask_comes_first_beside_the_last_release(report, written, capsys):
    for _ in range(2):  # the second time it is still 0.1.0 that is the last release
        assert report.main(["--only", "questions"]) == 0
    assert "one picture: 3.00 × → 2.00 × since 0.1.0" in capsys.readouterr().out
    page = report.PAGE.read_text("utf-8")
    assert "ratio of 0.1.0" in page and "| 2 : 1 | 2 | 1 : 2 | 3 |" in page
    assert page.index("one picture") < page.index("<details>")


def test_nothing_is_written_of_a_busy_machine_or_of_few_rounds(
    report, written, monkeypatch, capsys
):
    before = report.RESULTS.read_text("utf-8")
    loads = iter([0.5, 0.5, 99.0])  # before, for the page, after
    monkeypatch.setattr("os.getloadavg", lambda: (next(loads), 0, 0))
    assert report.main(["--only", "questions"]) == 2
    assert "nothing is written: a load of 99.0" in capsys.readouterr().err
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0, 0))
    monkeypatch.setitem(report.PARTS, "goals", lambda *_: pytest.fail("it was measured"))
    assert report.main([]) == 2
    assert report.main(["--only", "questions", "--try", "--repeats", "1"]) == 0
    with pytest.raises(SystemExit):
        report.main(["--repeats", "4"])
    assert report.RESULTS.read_text("utf-8") == before and not report.PAGE.exists()


def test_sides_take_turns_and_a_ratio_is_the_median_of_rounds(report):
    questions = importlib.import_module("questions")
    order, now = [], [0.0]

    def side(name, *taken):
        left = iter(taken)
        return lambda: (order.append(name), now.__setitem__(0, now[0] + next(left)))

    sides = {"theirs": side("a", 9, 4, 6, 8), "ours": side("b", 9, 2, 2, 2)}
    seconds = questions.take_turns(sides, 3, lambda: now[0])
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert seconds == {"theirs": [4, 6, 8], "ours": [2, 2, 2]}
    row = questions.compared("a batch", seconds, "theirs", "ours")
    assert (row["seconds"], row["ratio"], row["from_to"]) == ([6, 2], 3, [2, 4])


def test_every_question_is_answered_by_two_sides(report, tiny_folder):
    rows = importlib.import_module("questions").measure(1, tiny_folder, steps=2)
    assert [row["what"] for row in rows] == [
        *("one picture, kn.generate", 'one picture, speed="traced"'),
        *("a batch of 8", "a batch of 8, theirs too", "a grid of 5 languages × 3 seeds"),
    ]
    assert all(row["ratio"] > 0 and min(row["seconds"]) > 0 for row in rows)


def test_the_committed_page_is_of_the_committed_results(report):
    results = json.loads(report.RESULTS.read_text("utf-8"))
    text = report.PAGE.read_text("utf-8")
    tables = [line for line in report.page(results, []).splitlines() if line.startswith("|")]
    assert len(tables) > 5 and all(line in text for line in tables)


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
