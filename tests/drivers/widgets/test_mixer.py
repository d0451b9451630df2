"""The mixer without a browser: weights, runs that follow, bad items and messages."""

from __future__ import annotations

import threading
import time

import pytest
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.widgets.encoding import thumbnail
from kandi_nb.drivers.widgets.mixing import Follower
from kandi_nb.words.errors import KandiError

QUICK = kn.Params(steps=12, prior_steps=2, seed=3)
WAIT = 60


@pytest.fixture(scope="module")
def k(tiny_roles):
    return tiny_roles


@pytest.fixture
def mixer(k):
    made = kn.mixer(k, ["a cat", "a dog"], params=QUICK)
    yield made
    made.close()
    made.wait(WAIT)


def page(mixer, **state):
    mixer.set_state(state)


def shown(mixer):
    mixer._handle_custom_msg({"kind": "shown"}, [])
    assert mixer.wait(WAIT)


def test_weights_are_shares_both_ways(mixer):
    assert mixer.weights == [0.5, 0.5]
    mixer.weights = [3, 1]
    assert mixer.weights == [0.75, 0.25] and "75 % a cat" in repr(mixer)
    page(mixer, weights=[0, 2])
    assert mixer.weights == [0, 1]


def test_it_draws_what_mix_draws_and_a_corner_is_the_plain_item(mixer, k):
    mixer.weights = [0.3, 0.7]
    drawn = mixer.run(progress=False)
    same = kn.mix(k, QUICK, ["a cat", "a dog"], [0.3, 0.7], progress=False)
    assert drawn[0].tobytes() == same[0].tobytes() and mixer.result is drawn
    assert mixer.embedding.tensor.equal(
        kn.mixture(k, ["a cat", "a dog"], [0.3, 0.7], params=QUICK, progress=False).tensor
    )
    mixer.weights = [0, 1]
    plain = kn.embed(k, QUICK.replace(prompt="a dog"), progress=False)
    assert mixer.embedding.tensor.equal(plain.tensor)


def test_new_params_embed_the_items_anew(mixer):
    before = mixer.embedding.tensor
    mixer.params = QUICK.replace(prior_seed=9)
    assert not mixer.embedding.tensor.equal(before)
    mixer.params = QUICK.replace(seed=9)
    assert mixer.embedding.tensor.equal(before), "the decoder's seed is not theirs"


def test_nothing_is_drawn_unasked_until_a_page_shows_it(mixer):
    mixer.weights = [0.1, 0.9]
    assert mixer.wait(0) and mixer.result is None
    shown(mixer)
    first = mixer.result
    assert first.params[0].steps == 12 and mixer.picture and not mixer.note
    shown(mixer)
    assert mixer.result is first, "a second view draws nothing"


def test_its_corners_are_the_plain_items_drawn_once_and_anew_for_other_params(mixer, k):
    mixer.weights = [0.4, 0.6]
    shown(mixer)
    plain = [kn.mix(k, QUICK.replace(steps=6), [item], progress=False) for item in mixer.items]
    assert mixer.thumbnails == [thumbnail(result[0], 64) for result in plain]
    assert mixer.result.params[0].steps == 12 and mixer.caption == "12 steps"
    assert not mixer.running and mixer.status == ""
    before = mixer.thumbnails
    mixer.weights = [1, 0]
    assert mixer.wait(WAIT) and mixer.thumbnails is before
    mixer.params = QUICK.replace(seed=9)
    assert mixer.wait(WAIT) and "" not in mixer.thumbnails and mixer.thumbnails != before


def test_few_steps_while_dragging_and_all_when_let_go(mixer):
    shown(mixer)
    first = mixer.result
    page(mixer, weights=[0.2, 0.8], dragging=True)
    assert mixer.wait(WAIT) and mixer.result is first
    assert mixer.caption == "6 steps, to see where it goes" and mixer.running is False
    page(mixer, dragging=False)
    assert mixer.wait(WAIT) and mixer.caption == "12 steps"
    assert mixer.result is not first and mixer.weights == [0.2, 0.8]


