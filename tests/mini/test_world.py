"""The drawn world: the same everywhere, complete, and with a tenth kept from training."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from kandi_nb.mini.world.render import render, render_many
from kandi_nb.mini.world.scenes import HELD_OUT, THINGS, Scene, accepted_colours, scene, scenes
from kandi_nb.mini.world.vocabulary import ANIMALS, COLOURS, HEADWEAR, OBJECTS, PLACES, STYLES

FIRST_THREE = [
    ("apple", "golden", "space"),
    ("cat", "natural", "blossom"),
    ("bear", "blue", "sunset"),
]


def test_a_tenth_of_all_triples_is_held_out_evenly():
    assert len(HELD_OUT) == 90
    assert len(THINGS) * len(COLOURS) * len(PLACES) == 896
    per_object = Counter(thing for thing, _, _ in HELD_OUT)
    assert set(per_object) == set(THINGS) and set(per_object.values()) == {5, 6}
    assert {colour for _, colour, _ in HELD_OUT} == set(COLOURS)
    assert {place for _, _, place in HELD_OUT} == set(PLACES)


def test_training_scenes_never_show_a_held_out_triple():
    train, held = list(scenes(4000)), list(scenes(1000, held_out=True))
    assert not {s.triple for s in train} & HELD_OUT
    assert {s.triple for s in held} <= HELD_OUT
    assert {s.object for s in train} == set(OBJECTS)
    assert {s.style for s in train} == set(STYLES)
    assert {s.headwear for s in train} == set(HEADWEAR)
    assert all(s.headwear == "none" for s in train if s.object not in ANIMALS)


def test_scene_n_is_the_same_scene_in_another_process():
    code = (
        "from kandi_nb.mini.world.scenes import scenes\n"
        "from kandi_nb.mini.world.render import render\n"
        "print([(s, int(render(s).image.sum())) for s in scenes(5, start=100)])"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    here = [(s, int(render(s).image.sum())) for s in scenes(5, start=100)]
    assert fresh.stdout.strip() == str(here)
    # The draws themselves, written down: another Python must not change them.
    assert [s.triple for s in scenes(3)] == FIRST_THREE


def test_salt_and_number_change_the_scene():
    assert scene(0) != scene(1)
    assert scene(0) != scene(0, salt="other")
    assert scene(0, held_out=True).triple in HELD_OUT


@pytest.mark.parametrize("place", PLACES)
def test_silhouette_and_depth_fit_the_object(place):
    there = render(Scene("fox", "red", place, "crown", seed=3))
    gone = render(Scene("nothing", "natural", place, seed=3))
    assert there.image.shape == (64, 64, 3) and there.image.dtype == np.uint8
    assert not gone.silhouette.any() and gone.box == (0, 0, 0, 0)
    solid = there.silhouette > 250
    assert 0.1 < solid.mean() < 0.6
    assert there.depth[solid].min() > there.depth[there.silhouette == 0].max()
    outside = there.silhouette == 0
    same = (there.image == gone.image).all(-1)[outside].mean()
    assert same > 0.95  # the place behind is painted the same with and without the object


def test_headwear_is_drawn_at_the_head():
    bare = render(Scene("dog", "blue", "beach", "none", seed=11))
    hat = render(Scene("dog", "blue", "beach", "hat", seed=11))
    changed = (bare.image != hat.image).any(-1)
    left, top, right, bottom = hat.head
    assert changed.any()
    changed[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = False
    assert not changed.any()


def test_sizes_and_many():
    some = list(scenes(6))
    assert render_many(some, 128).shape == (6, 128, 128, 3)
    assert (render_many(some)[3] == render(some[3]).image).all()


def test_natural_looks_count_as_their_named_colour():
    assert accepted_colours("frog", "green") == ("natural", "green")
    assert accepted_colours("frog", "natural") == ("natural", "green")
    assert accepted_colours("frog", "red") == ("red",)
    assert accepted_colours("bear", "natural") == ("natural",)
