"""Noise from seeds of any size: as many pictures as seeds, and the small ones as ever."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kandi_nb as kn
from kandi_nb.tasks.prior import generator

QUICK = kn.Params("a red fox", steps=2, prior_steps=2)


def numbers(seed):
    return tuple(torch.randn(8, generator=generator(seed)).tolist())


@pytest.mark.parametrize("seed", [0, 5, 2**31, 2**32 - 1])
def test_seeds_of_32_bits_are_torch_s_own(seed):
    assert numbers(seed) == tuple(
        torch.randn(8, generator=torch.Generator().manual_seed(seed)).tolist()
    )


def test_larger_seeds_are_others_each():
    seeds = [5 + n * 2**32 for n in range(50)] + [5 + 2**n for n in range(33, 63)]
    seeds += [2**32, 2**32 - 1, 0, 2**63 - 1, 2**31 - 1, 2**70, 2**100]
    assert len({numbers(seed) for seed in seeds}) == len(set(seeds))
    assert numbers(5 + 2**40) == numbers(5 + 2**40), "and the same each time"


def test_they_are_the_twister_s_own_numbers():
    """NumPy has the same generator, and shows its raw numbers."""
    seed = 5 + 3 * 2**32
    ours = torch.randint(0, 2**20, (4,), generator=generator(seed))
    raw = np.random.RandomState([5, 3])._bit_generator.random_raw(4)
    assert [n % 2**20 for n in raw.tolist()] == ours.tolist()


def test_pictures_of_large_seeds_differ_and_do_not_wrap_around(tiny):
    last = 2**32 - 1
    both = kn.generate(tiny, QUICK.replace(seed=last, count=2), progress=False)
    zero, high = kn.generate(
        tiny, [QUICK.replace(seed=0), QUICK.replace(seed=5 + 2**40)], progress=False
    )
    low = kn.generate(tiny, QUICK.replace(seed=5), progress=False)[0]
    pictures = [*both, zero, high, low]
    assert len({picture.tobytes() for picture in pictures}) == 5
    again = kn.generate(tiny, QUICK.replace(seed=last + 1), progress=False)[0]
    assert np.abs(np.subtract(again, both[1], dtype=int)).max() <= 1, "seed + i, as ever"


def test_prior_seeds_and_trainings_have_all_their_bits(tiny):
    first, second = (
        kn.embed(tiny, QUICK.replace(prior_seed=seed)).tensor for seed in (5, 5 + 2**32)
    )
    assert not torch.equal(first, second)
    with pytest.raises(kn.KandiError, match="seed must be from 0"):
        kn.teach(tiny, "nowhere", "x", steps=1, seed=2**63)
