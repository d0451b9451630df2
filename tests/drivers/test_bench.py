"""Timing: rows that plot, sides that take turns, the goals of `make bench`, all in small."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest

from kandi_nb import Params, generate, load, plot, sweep
from kandi_nb.drivers.measure.bench import Pair, bench, pair
from kandi_nb.words.errors import KandiError

GOALS = Path(__file__).parents[2] / "benchmarks" / "goals.py"


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told: clock(seconds)."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def pass_time(seconds):
        now[0] += seconds

    return pass_time


class Remembering(dict):
    """A stand-in for the remembered embeddings that counts how often it is emptied."""

    cleared = 0

    def clear(self):
        self.cleared += 1
        super().clear()


@pytest.fixture
def k():
    embeddings = Remembering()
    return types.SimpleNamespace(
        spec=types.SimpleNamespace(key="stand-in"),
        embeddings=embeddings,
        forget=embeddings.clear,
    )


def test_bench_gives_one_row_a_run_with_the_median(k, clock):
    calls = []
    extra = iter([100, 0, 0, 9, 0, 0, 9])  # the first is the warm-up

    def task(k, params, **inputs):
        calls.append((params, inputs))
        assert not k.embeddings, "nothing is left from the run before"
        k.embeddings["text"] = 1
        clock(params.steps / 10 + next(extra))
        return Drawn(params.count, peak_mb=float(len(calls)))

    runs = sweep(Params("a fox", count=2), steps=[10, 50])
    rows = bench(task, k, runs, repeats=3, image="given")
    assert len(calls) == 7 and all(inputs == {"image": "given"} for _, inputs in calls)
    assert [row["steps"] for row in rows] == [10, 50]
    assert [row["seconds"] for row in rows] == pytest.approx([1.0, 5.0])
    assert [row["fastest"] for row in rows] == pytest.approx([1.0, 5.0])
    assert [row["per_picture"] for row in rows] == pytest.approx([0.5, 2.5])
    assert [row["peak_mb"] for row in rows] == [4.0, 7.0]
    assert rows[0]["model"] == "stand-in" and rows[0]["prompt"] == "a fox"
    assert k.embeddings.cleared == 7
    assert plot(rows, x="steps", y="seconds").axes


class Drawn:
    """A stand-in for a Result."""

    def __init__(self, count, peak_mb):
        self.count, self.peak_mb = count, peak_mb

    def __len__(self):
        return self.count


def test_peak_is_none_where_it_is_unknown(k, clock):
    rows = bench(lambda k, params: Drawn(1, None), k, Params("a fox"), repeats=1)
    assert rows[0]["peak_mb"] is None


@pytest.mark.parametrize(
    ("runs", "repeats", "message"),
    [
        ("a fox", 3, "list of Params"),
        ([], 3, "list of Params"),
        ([{"prompt": "a fox"}], 3, "kn.sweep"),
        (Params("a fox"), 0, "repeats"),
        (Params("a fox"), True, "repeats"),
        (Params("a fox"), 1.5, "repeats"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(k, runs, repeats, message):
    def task(k, params):
        raise AssertionError("the task was run")

    with pytest.raises(KandiError, match=message):
        bench(task, k, runs, repeats=repeats)


@pytest.mark.parametrize(
    ("task", "model", "words"),
    [
        (lambda k, params: None, 22, "kn.load"),
        (lambda k, params: None, None, "kn.load"),
        ("generate", None, "such as kn.generate"),
    ],
)
def test_bench_wants_a_task_and_a_model(task, model, words):
    with pytest.raises(KandiError, match=rf"^bench [^\n]*{words}[^\n]*$"):
        bench(task, model, Params("a fox"))


def test_pair_wants_two_functions():
    with pytest.raises(KandiError, match=r"^pair times two functions[^\n]*not 3$"):
        pair(lambda: None, 3)


def test_pair_takes_turns_and_changes_the_order(clock):
    order = []

    def side(name, seconds):
        return lambda: (order.append(name), clock(seconds))

    measured = pair(side("a", 3.0), side("b", 2.0), repeats=4)
    assert "".join(order) == "ab" + "abbaabba"
    assert measured.ratio == measured.best == pytest.approx(1.5)
    assert "3.000 s" in str(measured) and "1.50 ×" in str(measured)


def test_one_disturbed_round_does_not_move_the_ratio():
    assert Pair(a=(2.0, 2.0, 50.0), b=(1.0, 1.0, 1.0)).ratio == pytest.approx(2.0)
    assert Pair(a=(2.0, 9.0), b=(1.0, 8.0)).best == pytest.approx(2.0)


@pytest.fixture(scope="module")
def goals():
    described = importlib.util.spec_from_file_location("goals", GOALS)
    module = importlib.util.module_from_spec(described)
    with pytest.MonkeyPatch.context() as patch:  # as a script it finds what lies beside it
        patch.syspath_prepend(str(GOALS.parent))
        described.loader.exec_module(module)
    return module


def fewer(goals, monkeypatch):
    """Let the goals be measured on few pictures, and small ones."""
    small = {"PROMPTS": goals.PROMPTS[:2], "SEEDS": [0, 1], "EDITS": ([0.2, 0.8], range(2))}
    small |= {"MASKS": 2, "FILM": (2, 4), "FILM_SIDE": 64, "MIX_SIDE": 2}
    for name, value in small.items():
        monkeypatch.setattr(goals, name, value)


def test_make_bench_measures_the_same_pictures_on_both_sides(
    goals, tiny_folder, capsys, monkeypatch
):
    fewer(goals, monkeypatch)
    words = ["--model", str(tiny_folder), "--steps", "2", "--repeats", "1"]
    assert goals.main(words) == 0
    out = capsys.readouterr().out
    assert "(a) 2 languages × 2 seeds" in out
    assert "pixels at most" in out and "/255 apart: goal met" in out
    assert "(b) one picture" in out
    assert "(c) import kandi_nb" in out


def test_a_missed_goal_says_where_the_time_goes(goals, tiny_folder, capsys, monkeypatch):
    fewer(goals, monkeypatch)
    monkeypatch.setattr(goals, "GRID_GOAL", 1e9)
    monkeypatch.setattr(goals, "OVERHEAD_GOAL", -1.0)
    words = ["--model", str(tiny_folder), "--steps", "2", "--repeats", "1"]
    assert goals.main(["grid", "one", *words]) == 0
    out = capsys.readouterr().out
    assert out.count("GOAL MISSED") == 2
    assert "what each part gains by the batch: " in out
    for part in ("decoder UNet", "MoVQ decoder", "prior", "everything else"):
        assert out.count(f"{part} ") >= 3, part


def test_edits_and_inpaintings_are_measured_against_a_loop(
    goals, tiny_roles_folder, capsys, monkeypatch
):
    fewer(goals, monkeypatch)
    words = ["--model", str(tiny_roles_folder), "--steps", "5", "--repeats", "1"]
    assert goals.main(["edit", "inpaint", *words]) == 0
    out = capsys.readouterr().out
    assert "(d) edit at 2 strengths × 2 seeds: 4 pictures" in out
    assert "(e) inpaint under 2 masks: 2 pictures" in out and "joining" in out


def test_versus_is_measured_in_a_process_of_its_own(goals, tiny_folder, tiny21_folder):
    models = [str(tiny_folder), str(tiny21_folder)]
    seconds, peak = goals.in_fresh_process(goals._VERSUS, models, 2)
    assert 0 < seconds < 300 and peak >= 0


def test_bench_goals_refuse_unknown_words_and_models(goals, capsys):
    with pytest.raises(SystemExit) as caught:
        goals.main(["speed"])
    assert caught.value.code == 2
    assert goals.main(["one", "--model", "mini-9"]) == 2
    assert "unknown model" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a block")
def test_a_larger_run_needs_more_memory_whatever_ran_before():
    model = load("mini-2.2", device="cpu")
    quick = Params("a red fox", steps=2, prior_steps=2)
    runs = [quick.replace(count=count) for count in (1, 8, 1)]
    small, large, again = (row["peak_mb"] for row in bench(generate, model, runs, repeats=1))
    assert small > 2 and large > 2 * small
    assert 2 < again < large / 2, "what ran before leaves no room to hide in"
