"""The canvas: sides that a model can draw, and every picture back at its own size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kandi_nb.pictures.editing.canvas import Canvas, canvas_size
from kandi_nb.pictures.editing.shapes import rectangle

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
sides = st.integers(16, 300)


def waves(width, height):
    """A picture without fine detail, so that resizing changes little."""
    y, x = np.mgrid[:height, :width].astype(float)
    layers = [
        np.sin(x / width * 4),
        np.cos(y / height * 4),
        np.sin((x + y) / (width + height) * 5),
    ]
    return Image.fromarray((128 + 100 * np.stack(layers, 2)).astype(np.uint8))


@quick
@given(sides, sides, st.sampled_from([64, 512, 768]))
def test_a_canvas_has_sides_of_64_and_about_the_native_area(width, height, native):
    size = canvas_size((width, height), native)
    assert all(side % 64 == 0 and side >= 64 for side in size)
    aspect = width / height
    if native >= 512 and 1 / 3 < aspect < 3:
        assert size[0] * size[1] == pytest.approx(native**2, rel=0.2)
        assert size[0] / size[1] == pytest.approx(aspect, rel=0.25)


@quick
@given(sides, sides, st.sampled_from([64, 128, 256]), st.sampled_from([64, 128, 192]))
def test_a_picture_comes_back_at_its_size_and_almost_as_it_was(width, height, across, down):
    picture = waves(width, height)
    canvas = Canvas(picture.size, (across, down))
    whole = canvas.lay(picture)
    assert whole.size == (across, down)
    back = canvas.take(whole)
    assert back.size == picture.size
    assert np.abs(np.asarray(back, int) - np.asarray(picture, int)).mean() < 12
    left, top, right, bottom = canvas.box
    assert 0 <= left < right <= across and 0 <= top < bottom <= down


@quick
@given(sides, sides, st.data())
def test_a_mask_lies_where_its_picture_lies(width, height, data):
    left, top = data.draw(st.integers(0, width - 8)), data.draw(st.integers(0, height - 8))
    box = left, top, left + 8, top + 8
    mask = rectangle((width, height), box)
    canvas = Canvas((width, height), canvas_size((width, height), 256))
    picture = Image.new("RGB", (width, height))
    picture.paste((255, 255, 255), box)
    bright = np.asarray(canvas.lay(picture))[..., 0] > 160
    covered = canvas.lay_mask(mask).array > 0
    assert (covered | ~bright).all(), "all of what is masked is covered"
    # And hardly more: at most a pixel on each side of the box, margins included.
    scale = canvas.inner[0] / width
    inside = np.s_[canvas.box[1] : canvas.box[3], canvas.box[0] : canvas.box[2]]
    assert covered[inside].sum() <= (8 * scale + 3) ** 2


def test_a_picture_of_the_right_size_is_not_touched():
    picture = waves(128, 64)
    canvas = Canvas(picture.size, (128, 64))
    assert canvas.lay(picture) == picture and canvas.take(picture) == picture
