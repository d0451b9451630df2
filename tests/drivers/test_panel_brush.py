"""What a panel's brush and frame hold is what the panel's task is asked for, both ways."""

from __future__ import annotations

import pytest
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.panels.hearing import Hearing
from kandi_nb.drivers.widgets.encoding import encode_mask
from kandi_nb.words.errors import KandiError

QUICK = kn.Params("a fox", steps=2, prior_steps=2)
SIZE = (64, 64)
PART, OTHER = kn.rectangle(SIZE, (3, 3, 20, 30)), kn.ellipse(SIZE, (10, 10, 60, 50))


def picture(size=SIZE, colour="red"):
    return Image.new("RGB", size, colour)


@pytest.fixture
def panel(tiny_roles):
    made = kn.panel([kn.inpaint, kn.outpaint, kn.generate], tiny_roles, QUICK)
    yield made
    made.close()


def seen(part):
    return part.box.layout.display != "none"


def paint(panel, mask, **more):
    brush = panel.view().brush
    brush.painter.set_state({"painted": memoryview(encode_mask(mask.array)), **more})


def test_the_brush_stands_there_as_long_as_there_is_one_image_and_a_task_for_it(panel):
    brush = panel.view().brush
    assert not seen(brush)
    panel.give("image", picture())
    assert seen(brush)
    panel.give("image", [picture(), picture()])
    assert not seen(brush), "which of them?"
    panel.give("image", picture((32, 48)))
    assert seen(brush) and brush.painter.mask.size == (32, 48)
    panel.task = "generate"
    assert not seen(brush)


def test_what_is_painted_is_what_is_repainted_and_an_emptied_mask_is_none(panel):
    panel.give("image", picture())
    view = panel.view()
    assert view.runbar.reason
    paint(panel, PART, feather=2)
    assert panel.inputs["mask"] == PART.feather(2) and not view.runbar.reason
    assert panel.run(progress=False).proof[0]["kept"] == 1
    paint(panel, PART - PART)
    assert "mask" not in panel.inputs and view.runbar.reason


def test_what_code_gives_is_shown_by_the_brush_and_what_it_takes_away_too(panel):
    panel.inputs = {"image": picture(), "mask": OTHER}
    brush = panel.view().brush
    assert brush.painter.mask == OTHER
    panel.give("mask", PART.image)
    assert brush.painter.mask == PART
    panel.give("mask", None)
    assert not brush.painter.mask.area
    paint(panel, OTHER)
    panel.give("image", picture(colour="blue"))
    assert panel.inputs["mask"] == brush.painter.mask == OTHER, "it goes with the new picture"


def test_a_mask_that_does_not_fit_stays_the_tasks_to_complain_of_until_one_paints(panel):
    panel.inputs = {"image": picture(), "mask": kn.rectangle((8, 8), (0, 0, 3, 3))}
    assert not panel.view().brush.painter.mask.area
    with pytest.raises(KandiError, match="8 × 8"):
        panel.run()
    paint(panel, PART)
    assert panel.inputs["mask"] == PART


def test_a_picture_of_another_size_that_is_dropped_takes_the_painted_mask_away(panel):
    panel.give("image", picture())
    hearing = Hearing(panel.view())
    paint(panel, PART)
    hearing._give("image", picture(colour="blue"))
    assert panel.inputs["mask"] == PART
    hearing._give("image", picture((32, 32)))
    assert "mask" not in panel.inputs
    panel.give("mask", PART)
    hearing._give("image", picture((48, 48)))
    assert panel.inputs["mask"] == PART, "what code gave is not ours to take"


def test_a_frame_sets_how_far_a_picture_grows_and_shows_what_code_says(panel):
    framing = panel.view().framing
    panel.inputs = {"image": picture(), "aspect": 2}
    assert not seen(framing), "inpaint does not grow it"
    panel.task = "outpaint"
    assert seen(framing) and framing.frame.margins == (0, 0, 0, 0)
    framing.frame.set_state({"margins": [0, 8, 64, 0]})
    assert {n: panel.inputs.get(n) for n in ("top", "right", "left", "aspect")} == {
        "top": 8,
        "right": 64,
        "left": None,
        "aspect": None,
    }
    assert panel.run(progress=False)[0].size == (128, 72)
    panel.give("left", 16)
    assert framing.frame.margins == (16, 8, 64, 0)
    panel.give("image", picture((32, 32)))
    assert framing.frame.size == [32, 32]


@pytest.mark.parametrize(
    "value", [None, "abcd", [1, 2, 3], [0, 0, 0, -1], [0.5] * 4, [1e9] * 4]
)
def test_margins_that_are_none_are_left_out(panel, value):
    panel.task = "outpaint"
    panel.inputs = {"image": picture(), "right": 8}
    frame = panel.view().framing.frame
    frame.set_state({"margins": value})
    assert frame.margins == (0, 0, 8, 0) and panel.inputs["right"] == 8
    with pytest.raises(KandiError, match="four whole numbers"):
        frame.margins = value


def test_nothing_is_made_before_it_is_needed_and_nothing_is_left(panel):
    before = len(widgets._instances)
    panel.view()
    bare = len(widgets._instances)
    panel.give("image", picture())
    assert bare < len(widgets._instances) <= bare + 4, "painter and frame, a layout each"
    panel.close()
    assert len(widgets._instances) == before
