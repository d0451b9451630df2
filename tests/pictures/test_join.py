"""Joining: kept pixels are the same bits, and the border doesn't show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kandi_nb.pictures.editing import join
from kandi_nb.pictures.editing.shapes import ellipse, rectangle

# The same cases every time: a build fails for its change alone.
quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
sides = st.integers(16, 300)


def textured(width=96, height=80, seed=0):
    """Return a picture with texture everywhere: waves and a little noise."""
    y, x = np.mgrid[:height, :width].astype(float)
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    waves = np.stack([np.sin(x / 5), np.sin((x + y) / 7), np.cos(y / 6)], 2)
    return Image.fromarray((128 + 70 * waves + noise).clip(0, 255).astype(np.uint8))


def painted_as_decoders_do(picture, shift=(18, -12, 9)):
    """Return the picture softer and of other colours, as it comes back from MoVQ."""
    from PIL import ImageFilter

    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(1)), float)
    return Image.fromarray((soft + np.array(shift)).clip(0, 255).astype(np.uint8))


@quick
@given(sides, sides, st.integers(0, 999), st.sampled_from(join.WAYS), st.integers(0, 6))
def test_kept_pixels_are_identical_for_any_size_and_mask(width, height, seed, how, soft):
    draw = np.random.default_rng(seed)
    old, new = (
        Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8)) for _ in range(2)
    )
    mask = ellipse(
        (width, height),
        draw.integers((0, 0, width // 2, height // 2), (9, 9, width + 9, height + 9)),
    )
    mask = (mask if seed % 2 else ~mask).feather(soft)
    whole = join.join_pictures(old, new, mask.array, how)
    assert whole.size == old.size and whole.mode == "RGB"
    kept = mask.array == 0
    assert (np.asarray(whole)[kept] == np.asarray(old)[kept]).all()
    row = join.proof(old, whole, new, mask.array)
    assert row["kept"] == 1 and row["area"] == pytest.approx(mask.area)


def test_a_hard_join_pastes_and_changes_nothing_else():
    old, new = textured(), textured(seed=5)
    mask = rectangle(old, (20, 20, 60, 60)).array
    whole = np.asarray(join.join_pictures(old, new, mask, "hard"))
    assert (whole[mask > 0] == np.asarray(new)[mask > 0]).all()


def test_a_feathered_border_lies_between_both():
    old, new = Image.new("RGB", (64, 64), "black"), Image.new("RGB", (64, 64), (200, 200, 200))
    mask = rectangle(old, (20, 20, 44, 44)).feather(3).array
    whole = np.asarray(join.join_pictures(old, new, mask, "hard"))[..., 0].astype(float)
    assert np.abs(whole - 200 * (mask / 255)).max() <= 0.51


def test_an_untouched_picture_has_an_edge_of_about_one():
    old = textured()
    for mask in (rectangle(old, (20, 20, 70, 60)), ~ellipse(old, (10, 10, 80, 70))):
        assert join.edge(old, mask.array) == pytest.approx(1, abs=0.3)


def test_a_flat_picture_has_no_edge_to_measure():
    assert (
        join.edge(Image.new("RGB", (64, 64)), rectangle((64, 64), (9, 9, 40, 40)).array) is None
    )


@pytest.mark.parametrize("turned", [False, True])
def test_other_colours_leave_no_edge(turned):
    old = textured()
    new = painted_as_decoders_do(old)
    mask = rectangle(old, (24, 20, 72, 60))
    mask = (~mask if turned else mask).array
    row = join.proof(old, join.join_pictures(old, new, mask), new, mask)
    assert row["edge_hard"] > 2 and row["edge"] < 1.3
    # A drift of colours is taken off everywhere, not only beside the border.
    left = np.asarray(join.join_pictures(old, new, mask), float) - np.asarray(old, float)
    assert np.abs(left[mask > 0].mean(0)).max() < 2


def test_what_else_is_in_the_picture_fades_within_a_few_pixels():
    old, new = Image.new("RGB", (96, 96), "black"), Image.new("RGB", (96, 96), "white")
    mask = rectangle(old, (16, 16, 80, 80)).array
    whole = np.asarray(join.join_pictures(old, new, mask), float)
    assert whole[16, 48].max() < 60, "at the border as dark as what is kept"
    assert whole[48, 48].min() > 255 - join.DRIFT - 1, "inside as bright as it was painted"


def exact(values, border, inside):
    """Solve the same equation by linear algebra."""
    points = np.argwhere(inside)
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(len(points))
    matrix, right = np.zeros((len(points),) * 2), np.zeros((len(points), values.shape[2]))
    for row, (y, x) in enumerate(points):
        for beside in ((y, x + 1), (y + 1, x), (y, x - 1), (y - 1, x)):
            if min(beside) >= 0 and beside[0] < inside.shape[0] and beside[1] < inside.shape[1]:
                matrix[row, row] += 1
                if inside[beside]:
                    matrix[row, number[beside]] -= 1
                else:
                    right[row] += values[beside]
    return np.linalg.solve(matrix, right)


@pytest.mark.parametrize("turned", [False, True])
def test_the_membrane_is_the_solution_of_laplace_s_equation(turned):
    mask = ellipse((36, 28), (5, 4, 27, 22)).array > 0
    inside = ~mask if turned else mask
    border = join._beside(inside)
    y, x = np.mgrid[:28, :36].astype(np.float32)
    values = np.where(border, 10 * np.sin(x / 6) + y / 3, 0)[..., None].astype(np.float32)
    solved = join._membrane(values, border, inside)[inside]
    assert np.abs(solved - exact(values, border, inside)).max() < 1.5  # of 255


def test_a_mask_without_kept_pixels_takes_what_was_painted():
    old, new = textured(), textured(seed=3)
    mask = np.full((80, 96), 255, np.uint8)
    assert join.join_pictures(old, new, mask) == new
    assert join.proof(old, new, new, mask) == {
        "kept": 1.0,
        "edge": None,
        "edge_hard": None,
        "area": 1.0,
    }
