"""Seeds by chance, and warnings that only the block around them hears."""

from __future__ import annotations

import random
import threading
import warnings
from fractions import Fraction

import numpy as np
import pytest

from kandi_nb.words.errors import KandiWarning, collected_warnings, warn
from kandi_nb.words.params import KandiError, Params, random_seed, read_seed


def test_random_seeds_differ_and_are_seeds():
    seeds = {random_seed() for _ in range(50)}
    assert len(seeds) > 40
    assert all(Params("a fox", seed=seed).seed == seed for seed in seeds)


def test_python_s_own_numbers_by_chance_are_not_touched():
    random.seed(7)
    expected = random.random()
    random.seed(7)
    random_seed()
    assert random.random() == expected


def test_collected_warnings_are_heard_by_nobody_else():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with collected_warnings() as said:
            warn("a width was\nrounded")
    assert said == ["a width was rounded"]
    with pytest.warns(KandiWarning, match="again"):
        warn("again")


def test_other_threads_warn_as_ever():
    heard = []

    def work():
        with collected_warnings() as said:
            warn("of the thread")
        heard.append(said)

    with collected_warnings() as mine:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert heard == [["of the thread"]] and mine == []


@pytest.mark.parametrize(
    ("given", "seed"),
    [
        (7, 7), ("7", 7), (" 7 ", 7), (7.0, 7), ("7.0", 7), (np.float32(7), 7),
        (np.uint8(7), 7), (Fraction(7), 7), (2**63 - 1, 2**63 - 1),
        ("9007199254740993.0", 2**53 + 1), (0.0, 0), ("-0", 0),
    ],
)  # fmt: skip
def test_a_seed_is_read_alike_at_every_door(given, seed):
    read = read_seed("seed", given)
    assert read == seed and type(read) is int


@pytest.mark.parametrize(
    "given", [-1, "-1", "\N{MINUS SIGN}1", -1.0, "random", " Random", "-1.0"]
)
def test_minus_one_and_random_draw_a_seed(given):
    assert len({read_seed("prior_seed", given) for _ in range(5)}) > 3


@pytest.mark.parametrize(
    "given",
    [-2, "-2", 7.5, "7.5", "soon", "", "1e3", True, None, [7], 2**63, "9" * 5000,
     float("nan"), float("inf"), "1_000", "\N{ARABIC-INDIC DIGIT THREE}"],
)  # fmt: skip
def test_what_is_no_seed_is_refused_in_one_line(given):
    with pytest.raises(KandiError, match=r"^seed must be") as caught:
        read_seed("seed", given)
    assert len(str(caught.value)) < 200


def test_params_take_whole_floats_and_leave_chance_to_the_doors():
    assert Params(seed=7.0, prior_seed=np.float64(8)) == Params(seed=7, prior_seed=8)
    assert type(Params(seed=7.0).seed) is int
    for given in (-1, "random", 7.5, "7"):
        with pytest.raises(KandiError, match="seed must be"):
            Params(seed=given)
