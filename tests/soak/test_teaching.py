"""A whole teaching of the bundled model: what is learned, what is forgotten, at full length."""

from __future__ import annotations

import pytest

import kandi_nb as kn
from kandi_nb.mini.evaluation.taught import read_old
from kandi_nb.mini.world import traffic_lights

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore::kandi_nb.KandiWarning")]
PICTURES = 40
PARAMS = kn.Params(steps=25, prior_steps=25, seed=100)
# Old things in taught places, which the checker must not take for the new one.
AGAINST = [
    f"a red {thing} {place}"
    for thing in ("bear", "rabbit", "owl", "cat", "rocket", "house", "castle", "mushroom")
    for place in ("in space", "in a snowy forest", "on a green meadow")
]


def test_traffic_lights_are_learned_and_old_scenes_are_kept():
    k = kn.load("mini-2.2", device="cpu")
    lessons = traffic_lights.lessons(36)
    steps = {"prior": 200, "decoder": 1000}
    adapter = kn.teach(k, *lessons, steps=steps, mirrored=True, progress=False)
    light = k.with_adapter(adapter)
    checker = kn.checker(k, *lessons, against=AGAINST, progress=False)
    prompts = {
        name: (list(places.values()) * PICTURES)[:PICTURES]
        for name, places in (
            ("trained", traffic_lights.TRAINED),
            ("untrained", traffic_lights.UNTRAINED),
        )
    }
    seen = checker.compare({"before": k, "after": light}, prompts, PARAMS, progress=False)
    print(seen)
    assert seen[0]["before"] <= 0.1
    assert seen[0]["after"] >= 0.8
    assert seen[1]["after"] >= 0.6
    old = read_old({"before": k, "after": light}, 80, PARAMS)
    print(old)
    for row in old:
        assert row["before"] - row["after"] <= 0.03, row["read"]