def test_a_fault_of_a_run_is_said_and_the_next_one_mends_it(mixer, monkeypatch):
    def broken(*words, **more):
        raise ZeroDivisionError("of no\nuse")

    monkeypatch.setattr(mixer._blend, "draw", broken)
    shown(mixer)
    assert mixer.note == "ZeroDivisionError: of no use" and mixer.wrong
    monkeypatch.undo()
    mixer.weights = [1, 0]
    assert mixer.wait(WAIT) and not mixer.wrong and mixer.result is not None


@pytest.mark.parametrize(
    "value", [None, "ab", [1], [1, 2, 3], [-1, 2], [0, 0], [float("nan"), 1]]
)
def test_weights_that_are_none_are_refused_and_left_out_when_a_page_sends_them(mixer, value):
    mixer.weights = [0.25, 0.75]
    page(mixer, weights=value, dragging="x")
    assert mixer.weights == [0.25, 0.75] and mixer.dragging is False
    mixer._handle_custom_msg(value, [])
    mixer._handle_custom_msg({"kind": ["shown"]}, [])
    if value is not None:  # equal ones
        with pytest.raises(KandiError):
            mixer.weights = value


@pytest.mark.parametrize(
    ("items", "more", "words"),
    [
        (["a cat"], {}, "2 to 8 items, not 1"),
        (["a cat"] * 9, {}, "2 to 8 items, not 9"),
        ("a cat", {}, "list of 2 to 8"),
        (["a cat", ""], {}, "empty text"),
        (["a cat", ["a dog", "an owl"]], {}, "single items"),
        (["a cat", "a dog"], {"weights": [1]}, "1 weights for 2 items"),
        (["a cat", "a dog"], {"how": "sum"}, "mean, slerp"),
        (["a cat", "a dog"], {"params": QUICK.replace(count=2)}, "count 1"),
        (["a cat", "a dog"], {"params": 7}, "kn.Params"),
        (["a cat", "a dog"], {"quick": 1}, "steps from 2"),
    ],
)
def test_what_cannot_be_mixed_is_refused_in_one_line(k, items, more, words):
    with pytest.raises(KandiError, match=words) as error:
        kn.mixer(k, items, **more)
    assert "\n" not in str(error.value)


def test_a_model_without_a_prior_is_refused(tiny3_folder):
    with pytest.raises(KandiError, match="no prior"):
        kn.mixer(kn.load(tiny3_folder, device="cpu"), ["a cat", "a dog"])


def test_pictures_have_thumbnails_and_it_leaves_nothing_behind(k, monkeypatch):
    before = len(widgets._instances)
    made = kn.mixer(k, ["a cat", Image.new("RGB", (64, 64), "red")], params=QUICK)
    assert made.thumbnails[0] == "" and made.thumbnails[1].startswith("data:image/png")
    assert made._repr_mimebundle_() == {"text/plain": repr(made)}, "nobody watches"
    made.close()
    assert len(widgets._instances) == before


# --- one run at a time, and never more than one that waits ---


class Slow:
    """Runs that end when they are told to, or stopped."""

    def __init__(self):
        self.began, self.ended, self.go = [], [], threading.Event()
        self.follower = Follower(
            lambda *words: None, lambda value, *_: self.ended.append(value)
        )

    def want(self, name, rough=False):
        def draw(stop):
            self.began.append(name)
            while not self.go.is_set() and not stop.is_set():
                time.sleep(0.002)
            return f"{name}, stopped" if stop.is_set() else name

        self.follower.want(draw, rough=rough)


def test_only_the_newest_waits_and_rough_runs_may_end():
    slow = Slow()
    for name in "abcdef":
        slow.want(name, rough=True)
    assert slow.follower.waits and not slow.follower.wait(0)
    slow.go.set()
    assert slow.follower.wait(WAIT)
    assert slow.ended == ["a", "f"] and not slow.follower.waits


def test_a_full_run_is_stopped_by_whatever_comes_after():
    slow = Slow()
    slow.want("full")
    slow.want("rough", rough=True)
    while "rough" not in slow.began:
        time.sleep(0.002)
    slow.go.set()
    assert slow.follower.wait(WAIT) and slow.ended == ["full, stopped", "rough"]


def test_a_stop_ends_what_runs_and_what_waits():
    slow = Slow()
    slow.want("a")
    slow.want("b")
    slow.follower.stop()
    assert slow.follower.wait(WAIT)
    assert [name for name in slow.ended if "stopped" not in name] == []
    slow.follower.stop()
    assert slow.follower.wait(0)
