"""Mixtures: what they show follows from what the two scenes say, and nothing held out."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.mini import judge
from kandi_nb.mini.training.data import ALONE, Data
from kandi_nb.mini.world.blends import Blend, blends, mix, render_blend
from kandi_nb.mini.world.render import render
from kandi_nb.mini.world.scenes import HELD_OUT, THINGS, Scene, scenes


@pytest.fixture(scope="module")
def world():
    return list(scenes(3000))


def test_mixtures_are_the_same_ones_every_time_and_show_nothing_held_out(world):
    made = list(blends(world, 300))
    assert made == list(blends(world, 300))
    shown = {scene.triple for blend in made for scene in (blend.first, blend.second)}
    assert len(shown) > 150 and not shown & HELD_OUT
    assert all(0.2 <= blend.share <= 0.8 for blend in made)
    moved = [b for b in made if world[b.other].object == "nothing"]
    assert 45 < len(moved) < 110
    for blend in moved:
        assert blend.first == blend.second
        assert blend.first.object == world[blend.one].object != "nothing"
        assert blend.first.place == world[blend.other].place
    bare = [b for b in made if {b.first.place, b.second.place} == {"plain"}]
    assert len(bare) > 90


def test_each_pair_is_mixed_as_often_as_any_other():
    """Bare animals are rare, since most wear something; but cat and dog are what people mix."""

    def is_bare(scene):
        return scene == Scene(scene.object, seed=scene.seed)

    world = list(scenes(12_000))
    things = {scene.object for scene in world if is_bare(scene)} - {"nothing"}
    assert len(things) == len(THINGS) - 1  # a plain rabbit is held out
    pairs = Counter()
    for blend in blends(world, 6000):
        one, other = world[blend.one], world[blend.other]
        if is_bare(one) and is_bare(other) and "nothing" not in (one.object, other.object):
            pairs[frozenset((one.object, other.object))] += 1
    assert set(pairs) == {frozenset(pair) for pair in itertools.combinations(things, 2)}
    assert min(pairs.values()) > np.mean(list(pairs.values())) / 3


def test_too_few_scenes_are_refused():
    with pytest.raises(kn.KandiError, match="--scenes"):
        list(blends([Scene("cat"), Scene("cat", "red")], 1))


def test_what_one_does_not_say_comes_from_the_other():
    cat, dog = Scene("cat", place="beach", seed=1), Scene("dog", "red", seed=2)
    assert mix(cat, dog) == (cat, Scene("dog", "red", "beach", seed=1))
    assert mix(dog, cat)[0].place == "beach"
    city = Scene("dog", place="city", seed=2)
    for share, place in ((0.4, "city"), (0.6, "beach")):  # of two places the larger share's
        assert {scene.place for scene in mix(cat, city, share)} == {place}
    empty = Scene("nothing", place="space", seed=3)
    assert mix(empty, cat) == (Scene("cat", place="space", seed=3),) * 2
    assert {scene.object for scene in mix(empty, empty)} == {"nothing"}


@pytest.mark.parametrize("size", [64, 128])
def test_a_mixture_is_the_left_of_one_and_the_right_of_the_other(size):
    cat, dog = Scene("cat", seed=4), Scene("dog", seed=4)
    a, b = render(cat, size).image, render(dog, size).image
    seams = []
    for share in (0.2, 0.5, 0.8):
        drawn = render_blend(Blend(0, 1, share, cat, dog), size)
        assert drawn.dtype == np.uint8 and drawn.shape == (size, size, 3)
        # A sum has no order: the other way round it is the same picture.
        assert (drawn == render_blend(Blend(1, 0, 1 - share, dog, cat), size)).all()
        of_a = np.flatnonzero((drawn == a).all((0, 2)) & (a != b).any((0, 2)))
        of_b = np.flatnonzero((drawn == b).all((0, 2)) & (a != b).any((0, 2)))
        assert len(of_a) and len(of_b) and of_a.max() < of_b.min()
        assert of_b.min() - of_a.max() <= 0.15 * size
        seams.append((of_a.max() + of_b.min()) / 2)
    assert seams[0] + 0.08 * size < seams[1] < seams[2] - 0.08 * size
    assert (render_blend(Blend(0, 1, 0.3, cat, cat), size) == a).all()


def test_a_narrow_thing_has_its_share_of_what_is_seen():
    rabbit, car = Scene("rabbit", seed=4), Scene("car", seed=4)
    whole = render(rabbit).silhouette > 127
    drawn = render_blend(Blend(0, 1, 0.3, rabbit, car))
    kept = (drawn == render(rabbit).image).all(-1) & whole
    assert 0.1 < kept.sum() / whole.sum() < 0.5


def test_the_judge_sees_both_in_a_drawn_mixture():
    pairs = list(itertools.combinations(THINGS, 2))[::3]
    drawn = [
        render_blend(Blend(0, 1, 0.5, Scene(a, seed=n), Scene(b, seed=n)))
        for n, (a, b) in enumerate(pairs)
    ]
    both = [
        set(pair) <= set(reading.top("object", 3))
        for pair, reading in zip(pairs, judge.read(drawn), strict=True)
    ]
    assert len(both) == 40 and np.mean(both) >= 0.8
    # And it names one thing alone where there is one alone.
    alone = judge.read([render(Scene(a, seed=n)).image for n, (a, _) in enumerate(pairs)])
    sure = [r.chances["object"][a] > 0.8 for r, (a, _) in zip(alone, pairs, strict=True)]
    assert np.mean(sure) >= 0.9


def test_codes_are_kept_under_the_weights_that_made_them(tmp_path):
    """A checkpoint that changes must not be given what another one coded."""
    import torch

    from kandi_nb.mini.training import loop, networks

    data = Data(tmp_path, count=20)
    plan = loop.Plan("movq", tmp_path, steps=1)
    for seed in (0, 1):
        torch.manual_seed(seed)
        plan.checkpoint.unlink(missing_ok=True)
        loop.train(plan, networks.movq(), lambda m, g: (_small(m), {}))
        latents = data.latents()
        assert latents.shape == (20, networks.LATENT_CHANNELS, 8, 8)
        assert torch.equal(latents, data.latents())
    assert data.latents(blended=True).shape == (12, networks.LATENT_CHANNELS, 8, 8)
    assert len(list(tmp_path.glob("latents-*.npy"))) == 2
    assert len(list(tmp_path.glob("mixture-*-latents-*.npy"))) == 1


def test_mixtures_are_kept_under_the_choice_that_was_drawn(tmp_path, monkeypatch):
    """Another choice of mixtures must not be given the pictures of an earlier one."""
    data = Data(tmp_path, count=20)
    drawn = data.blended_pictures
    assert np.array_equal(Data(tmp_path, count=20).blended_pictures, drawn)
    assert len(list(tmp_path.glob("mixtures-*.npy"))) == 1
    monkeypatch.setattr("kandi_nb.mini.world.blends.SHARES", (0.0, 0.0, 0.0, 1.0))
    other = Data(tmp_path, count=20)
    assert not np.array_equal(other.blended_pictures, drawn)
    assert np.array_equal(other.blended_pictures[3], render_blend(other.blends[3]))
    assert len(list(tmp_path.glob("mixtures-*.npy"))) == 2


def _small(model):
    return sum(p.float().square().sum() for p in model.parameters()) * 1e-3


def test_mixtures_are_sums_of_embeddings(tmp_path):
    import torch

    data = Data(tmp_path, count=40)
    every, said, mixtures = data.embeddings(), data.imagine(), data.mixtures()
    assert mixtures.shape == (24, every.shape[1]) and len(data.blends) == 24
    assert said.shape == (len(THINGS) + 8, 1, every.shape[1])
    of_prior = 0
    for number, blend in enumerate(data.blends):
        both = [every[blend.one], every[blend.other]]
        for place, index in enumerate((blend.one, blend.other)):
            scene = data.scenes[index]
            row = ALONE.get(Scene(scene.object, place=scene.place))
            alone = scene == Scene(scene.object, place=scene.place, seed=scene.seed)
            if number % 2 and alone and row is not None:
                both[place] = said[row, 0]
                of_prior += 1
        wanted = blend.share * both[0] + (1 - blend.share) * both[1]
        torch.testing.assert_close(mixtures[number], wanted)
    assert 5 <= of_prior <= 24
    assert data.blended_pictures.shape == (24, 64, 64, 3)
    # What the prior imagines of a thing is near to what CLIP sees in pictures of it.
    cat = data.imagine()[THINGS.index("cat"), 0]
    seen = data.store.clip_towers()[1](
        judge.tensor([render(Scene(thing, seed=1)).image for thing in THINGS])
    ).image_embeds
    near = torch.nn.functional.cosine_similarity(seen, cat[None])
    assert near.argmax() == THINGS.index("cat") and near.max() > 0.7


def test_what_the_prior_says_is_asked_of_the_prior_first(tmp_path):
    with pytest.raises(kn.KandiError, match="train prior"):
        Data(tmp_path, count=40, weights=tmp_path).imagine()
