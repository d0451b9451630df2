"""Pictures that grow: what is added lies where it should, and comes back to the pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kandi_nb.pictures.editing.canvas import CELL, NEAR, STEP, Frame, canvas_size
from kandi_nb.tasks.loop.windows import cover

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
amounts = st.one_of(st.just(0), st.integers(0, 150))
windows = st.sampled_from([(128, 64), (64, 128), (64, 64)])


def photo(width, height):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@quick
@given(st.integers(5, 200), st.integers(5, 200), *[amounts] * 4, windows)
def test_a_canvas_can_be_drawn_in_windows(width, height, left, top, right, bottom, window):
    frame = Frame((width, height), (left, top, right, bottom), window)
    for side, most, part in zip(frame.canvas, window, frame.window, strict=True):
        assert part % STEP == 0 and part <= most, "networks halve a window often"
        assert side % CELL == 0 and (side == part or side > most)
    assert frame.lay(photo(width, height)).size == frame.canvas
    assert frame.lay_mask().shape == frame.canvas[::-1]


@quick
@given(st.integers(43, 96), st.integers(43, 96), *[amounts] * 4)
def test_what_is_taken_off_is_what_was_laid_down(width, height, left, top, right, bottom):
    picture, sides = photo(width, height), (left, top, right, bottom)
    frame = Frame(picture.size, sides, (64, 64))
    assert frame.inner == picture.size, "near the native side nothing is resized"
    taken = frame.take(frame.lay(picture))
    assert taken.size == frame.size == (width + left + right, height + top + bottom)
    assert np.array_equal(taken, frame.enlarge(picture))
    mask = Image.fromarray(frame.lay_mask()).convert("RGB")
    assert np.array_equal(np.asarray(frame.take(mask))[..., 0], frame.mask())
    assert (frame.mask() == 0).sum() == width * height


def test_only_sides_that_grow_are_new():
    new = Frame((61, 50), (7, 0, 0, 0), (128, 64)).lay_mask()
    assert (new[:, -61:] == 0).all() and (new[:, :60] == 255).all()


def test_a_large_picture_is_worked_on_smaller():
    frame = Frame((640, 640), (0, 0, 320, 0), (128, 64))
    assert frame.inner == (64, 64) and frame.canvas == (128, 64)
    taken = frame.take(frame.lay(photo(640, 640)))
    assert taken.size == (960, 640)
    assert Frame((96, 96), (0, 0, 8, 0), (64, 64)).inner == (96, 96), f"up to {NEAR} times"


def areas_of(frame):
    """Pixels that the networks look at for one step."""
    return frame.count * frame.window[0] * frame.window[1]


@quick
@given(st.integers(1, 42), st.integers(1, 5000), *[st.integers(0, 5000)] * 4, st.booleans())
def test_a_small_or_thin_picture_is_about_an_inpainting_of_the_whole(
    short, long, left, top, right, bottom, tall
):
    size = (short, long) if tall else (long, short)
    for native in (64, 512):
        whole = size[0] + left + right, size[1] + top + bottom
        window = (2 * native, native) if whole[0] >= whole[1] else (native, 2 * native)
        frame = Frame(size, (left, top, right, bottom), window)
        width, height = canvas_size(whole, native)
        assert areas_of(frame) <= 3 * max(width * height, native**2)
        assert len(cover(frame.canvas, frame.window)) == (frame.count if frame.count > 1 else 0)


def test_the_reported_ones_take_no_more_windows_than_two():
    for old, whole in (((2, 2), (64, 64)), ((16, 16), (64, 64)), ((1024, 32), (1024, 1024))):
        around = [(b - a) // 2 for a, b in zip(old, whole, strict=True)]
        frame = Frame(old, (*around, *around), (128, 64))
        assert frame.count <= 2 and frame.window == (64, 64), old


def test_a_long_strip_takes_no_more_than_four_pictures():
    for size in ((2000, 2), (3, 4096), (5000, 1)):
        width, height = canvas_size(size, 64)
        assert width * height <= 4 * 64 * 64
    assert canvas_size((1024, 64), 64) == (256, 64), "as it was"


def test_a_scale_can_be_said():
    assert Frame((640, 640), (0, 0, 0, 0), (64, 64), scale=1).canvas == (640, 640)
