"""How much a picture is to draw: known before it is drawn."""

from __future__ import annotations

import itertools

import pytest

from kandi_nb.drivers.queue.effort import effort_of
from kandi_nb.words.params import Params


def test_effort_counts_pictures_and_steps(tiny):
    assert effort_of(tiny, [Params("a")]) == pytest.approx(1)
    assert effort_of(tiny, [Params("a", steps=50)] * 3) == pytest.approx(6)


def test_effort_grows_with_pixels_and_attention_with_their_square(tiny):
    sides = [128, 256, 512, 1024]
    efforts = [effort_of(tiny, [Params("a", width=side, height=side)]) for side in sides]
    growth = [b / a for a, b in itertools.pairwise(efforts)]
    assert all(4 <= factor < 16 for factor in growth) and growth == sorted(growth)


def test_the_published_models_are_known_without_their_weights():
    from types import SimpleNamespace

    from kandi_nb.words.models import SPECS

    for key in ("kandinsky-2.2", "kandinsky-3"):
        k = SimpleNamespace(spec=SPECS[key], folders={})
        side = 2 * SPECS[key].native_size
        assert 4 < effort_of(k, [Params("a", width=side, height=side)]) < 16
