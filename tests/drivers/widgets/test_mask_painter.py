"""The mask painter without a browser: what is set, what a page sends, what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.widgets import place
from kandi_nb.drivers.widgets.encoding import decode_mask, encode_mask
from kandi_nb.words.errors import KandiError

SIZE = (48, 32)
BOX = (10, 5, 30, 25)


def picture(size=SIZE, colour="red"):
    return Image.new("RGB", size, colour)


def painted(painter, mask, **more):
    """Let a page send a mask, as ipywidgets hands it over."""
    painter.set_state({"painted": memoryview(encode_mask(mask.array)), **more})


@pytest.fixture
def painter():
    made = kn.mask_painter(picture())
    yield made
    made.close()


def test_it_begins_with_nothing_to_repaint_or_with_the_mask_that_it_is_given(painter):
    assert painter.mask.size == SIZE and not painter.mask.area
    mask = kn.ellipse(SIZE, BOX)
    made = kn.mask_painter(picture(), mask=mask, feather=3)
    assert made.mask == mask.feather(3) and decode_mask(made.painted, SIZE).max() == 255
    assert made.mask.picture.tobytes() == picture().tobytes(), "its preview lies on the picture"


def test_a_mask_is_set_by_whatever_kn_mask_takes_and_is_then_just_that(painter):
    painter.feather = 5
    soft = kn.ellipse(SIZE, BOX).feather(2)
    for value in (soft, soft.array, soft.image):
        painter.mask = painter.blank
        painter.mask = value
        assert painter.mask == soft and painter.feather == 0
        assert np.array_equal(decode_mask(painter.painted, SIZE), soft.array), (
            "the page is told"
        )


def test_what_a_page_paints_is_the_mask_feather_included_and_observers_hear_of_each(painter):
    heard = []
    painter.observe(lambda change: heard.append(change["new"]), "mask")
    first, second = kn.rectangle(SIZE, BOX), kn.ellipse(SIZE, BOX)
    painted(painter, first)
    painted(painter, second, feather=2)
    painter.set_state({"feather": 0})
    assert heard == [first, second.feather(2), second]
    painter.feather = 4
    assert painter.mask == second.feather(4), "a border can become softer and harder again"


@pytest.mark.parametrize(
    "value", [b"", b"KM1", "text", None, 7, encode_mask(np.ones((3, 3), np.uint8))]
)
def test_a_message_that_is_not_ours_changes_nothing_and_is_said(painter, value):
    mask = kn.ellipse(SIZE, BOX)
    painter.mask = mask
    painter.set_state({"painted": value})
    assert painter.mask == mask and "paint once more" in painter.note
    assert np.array_equal(decode_mask(painter.painted, SIZE), mask.array), (
        "the page is set right"
    )
    painted(painter, ~mask)
    assert painter.mask == ~mask and not painter.note


@pytest.mark.parametrize("value", ["text", None, -1, 1e9, float("nan"), True, [2]])
def test_a_feather_that_is_not_ours_changes_nothing(painter, value):
    painter.feather = 2
    painter.set_state({"feather": value})
    assert painter.feather == 2


def test_another_picture_of_the_same_size_keeps_the_mask_and_of_another_clears_it(painter):
    painter.mask = kn.ellipse(SIZE, BOX)
    painter.feather = 2
    before = painter.mask
    painter.image = picture(colour="blue")
    assert painter.mask == before and painter.mask.picture.getpixel((0, 0)) == (0, 0, 255)
    painter.image = picture((20, 30))
    assert painter.mask.size == (20, 30) and not painter.mask.area and painter.feather == 2
    assert painter.size == [20, 30]


def test_a_mask_of_another_size_is_refused_and_the_old_one_stays(painter):
    painter.mask = mask = kn.ellipse(SIZE, BOX)
    with pytest.raises(KandiError, match=r"9 × 9.*resize"):
        painter.mask = kn.rectangle((9, 9), (1, 1, 3, 3))
    with pytest.raises(KandiError, match="mask takes"):
        painter.mask = None
    with pytest.raises(KandiError, match="size"):
        kn.mask_painter(picture(), mask=kn.rectangle((9, 9), (1, 1, 3, 3)))
    assert painter.mask == mask


@pytest.mark.parametrize("by", [-1, 101, "2", None, True])
def test_a_feather_that_is_none_is_refused(painter, by):
    with pytest.raises(KandiError, match="feather is a number of pixels"):
        painter.feather = by
    assert painter.feather == 0


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("RGB", (0, 5)), "size 0"),
        ([picture(), picture()], "one picture"),
        (None, "image takes"),
        ("no_such_file.png", "does not exist"),
        (Image.new("L", (20_000, 9_000)), "make it smaller"),
    ],
)
def test_pictures_that_cannot_be_painted_on_are_refused_in_one_line(image, words):
    with pytest.raises(KandiError, match=words) as error:
        kn.mask_painter(image)
    assert "\n" not in str(error.value)


def test_a_picture_of_twenty_thousand_pixels_is_shown_smaller_and_masked_in_full():
    painter = kn.mask_painter(picture((20_000, 60)))
    assert painter.size == [20_000, 60] and painter.mask.size == (20_000, 60)
    painted(painter, kn.rectangle((20_000, 60), (19_990, 0, 20_000, 60)))
    assert painter.mask.array[:, -10:].all() and painter.mask.area < 0.001


def test_it_shows_its_mask_where_nobody_watches_and_itself_where_somebody_does(monkeypatch):
    painter = kn.mask_painter(picture(), mask=kn.ellipse(SIZE, BOX))
    shown = painter._repr_mimebundle_()
    assert "<img" in shown["text/html"] and shown["text/plain"] == repr(painter)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    assert "application/vnd.jupyter.widget-view+json" in painter._repr_mimebundle_()[0]


def test_a_cell_that_is_run_again_closes_the_painter_that_it_showed(monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    before = len(widgets._instances)
    for run in ("first", "second", "third"):
        monkeypatch.setattr(place, "_running_cell", lambda run=run: ("painter's cell", run))
        last = kn.mask_painter(picture())
        last._repr_mimebundle_()
    assert len(widgets._instances) == before + 2, "itself and its layout"
    last.close()
    assert len(widgets._instances) == before
    assert last.mask.size == SIZE, "what was painted stays"


def test_without_anywidget_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(KandiError, match=r"anywidget is not installed.*\[notebook\]"):
        kn.mask_painter(picture())
