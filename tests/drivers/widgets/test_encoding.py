"""Masks as bytes: any size and any strokes come back unchanged, and nothing else comes in."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.widgets.encoding import MOST_SHOWN, decode_mask, encode_mask, for_page
from kandi_nb.words.errors import KandiError

SIDE = st.integers(1, 70)
POINT = st.tuples(st.floats(-20, 90), st.floats(-20, 90))
STROKE = st.tuples(st.lists(POINT, min_size=1, max_size=4), st.floats(0.5, 40))


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(SIDE, SIDE), strokes=st.lists(STROKE, max_size=3), by=st.sampled_from([0, 3])
)
def test_any_strokes_on_any_size_come_back_unchanged(size, strokes, by):
    mask = kn.Mask(np.zeros(size[::-1], np.uint8))
    for points, width in strokes:
        mask = mask | kn.stroke(size, points, width)
    mask = mask.feather(by)
    assert np.array_equal(decode_mask(encode_mask(mask.array), size), mask.array)


@settings(max_examples=30, deadline=None)
@given(size=st.tuples(SIDE, SIDE), seed=st.integers(0, 99))
def test_every_grey_level_comes_back(size, seed):
    values = np.random.default_rng(seed).integers(0, 256, size[::-1]).astype(np.uint8)
    assert np.array_equal(decode_mask(encode_mask(values), size), values)


def test_a_hard_mask_of_four_thousand_pixels_takes_a_few_kilobytes():
    assert len(encode_mask(kn.ellipse((4000, 4000), (100, 200, 3700, 3000)).array)) < 40_000


GOOD = encode_mask(np.zeros((4, 6), np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        GOOD[:-3],  # cut
        GOOD + b"more",  # what follows the end is not looked at by zlib, and no harm
        b"XX" + GOOD[2:],
        GOOD[:3] + b"z" + GOOD[4:],  # an unknown kind
        GOOD[:12] + b"no zlib",
        GOOD[:12] + zlib.compress(b"\0"),  # too few pixels
        GOOD[:12] + zlib.compress(b"\0" * 100),  # too many
    ],
)
def test_what_is_no_mask_is_refused_in_one_line(data):
    if data == GOOD + b"more":
        assert not decode_mask(data, (6, 4)).any()
        return
    with pytest.raises(KandiError, match="paint once more") as error:
        decode_mask(data, (6, 4))
    assert "\n" not in str(error.value)


def test_a_mask_of_another_size_is_refused_and_a_bomb_is_not_unpacked():
    with pytest.raises(KandiError, match="6 × 4 pixels came for a picture of 4 × 6"):
        decode_mask(GOOD, (4, 6))
    bomb = struct.pack("<3scII", b"KM1", b"g", 6, 4) + zlib.compress(b"\0" * 50_000_000)
    with pytest.raises(KandiError, match="did not arrive"):
        decode_mask(bomb, (6, 4))


def test_a_page_gets_small_pictures_bit_for_bit_and_large_ones_smaller():
    small = Image.effect_noise((50, 40), 90).convert("RGB")
    assert Image.open(io.BytesIO(for_page(small))).tobytes() == small.tobytes()
    large = Image.open(io.BytesIO(for_page(Image.new("RGB", (20_000, 500)))))
    assert large.size == (MOST_SHOWN, 102) and large.format == "JPEG"
