"""Seeds by chance, and warnings that only the block around them hears."""

from __future__ import annotations

import random
import threading
import warnings

import pytest

from kandi_nb.words.errors import KandiWarning, collected_warnings, warn
from kandi_nb.words.params import Params
from kandi_nb.words.seeds import random_seed


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
