"""The page's own arithmetic of masks is Python's, pixel for pixel; no Jupyter is needed."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.drivers.widgets.classes import script
from kandi_nb.drivers.widgets.encoding import decode_mask, encode_mask

SIZE = (83, 61)
# What a page does with a mask comes back as the bytes that it would send.
CALL = """async ([how, mask, width, height, rest]) => {
    const bytes = Uint8Array.from(atob(mask), letter => letter.charCodeAt(0));
    const before = mask ? await decodeMask(bytes) : newMask(width, height);
    const box = eval(how)(before, ...rest);
    const sent = await encodeMask(before);
    return [btoa(String.fromCharCode(...sent)), box];
}"""


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    page.add_script_tag(content=script("raster.js", "painting.js"))
    yield page
    page.close()


@pytest.fixture(scope="module")
def call(page):
    """Return a function that lets the page change a mask, or a new one, and sends it back."""

    def change(how, *rest, mask=None, size=SIZE):
        sent = "" if mask is None else base64.b64encode(encode_mask(mask.array)).decode()
        answer, box = page.evaluate(CALL, [how, sent, *size, list(rest)])
        return kn.Mask(decode_mask(base64.b64decode(answer), size)), box

    return change


@pytest.fixture(scope="module")
def spotted():
    """Return a mask of every grey level, and a hard one, both with thin parts at the frame."""
    grey = np.random.default_rng(1).integers(0, 256, SIZE[::-1]).astype(np.uint8)
    grey[:, 30:60] = 0
    hard = np.where(grey > 128, 255, 0).astype(np.uint8)
    return [kn.Mask(grey), kn.Mask(hard)]


def test_shapes_are_those_of_python(call):
    box = [7, -3, 52, 40]
    assert call("paintRectangle", box, 255)[0] == kn.rectangle(SIZE, box)
    assert call("paintEllipse", box, 255)[0] == kn.ellipse(SIZE, box)
    points = [(5.25, 3.5), (70.1, 20.75), (60, 58), (30.4, 30.6), (2, 55.2)]
    assert call("paintPolygon", points, 255)[0] == kn.polygon(SIZE, points)
    for width in (1, 4.5, 30):
        line, changed = call("paintLine", 12.3, 50.1, 70.7, 4.4, width, 255)
        assert line == kn.stroke(SIZE, [(12.3, 50.1), (70.7, 4.4)], width)
        y, x = np.nonzero(line.array)
        left, top, right, bottom = changed
        assert left <= x.min() and x.max() < right and top <= y.min() and y.max() < bottom


def test_what_lies_outside_changes_nothing(call):
    for how, rest in {
        "paintRectangle": ([-9, -9, -1, -1], 255),
        "paintEllipse": ([100, 0, 120, 9], 255),
        "paintLine": (-50, -50, -40, -40, 10, 255),
        "fillFrom": (-1, 4, 255),
    }.items():
        mask, box = call(how, *rest)
        assert box is None and not mask.area, how


def test_fill_stops_at_what_is_painted_and_erases_what_hangs_together(call):
    ring = kn.ellipse(SIZE, (10, 10, 50, 50)) - kn.ellipse(SIZE, (14, 14, 46, 46))
    filled, _ = call("fillFrom", 30, 30, 255, mask=ring)
    assert filled == kn.ellipse(SIZE, (10, 10, 50, 50))
    outside, _ = call("fillFrom", 0, 0, 255, mask=ring)
    assert outside == ~kn.ellipse(SIZE, (14, 14, 46, 46))
    two = kn.rectangle(SIZE, (0, 0, 5, 5)) | kn.rectangle(SIZE, (9, 9, 30, 30))
    assert call("fillFrom", 10, 10, 0, mask=two)[0] == kn.rectangle(SIZE, (0, 0, 5, 5))
    assert call("fillFrom", 10, 10, 255, mask=two) == (two, None), "it is painted already"


def test_a_lasso_takes_what_it_goes_round_twice_as_well(call):
    twice = [(10, 10), (40, 10), (40, 40), (10, 40)] * 2
    assert call("paintPolygon", twice, 255)[0] == kn.rectangle(SIZE, (10, 10, 40, 40))


@pytest.mark.parametrize("by", [0.3, 1, 1.7, 2, 5, 8, 13, 31, 64, 100])
def test_a_feather_is_that_of_python_to_the_last_level(call, spotted, by):
    how = """(mask, by) => {
        const painted = {...mask, data: mask.data.slice()};
        feather(painted, mask.data, wholeOf(mask), by);
    }"""
    for mask in spotted:
        assert call(how, by, mask=mask)[0] == mask.feather(by)


def test_a_feather_of_a_part_is_that_of_the_whole(page):
    """Only what a stroke can have changed is blurred again."""
    same = page.evaluate("""() => {
        const a = new Painting(200, 150), b = new Painting(200, 150);
        const strokes = [[20, 20, 255], [90, 70, 255], [93, 74, 0], [199, 149, 255]];
        a.setFeather(4);
        for (const [x, y, value] of strokes) {
            const stroke = mask => paintLine(mask, x, y, x + 9, y, 17, value);
            for (const each of [a, b]) each.paint(stroke);
            a.settle();
        }
        b.setFeather(4);
        const soft = a.soft.some(value => value % 255);
        return soft && a.soft.every((value, n) => value === b.soft[n]);
    }""")
    assert same


def test_undo_and_redo_go_step_by_step_and_a_new_stroke_forgets_what_was_undone(page):
    sums = page.evaluate("""() => {
        const a = new Painting(50, 50), sums = [];
        const note = () => sums.push(a.mask.data.reduce((sum, value) => sum + value / 255, 0));
        const square = (size, value) => {
            a.paint(mask => paintRectangle(mask, [0, 0, size, size], value));
            return a.settle();
        };
        square(10, 255); note(); square(20, 255); note(); a.paint(invert); a.settle(); note();
        a.undo(); note(); a.undo(); note(); a.undo(); note(); a.undo(); note();
        a.redo(); note(); a.redo(); note();
        square(5, 0); note(); a.redo(); note();
        sums.push(square(5, 0)); // nothing changes: no step
        a.undo(); note();
        a.paint(mask => paintRectangle(mask, [0, 0, 50, 50], 255)); a.revert(); note();
        return sums;
    }""")
    assert sums == [100, 400, 2100, 400, 100, 0, 0, 100, 400, 375, 375, False, 400, 400]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 1), (131, 67)])
def test_masks_travel_unchanged(page, size):
    levels = np.random.default_rng(2).integers(0, 256, size[::-1]).astype(np.uint8)
    for values in (levels, np.where(levels > 200, 255, 0).astype(np.uint8), levels * 0):
        sent = base64.b64encode(encode_mask(values)).decode()
        back, _ = page.evaluate(CALL, ["() => null", sent, *size, []])
        data = base64.b64decode(back)
        assert np.array_equal(decode_mask(data, size), values)
        assert zlib.decompress(data[12:]) == zlib.decompress(encode_mask(values)[12:])
