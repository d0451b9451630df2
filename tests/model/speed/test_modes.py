"""Speeds by name: what each may change, and what a recipe says of it."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.drivers.batches.folder.hashes import run_hash
from kandi_nb.model.find import find
from kandi_nb.model.loading import speeds
from kandi_nb.model.plan.names import Plan
from kandi_nb.model.speed import traced
from kandi_nb.tasks.checks import every_task, filled_runs
from kandi_nb.words.errors import KandiError
from kandi_nb.words.models import SPECS
from kandi_nb.words.params import Params

RESIDENT = Plan("resident")
every_task()  # which `filled_runs` looks up


@pytest.fixture(scope="module")
def quick():
    return kn.load("mini-2.2", device="cpu", speed="fast")


def apart(one, other) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@pytest.mark.parametrize("speed", ["max", "Fast", "", None, 2, ["fast"]], ids=repr)
def test_an_unknown_speed_is_refused_with_the_known_ones(speed):
    with pytest.raises(KandiError, match="exact, traced, compiled, fast") as refused:
        kn.load("mini-2.2", device="cpu", speed=speed)
    assert "\n" not in str(refused.value)


def test_fast_on_a_model_without_a_curve_says_so(tiny_folder):
    for model in (tiny_folder, "kandinsky-2.2"):
        with pytest.raises(KandiError, match=r"no curve.*mini-2\.2.*speed=\"exact\""):
            chosen, _ = find(model) if model == tiny_folder else (SPECS[model], {})
            speeds.check_speed("fast", chosen, "cpu", RESIDENT)
    with pytest.raises(KandiError, match="no curve"):
        kn.load(tiny_folder, device="cpu", speed="fast")


def test_recordings_need_weights_that_stay(monkeypatch):
    chosen = SPECS["mini-2.2"]
    with pytest.raises(KandiError, match=r"moves them.*resident"):
        speeds.check_speed("traced", chosen, "cuda", Plan("model-offload"))
    with pytest.raises(KandiError, match="mps"):
        speeds.check_speed("traced", chosen, "mps", RESIDENT)
    monkeypatch.setattr(speeds, "compiler", lambda: None)
    with pytest.raises(KandiError, match=r"C compiler.*traced"):
        speeds.check_speed("compiled", chosen, "cpu", RESIDENT)
    monkeypatch.setattr(speeds, "compiler", lambda: "/usr/bin/cc")
    assert speeds.check_speed("compiled", chosen, "cpu", RESIDENT) == "compiled"


def test_fast_changes_what_was_not_given(quick):
    chosen = speeds.fast("mini-2.2")
    (run,) = filled_runs("generate", quick, Params("a red fox"))
    assert (run.steps, run.prior_steps) == (
        chosen.settings["steps"],
        chosen.settings["prior_steps"],
    )
    assert run.steps < 25 and run.prior_steps < 25
    assert quick.options["scheduler"] == f"{chosen.scheduler}Scheduler"


def test_fast_leaves_alone_what_was_given(quick):
    """Even where it was given the value of the default."""
    (run,) = filled_runs("generate", quick, Params("a red fox", steps=25))
    assert (
        run.steps == 25 and run.prior_steps == speeds.fast("mini-2.2").settings["prior_steps"]
    )
    (run,) = filled_runs(
        "generate", quick, Params("a red fox", prior_steps=11).replace(steps=3)
    )
    assert (run.steps, run.prior_steps) == (3, 11)
    own = kn.load("mini-2.2", device="cpu", speed="fast", scheduler="dpm++")
    assert own.options["scheduler"] == "DPMSolverMultistepScheduler"


def test_fast_keeps_the_steps_of_what_starts_from_a_picture(quick):
    (run,) = filled_runs("edit", quick, Params("a red fox"))
    assert run.steps == 25 and run.prior_steps < 25
    own = kn.load("mini-2.2", device="cpu")
    edits, usual = quick.pipeline("edit"), own.pipeline("edit")
    assert type(edits.scheduler) is type(usual.scheduler)


def test_settings_know_whether_they_were_given():
    params = Params("a fox", steps=25)
    assert params.explicit == {"prompt", "steps"}
    assert params.replace(seed=3).explicit == {"prompt", "steps", "seed"}
    assert params == Params("a fox"), "who chose a value makes no other Params of it"
    assert pickle.loads(pickle.dumps(params)).explicit == params.explicit
    assert Params.from_dict(params.asked()).explicit == params.explicit
    assert all("steps" in run.explicit for run in kn.sweep(Params("x"), steps=[25, 50]))
    assert "steps" not in Params("x", count=2).singles()[1].explicit


def test_speed_is_in_the_recipe_and_its_replay_is_fast(quick, tmp_path):
    drawn = kn.generate(quick, Params("a red fox", seed=3), progress=False)
    made = kn.recipe(drawn[0])
    assert made["options"]["speed"] == "fast"
    assert made["params"]["steps"] == speeds.fast("mini-2.2").settings["steps"]
    (path,) = drawn.save(tmp_path)
    again = kn.replay(path)
    assert again.options["speed"] == "fast" and again.params == drawn.params
    assert apart(again[0], drawn[0]) <= 1
    exact = kn.load("mini-2.2", device="cpu")
    handed = kn.replay(path, exact)
    assert handed.options["speed"] == "fast" and apart(handed[0], drawn[0]) <= 1
    assert exact.speed == "exact", "the model that was handed over stays as it is"


def test_a_recipe_of_exact_is_replayed_exactly_by_a_fast_model(quick):
    exact = quick.with_speed("exact")
    params = Params("a red fox", steps=4, prior_steps=4)
    drawn = kn.generate(exact, params, progress=False)
    assert kn.recipe(drawn[0])["options"]["speed"] == "exact"
    again = kn.replay(drawn[0], quick)
    assert again.options["speed"] == "exact" and apart(again[0], drawn[0]) <= 1


def test_the_hash_of_a_run_knows_its_speed(quick):
    def mark(k):
        params = Params("a red fox", steps=4, prior_steps=4)
        drawn = kn.generate(k.with_scheduler("ddim"), params, progress=False)
        return run_hash(kn.recipe(drawn[0]))

    assert mark(quick) != mark(quick.with_speed("exact"))


def test_traced_is_recorded_as_exact(quick):
    """It has the same pixels, so a recipe that names it would only seem another."""
    assert quick.with_speed("traced").options["speed"] == "exact"
    assert "traced" in repr(quick.with_speed("traced"))


@pytest.mark.parametrize("key", sorted(file.stem for file in speeds.CURVES.glob("*.json")))
def test_the_choice_of_a_curve_is_one_of_its_points_and_keeps_its_bars(key):
    measured = json.loads((speeds.CURVES / f"{key}.json").read_text("utf-8"))
    plain, *others = measured["rows"]
    chosen = next(
        row for row in others if all(row[n] == v for n, v in measured["fast"].items())
    )
    assert SPECS[key].bundled and plain["plain"] and plain["time"] == 1.0
    assert chosen["time"] <= 0.30
    for what in ("object", "colour", "place", "all"):
        assert chosen[what] >= plain[what] - 0.03
    assert chosen["pictures"] >= 200


def test_a_curve_shows_itself(quick):
    table = kn.curve(quick)
    assert [row["choice"] for row in table].count("fast") == 1
    assert table.rows == kn.curve("mini-2.2").rows
    with pytest.raises(KandiError, match="no curve"):
        kn.curve("kandinsky-3")


def test_a_compiler_is_looked_for_by_its_usual_names(monkeypatch):
    monkeypatch.setattr(traced.shutil, "which", lambda name: None)
    assert traced.compiler() is None
    monkeypatch.setattr(traced.shutil, "which", lambda name: f"/bin/{name}" * (name == "clang"))
    assert traced.compiler() == "/bin/clang"
