"""docs/scale.md quotes the simulation, whose bookkeeping is the real one."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def scale():
    path = ROOT / "benchmarks" / "scale.py"
    described = importlib.util.spec_from_file_location("scale", path)
    module = sys.modules["scale"] = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    yield module
    del sys.modules["scale"]


@pytest.fixture(scope="module")
def quoted():
    """Return what the page's table of figures says, name → number."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z][^|]+?) \| ([\d.,]+) \|$", text, re.M)
    return {name: float(figure.replace(",", "")) for name, figure in rows}


def test_failures_at_random_lose_nothing_and_double_nothing(scale):
    stormy = scale.Weather(picture=2.0, between_deaths=300.0, restart=60.0, bad=0.01)
    figures = scale.simulate(3000, 20, stormy)
    assert figures["drawn"] + figures["failed"] == 3000
    assert figures["workers that died"] > 10 and 5 < figures["failed"] < 100


def test_the_figures_of_the_page_fit_together_and_to_a_smaller_simulation(scale, quoted):
    asked, drawn = quoted["pictures asked for"], quoted["drawn, each once"]
    assert drawn + quoted["listed as failed"] == asked == 1_000_000
    ideal = quoted["hours if nothing went wrong"]
    assert ideal == pytest.approx(asked * 2 / 1000 / 3600, rel=1e-2)
    again = quoted["pictures drawn again after a death"]
    deaths = quoted["workers that died"]
    small = scale.simulate(20_000, 20, scale.Weather())
    expected = 20_000 * 2 / scale.Weather.between_deaths * 50  # fifty times as many pictures
    assert deaths == pytest.approx(expected, rel=0.3)
    assert small["drawn"] + small["failed"] == 20_000
    assert 1 < again / deaths <= 32, "what a death takes along is one call's pictures"
    assert quoted["hours"] / ideal < 1.05


def test_the_simulation_is_the_same_each_time(scale, capsys):
    words = ["--runs", "500", "--gpus", "10"]
    assert scale.main(words) == 0
    first = capsys.readouterr().out.splitlines()[:6]
    assert scale.main(words) == 0
    assert capsys.readouterr().out.splitlines()[:6] == first
