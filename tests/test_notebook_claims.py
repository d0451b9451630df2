"""What the notebooks' prose says of the bundled model, held over more seeds than they draw."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.mini import judge

COUNT = 6


@pytest.fixture(scope="module")
def k():
    return kn.load("mini-2.2", device="cpu")


@pytest.fixture(scope="module")
def drawn(k):
    """Draw the pictures of all claims in one go; return name → Result's pictures."""
    fox = kn.Params("A red fox in a snowy forest", seed=7, count=COUNT)
    either = fox.replace(prompt="A red or blue fox")
    settings = {
        "left open": either,
        "left open, away from blue": either.replace(negative="A blue fox"),
        "settled": fox.replace(prompt="A fox"),
        "settled, away from red": fox.replace(prompt="A fox", negative="A red fox"),
        "usual": fox,
        "other steps": fox.replace(steps=15),
        "burnt": fox.replace(guidance=16),
    }
    runs = [one for params in settings.values() for one in params.singles()]
    pictures = kn.generate(k, runs, progress=False).images
    return {name: pictures[n * COUNT : (n + 1) * COUNT] for n, name in enumerate(settings)}


def colours(pictures):
    return Counter(reading.colour for reading in judge.read(pictures))


def test_a_negative_prompt_decides_what_the_prompt_leaves_open(drawn):
    assert colours(drawn["left open"])["blue"] >= COUNT - 1
    assert colours(drawn["left open, away from blue"])["red"] >= COUNT - 1


def mean_chance(pictures, what, word):
    return np.mean([seen.chances[what][word] for seen in judge.read(pictures)])


def test_where_nothing_is_open_a_negative_prompt_pushes_too_far(drawn):
    plain, pushed = drawn["settled"], drawn["settled, away from red"]
    for what, word in (("colour", "natural"), ("object", "fox")):
        assert mean_chance(plain, what, word) > 0.95
        assert mean_chance(pushed, what, word) < 0.85, f"the {what} is in doubt"


def test_guidance_of_16_is_louder_and_burns_the_colour(drawn):
    def loudness(pictures):
        return np.mean([np.asarray(one.convert("HSV"))[..., 1].mean() for one in pictures])

    assert loudness(drawn["burnt"]) > 1.05 * loudness(drawn["usual"])

    assert mean_chance(drawn["usual"], "colour", "red") > 0.9
    assert mean_chance(drawn["burnt"], "colour", "red") < 0.9


def test_other_steps_move_the_picture_though_the_seed_is_the_same(drawn):
    pairs = zip(drawn["usual"], drawn["other steps"], strict=True)
    apart = [np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for a, b in pairs]
    assert max(apart) > 8, "of 255, on average over the picture: more than a touch-up"
