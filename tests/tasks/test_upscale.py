"""Upscaling: as large as was asked, without edges between windows, and the same scene."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from PIL import Image

from kandi_nb.mini import judge
from kandi_nb.mini.evaluation.text import sentences
from kandi_nb.mini.world.render import render
from kandi_nb.mini.world.scenes import scenes
from kandi_nb.model.loading.load import load
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.replay import replay
from kandi_nb.tasks.upscale import upscale
from kandi_nb.words.errors import KandiError
from kandi_nb.words.params import Params
from kandi_nb.words.tasks import TASKS

QUICK = Params("a red fox", steps=4, prior_steps=2)


def photo(width=64, height=64, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def apart(a, b) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


@pytest.mark.parametrize(("size", "factor"), [((64, 64), 2), ((70, 33), 3), ((20, 10), 4)])
def test_a_picture_comes_back_as_large_as_was_asked(tiny, size, factor):
    drawn = upscale(tiny, QUICK, image=photo(*size), factor=factor, progress=False)
    assert drawn[0].size == (factor * size[0], factor * size[1])
    assert (
        drawn.params[0].strength == TASKS["upscale"].strength
        and drawn.options["factor"] == factor
    )


def test_a_batch_equals_its_singles(tiny):
    pictures = [photo(seed=0), photo(seed=1), photo(40, 64, 2)]
    runs = [QUICK.replace(prompt=p, seed=n) for n, p in enumerate("abc")]
    batch = upscale(tiny, runs, image=pictures)
    for n, picture in enumerate(batch):
        assert apart(picture, upscale(tiny, runs[n], image=pictures[n])[0]) <= 2


@pytest.mark.parametrize("factor", [2, 3])
def test_what_is_enlarged_is_its_picture_when_it_is_made_small_again(tiny, factor):
    picture = photo(48, 64, 5).point(lambda value: 40 + value * 175 // 255)  # nothing to clip
    drawn = upscale(tiny, QUICK.replace(strength=1), image=picture, factor=factor)[0]
    blocks = np.asarray(drawn, float).reshape(64, factor, 48, factor, 3).mean((1, 3))
    assert np.abs(blocks - np.asarray(picture)).mean() < 1
    plain = picture.resize(drawn.size, Image.Resampling.LANCZOS)
    assert apart(drawn, plain) > 2, "something was drawn all the same"


def test_one_file_alone_is_enough_for_a_replay(tiny, tmp_path):
    drawn = upscale(tiny, QUICK, image=photo(50, 64), factor=3)
    (path,) = drawn.save(tmp_path)
    made = recipe(path)
    assert made["inputs"]["image"]["size"] == [50, 64] and made["size"] == [150, 192]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = replay(path, tiny)
    assert apart(again[0], drawn[0]) <= 2 and again.recipes == drawn.recipes


@pytest.mark.parametrize("factor", [1.5, 0, 100, 1, -2, 2.0, True, "2", None, float("nan")])
def test_other_factors_are_refused_in_one_line(tiny, monkeypatch, factor):
    monkeypatch.setattr(type(tiny), "alone", lambda *_: pytest.fail("too late"))
    with pytest.raises(KandiError, match="factor is 2, 3, 4, not") as caught:
        upscale(tiny, QUICK, image=photo(), factor=factor)
    assert "\n" not in str(caught.value)


def test_a_picture_that_would_be_too_large_is_refused(tiny):
    one = partial(upscale, tiny, QUICK, image=Image.new("RGB", (5000, 10)))
    with pytest.raises(KandiError, match=r"20,000 × 40 pixels; at most 16,384 a side"):
        one(factor=4)


def same_scenes(count, factor=2):
    """Return held-out scenes, what the judge reads of them, and of them enlarged."""
    asked = list(scenes(count, held_out=True, salt="upscale"))
    before = [Image.fromarray(render(scene).image) for scene in asked]
    runs = [Params(text, seed=n % 2) for n, text in enumerate(sentences(asked))]
    drawn = upscale(
        load("mini-2.2", device="cpu"), runs, image=before, factor=factor, progress=False
    )
    return (judge.score(judge.read(pictures), asked) for pictures in (before, drawn.images))


@pytest.mark.slow
def test_the_judge_still_reads_the_same_scene():
    before, after = same_scenes(200)
    print(before, after)
    for what in ("object", "colour", "place"):
        assert after[what] >= before[what] - 0.02, what
