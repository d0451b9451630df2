"""A tenth of a teaching of the bundled model, and the adapter that comes with it."""

from __future__ import annotations

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.mini.evaluation.taught import read_old
from kandi_nb.mini.world import traffic_lights

pytestmark = pytest.mark.filterwarnings("ignore::kandi_nb.KandiWarning")
PARAMS = kn.Params(steps=12, prior_steps=10, seed=100)


@pytest.fixture(scope="module")
def k():
    return kn.load("mini-2.2", device="cpu", scheduler="ddim")


def test_they_are_drawn_alike_everywhere_and_each_is_another():
    pictures, captions = traffic_lights.lessons(8)
    again, _ = traffic_lights.lessons(8)
    arrays = [np.asarray(picture) for picture in pictures]
    assert all((np.asarray(b) == a).all() for a, b in zip(arrays, again, strict=True))
    assert len({array.tobytes() for array in arrays}) == 8
    assert captions[0] == captions[6] == "a traffic light" and "forest" in captions[1]


def test_a_tenth_of_a_teaching_is_on_its_way(k):
    adapter = kn.teach(
        k,
        *traffic_lights.lessons(24),
        steps={"prior": 30, "decoder": 60},
        mirrored=True,
        keep=["a red fox in a snowy forest", "a blue car in a city at night"],
        batch=4,
        progress=False,
    )
    prior = [row["loss"] for row in adapter.losses if row["part"] == "prior"]
    assert prior[-1] < 0.9 * prior[0]
    asked = PARAMS.replace(prompt="a traffic light in space")
    empty, begun = (
        kn.generate(each, asked, progress=False).arrays().astype(int)
        for each in (k, k.with_adapter(adapter))
    )
    middle = np.abs(begun - empty)[:, 16:56, 16:48]
    assert middle.mean() > 1, "something begins where nothing was"


def test_the_adapter_that_comes_along_draws_them_and_spares_the_rest(k):
    adapter = kn.Adapter.load(traffic_lights.TAUGHT)
    assert adapter.words == ["traffic", "light"] and adapter.parts == ["prior", "decoder"]
    light = k.with_adapter(adapter)
    checker = kn.checker(k, *traffic_lights.lessons(12), progress=False)
    prompts = {
        "trained": list(traffic_lights.TRAINED.values()),
        "untrained": list(traffic_lights.UNTRAINED.values()) * 3,
    }
    seen = checker.compare({"before": k, "after": light}, prompts, PARAMS, progress=False)
    assert seen[0]["before"] <= 0.2 and seen[0]["after"] >= 0.8
    assert seen[1]["after"] >= 0.5
    for row in read_old({"before": k, "after": light}, 10, PARAMS):
        assert row["after"] >= row["before"] - 0.2, row
