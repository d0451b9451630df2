"""Colours and lettering: what they change, what they leave, and one line for bad input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageStat

from kandi_nb.pictures.editing.colours import colours
from kandi_nb.pictures.editing.lettering import lettering
from kandi_nb.pictures.result import Result
from kandi_nb.words.errors import KandiError
from kandi_nb.words.params import Params


def photo():
    noise = np.random.default_rng(0).integers(0, 160, (48, 64, 3), np.uint8)
    return Image.fromarray(noise + np.array([90, 20, 0], np.uint8))


def test_nothing_asked_changes_nothing():
    assert colours(photo()) == photo()


def test_saturation_runs_from_grey_to_glaring():
    grey = np.asarray(colours(photo(), saturation=0))
    assert (grey == grey[..., :1]).all()
    spread = [
        np.ptp(np.asarray(colours(photo(), saturation=s)), -1).mean() for s in (0.5, 1, 2)
    ]
    assert spread == sorted(spread)


def test_contrast_widens_the_range():
    deviation = [np.asarray(colours(photo(), contrast=c)).std() for c in (0, 0.5, 1, 1.5)]
    assert deviation == sorted(deviation) and deviation[0] < 1


def test_white_balance_makes_the_mean_grey_at_the_same_brightness():
    before, after = (
        ImageStat.Stat(p).mean for p in (photo(), colours(photo(), white_balance=1))
    )
    assert max(before) - min(before) > 80 and max(after) - min(after) < 6
    assert np.mean(after) == pytest.approx(np.mean(before), abs=6)


def test_a_result_gives_a_result_and_stays_as_it_was():
    result = Result([photo(), photo()], [Params("a cat"), Params("a dog")], "mini-2.2")
    changed = lettering(colours(result, saturation=0), "dog", (2, 2, 60, 40))
    assert isinstance(changed, Result) and changed.params == result.params
    pixels = photo().tobytes()
    assert [image.tobytes() for image in result.images] == [pixels, pixels]
    assert changed.images[0].tobytes() != pixels


def test_letters_stay_in_their_box_and_can_be_read():
    before = photo()
    after = lettering(before, "Лиса", (5, 8, 60, 30), colour="#ffd700", outline="black")
    changed = (np.asarray(before) != np.asarray(after)).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 8 and rows.max() < 30 and columns.min() >= 5 and columns.max() < 60
    golden = (np.asarray(after) == (255, 215, 0)).all(-1)
    dark = (np.asarray(after) < 60).all(-1) & changed
    assert golden.sum() > 50 and dark.sum() > 50
    assert (golden[1:-1] <= (changed[:-2] & changed[2:])).all(), "outlined above and below"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: colours(photo(), saturation=-1), "from 0 to 4"),
        (lambda: colours(photo(), contrast=float("nan")), "contrast"),
        (lambda: colours(photo(), white_balance=2), "from 0 to 1"),
        (lambda: colours(7), "takes a path"),
        (lambda: lettering(photo(), "", (0, 0, 9, 9)), "what to write"),
        (lambda: lettering(photo(), "a fox", (0, 0, 3, 3)), "larger box"),
        (lambda: lettering(photo(), "fox", (0, 0, 30, 30), colour="blu"), "#ffd700"),
        (lambda: lettering(photo(), "fox\U0010fffd", (0, 0, 30, 30)), "no installed font"),
    ],
)
def test_bad_input_gets_one_line(call, words):
    with pytest.raises(KandiError) as raised:
        call()
    assert words in str(raised.value) and "\n" not in str(raised.value)
