"""Masks: shapes, sources, arithmetic, and what is refused because it could mean two things."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kandi_nb.pictures.editing.lettering import lettering_mask
from kandi_nb.pictures.editing.shapes import ellipse, polygon, rectangle, stroke
from kandi_nb.pictures.masks import Mask, check_mask
from kandi_nb.words.errors import KandiError, KandiWarning

# The same cases every time: a build fails for its change alone.
quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
sides = st.integers(16, 300)


@st.composite
def masks(draw, soft=True):
    """Draw a mask of any size: a box, feathered or not, or noise of every grey level."""
    width, height = draw(sides), draw(sides)
    if soft and draw(st.booleans()):
        noise = np.random.default_rng(draw(st.integers(0, 99)))
        return Mask(noise.integers(0, 256, (height, width), np.uint8))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    mask = rectangle((width, height), (left, top, right, bottom))
    return mask.feather(draw(st.integers(0, 9))) if soft else mask


def photo(width=40, height=30):
    return Image.effect_noise((width, height), 60).convert("RGB")


def test_a_box_ends_before_its_right_and_bottom():
    mask = rectangle((10, 8), (2, 3, 5, 7))
    assert mask.size == (10, 8)
    rows, columns = np.nonzero(mask.array)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (2, 3, 4, 6)
    assert set(mask.array.ravel()) == {0, 255}


def test_a_polygon_of_a_box_s_corners_is_the_box():
    box = (2, 3, 31, 17)
    corners = [(2, 3), (31, 3), (31, 17), (2, 17)]
    assert polygon((40, 30), corners) == rectangle((40, 30), box)


def test_an_ellipse_fills_its_box_and_is_symmetric():
    mask = ellipse((40, 30), (4, 2, 24, 22))
    rows, columns = np.nonzero(mask.array)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (4, 2, 23, 21)
    part = mask.array[2:22, 4:24]
    assert (part == part[::-1]).all() and (part == part[:, ::-1]).all()
    assert mask.area * 1200 == pytest.approx(np.pi * 100, rel=0.03)


def test_an_ellipse_beyond_the_frame_keeps_its_shape():
    whole = ellipse((80, 80), (20, 20, 60, 60)).array[:40, :40]
    assert (ellipse((40, 40), (20, 20, 60, 60)).array == whole).all()


def test_a_stroke_is_as_wide_as_its_brush():
    mask = stroke((60, 40), [(10, 20), (50, 20)], width=6)
    assert (mask.array[:, 30] > 0).sum() == 6
    assert stroke((60, 40), [(10, 20)], width=6).area * 2400 == pytest.approx(28, abs=6)
    assert stroke((60, 40), [(-5, -5), (90, 90)], 4).array.any(), "it may leave the picture"


@pytest.mark.parametrize("text", ["Fox", "лиса", "a\nb"])
def test_letters_lie_in_their_box_and_use_it(text):
    mask = lettering_mask((120, 80), text, (10, 20, 110, 70))
    rows, columns = np.nonzero(mask.array)
    assert columns.min() >= 10 and rows.min() >= 20
    assert columns.max() < 110 and rows.max() < 70
    assert max(np.ptp(columns) / 100, np.ptp(rows) / 50) > 0.85


def sources():
    import torch

    yes = np.zeros((6, 9), bool)
    yes[1:4, 2:7] = True
    picture = Image.fromarray(yes.astype(np.uint8) * 255)
    return {
        "bool": yes,
        "0/1 in bytes": yes.astype(np.uint8),
        "0/1 in int64": yes.astype(int),
        "0…255": yes.astype(np.uint8) * 255,
        "0…255 in int64": yes.astype(int) * 255,
        "float": yes.astype(np.float32),
        "one channel": yes[..., None],
        "torch bool": torch.from_numpy(yes),
        "torch [1, 1, h, w]": torch.from_numpy(yes).float()[None, None],
        "L": picture,
        "1": picture.convert("1"),
        "P": picture.convert("P"),
        "RGB without colours": picture.convert("RGB"),
        "opaque RGBA": picture.convert("RGBA"),
        "16 bits": Image.fromarray(yes.astype(np.uint16) * 65535),
        "L with 0/1": Image.fromarray(yes.astype(np.uint8)),
        "Mask": Mask(yes),
    }


@pytest.mark.parametrize("kind", sources())
def test_every_source_says_the_same(kind):
    source = sources()[kind]
    before = source.clone() if hasattr(source, "clone") else None
    assert Mask(source) == rectangle((9, 6), (2, 1, 7, 4))
    assert before is None or (before == source).all(), "a torch mask is not changed"


def test_a_mask_is_not_the_array_it_was_made_of():
    array = np.zeros((4, 4), np.uint8)
    mask = Mask(array)
    array[:] = 255
    assert not mask.array.any()
    with pytest.raises(ValueError):
        mask.array[0, 0] = 1


def test_what_was_erased_is_repainted():
    layer = photo().convert("RGBA")
    layer.paste((0, 0, 0, 0), (5, 5, 20, 15))
    assert Mask.from_alpha(layer) == rectangle((40, 30), (5, 5, 20, 15))
    assert ~Mask.from_alpha(layer) == ~rectangle((40, 30), (5, 5, 20, 15))


def faults():
    layer = photo().convert("RGBA")
    layer.paste((255, 255, 255, 0), (5, 5, 20, 15))
    return {
        "transparent parts": (lambda: Mask(layer), "from_alpha"),
        "colours": (lambda: Mask(Image.new("RGB", (4, 4), "red")), "getchannel"),
        "no alpha": (lambda: Mask.from_alpha(photo()), "no alpha channel"),
        "float above 1": (lambda: Mask(np.full((4, 4), 255.0)), "x / 255"),
        "nan": (lambda: Mask(np.full((4, 4), np.nan)), "0…1"),
        "negative": (lambda: Mask(np.full((4, 4), -1)), "-1"),
        "three channels": (lambda: Mask(np.zeros((4, 4, 3))), "[height, width]"),
        "no file": (lambda: Mask("nowhere.png"), "does not exist"),
        "number": (lambda: Mask(3), "takes a path"),
        "other size": (lambda: Mask(np.ones((4, 4))) | np.ones((5, 4)), "4 × 5"),
        "picture of another size": (
            lambda: Mask(np.ones((4, 4)), picture=photo()),
            "resize((40, 30))",
        ),
        "box turned round": (lambda: rectangle((9, 9), (5, 5, 2, 8)), "right must be above"),
        "box outside": (lambda: rectangle((9, 9), (20, 20, 30, 30)), "outside"),
        "box of three": (lambda: rectangle((9, 9), (1, 2, 3)), "four whole numbers"),
        "box of floats": (lambda: ellipse((9, 9), (1.5, 2, 3, 4)), "four whole numbers"),
        "size": (lambda: rectangle((0, 9), (1, 2, 3, 4)), "(width, height)"),
        "two corners": (lambda: polygon((9, 9), [(1, 1), (2, 2)]), "at least 3"),
        "points": (lambda: stroke((9, 9), [(1, float("nan"))]), "finite"),
        "width": (lambda: stroke((9, 9), [(1, 1)], 0), "above 0"),
        "no text": (lambda: lettering_mask((99, 99), " ", (0, 0, 9, 9)), "what to write"),
        "small box": (lambda: lettering_mask((99, 99), "fox", (0, 0, 3, 3)), "larger box"),
        "grow": (lambda: Mask(np.ones((4, 4))).grow(-1), "whole number"),
        "feather": (lambda: Mask(np.ones((4, 4))).feather(float("nan")), "radius"),
        "jpeg": (lambda: Mask(np.ones((4, 4))).save("mask.jpg"), "PNG"),
    }


@pytest.mark.parametrize("kind", faults())
def test_what_cannot_serve_gets_one_line(kind):
    call, words = faults()[kind]
    with pytest.raises(KandiError) as raised:
        call()
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_an_empty_mask_is_refused_and_a_full_one_warned_about():
    with pytest.raises(KandiError, match="white = repaint"):
        check_mask(np.zeros((30, 40)), photo())
    with pytest.warns(KandiWarning, match="keeps no pixel"):
        check_mask(np.ones((30, 40)), photo())
    with pytest.raises(KandiError, match="40 × 30"):
        check_mask(np.ones((40, 30)), photo())


def test_the_preview_marks_what_is_repainted_and_nothing_else():
    picture = photo()
    mask = rectangle(picture, (5, 5, 20, 15))
    cover = np.asarray(mask.over())
    changed = (cover != np.asarray(picture)).any(-1)
    assert not changed[mask.array == 0].any() and changed[mask.array > 0].mean() > 0.9
    assert "12%" in mask._repr_mimebundle_()["text/html"] and "40 × 30" in repr(mask)
    assert mask.feather(2).grow(1).picture is mask.picture


@quick
@given(masks(), st.integers(0, 40))
def test_growing_shrinking_and_turning_round_fit_together(mask, by):
    grown = mask.grow(by)
    assert (grown.array >= mask.array).all() and (mask.shrink(by).array <= mask.array).all()
    assert ~~mask == mask and mask.shrink(by) == ~(~mask).grow(by)
    assert (mask | ~mask) == ~(mask & ~mask) and (mask - mask) == (mask & ~mask)
    rows, columns = np.nonzero(mask.array)
    y, x = rows[len(rows) // 2], columns[len(columns) // 2]
    around = grown.array[max(0, y - by) : y + by + 1, max(0, x - by) : x + by + 1]
    assert (around >= mask.array[y, x]).all(), "as far as asked, in all directions"


@quick
@given(masks(soft=False), st.integers(1, 9))
def test_a_box_grows_by_what_is_asked(mask, by):
    rows, columns = np.nonzero(mask.array)
    box = columns.min() - by, rows.min() - by, columns.max() + 1 + by, rows.max() + 1 + by
    assert mask.grow(by) == rectangle(mask.size, [int(side) for side in box])


@quick
@given(masks(), sides, sides)
def test_nothing_to_repaint_is_lost_when_a_mask_is_resized(mask, width, height):
    other = mask.resize((width, height))
    assert other.size == (width, height)
    rows, columns = np.nonzero(mask.array)
    y = ((rows + 0.5) * height / mask.size[1]).astype(int)
    x = ((columns + 0.5) * width / mask.size[0]).astype(int)
    assert (other.array[y, x] > 0).all()
    if set(mask.array.ravel()) <= {0, 255}:
        assert set(other.array.ravel()) <= {0, 255}, "a hard mask stays hard"


@quick
@given(masks())
def test_a_saved_mask_is_the_same_mask(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    assert Mask(mask.save(path)) == mask
    with pytest.raises(KandiError, match="exists"):
        mask.save(path)
