"""Editing: any picture comes back in its own size, and strength is what was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from calls import refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kandi_nb.mini import judge
from kandi_nb.mini.evaluation.mix import edits, read_edit
from kandi_nb.mini.evaluation.painter import painter
from kandi_nb.mini.evaluation.text import sentences
from kandi_nb.mini.world.render import render
from kandi_nb.model.loading.load import load
from kandi_nb.pictures.editing.canvas import canvas_size
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.edit import edit
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.replay import replay
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.params import Params, sweep

QUICK = Params("a red fox", steps=5, prior_steps=2, strength=0.5)
TOLERANCE = 2  # of 255
sides = st.integers(16, 300)
quick = settings(max_examples=10, deadline=None, derandomize=True, database=None)


def photo(width=64, height=64, seed=0, mode="RGB"):
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    return picture.convert(mode)


def apart(a, b) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


# Sizes, whichever way round


@quick
@given(sides, sides, st.sampled_from(["1", "L", "P", "RGB", "CMYK"]))
def test_any_picture_comes_back_in_its_own_size(tiny, width, height, mode):
    drawn = edit(tiny, QUICK, image=photo(width, height, mode=mode))
    assert drawn[0].size == (width, height) and drawn[0].mode == "RGB"
    assert (drawn.params[0].width, drawn.params[0].height) == canvas_size((width, height), 64)


def test_a_weak_edit_leaves_a_long_picture_the_right_way_round():
    k, wide = load("mini-2.2", device="cpu"), photo(192, 64)
    drawn = edit(
        k, Params("a snowy forest", strength=0.01), image=[wide, wide.rotate(90, expand=1)]
    )
    for given_, picture in zip((wide, wide.rotate(90, expand=1)), drawn, strict=True):
        assert picture.size == given_.size
        near, upside_down = (
            np.abs(np.asarray(picture, int) - np.asarray(other, int)).mean()
            for other in (given_, given_.rotate(180))
        )
        assert near < upside_down / 2


def test_one_side_given_takes_the_other_from_the_picture(tiny):
    made = edit(tiny, QUICK.replace(width=128), image=photo(100, 50)).params[0]
    assert (made.width, made.height) == (128, 64)
    made = edit(tiny, QUICK.replace(width=64, height=128), image=photo(100, 50)).params[0]
    assert (made.width, made.height) == (64, 128)


# Batches


def test_a_batch_of_different_pictures_equals_its_singles(tiny):
    pictures = [photo(seed=n) for n in range(3)] + [photo(90, 40), photo(40, 90)]
    runs = [QUICK.replace(prompt=p, seed=n) for n, p in enumerate("abcde")]
    batch = edit(tiny, runs, image=pictures)
    for n, picture in enumerate(batch):
        assert apart(picture, edit(tiny, runs[n], image=pictures[n])[0]) <= TOLERANCE


def test_equal_numbers_of_steps_share_a_batch(tiny):
    sizes = []
    unet = tiny.pipeline("edit").unet
    hook = unet.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    try:
        drawn = edit(tiny, sweep(QUICK, strength=[0.4, 0.8], seed=[0, 1, 2]), image=photo())
    finally:
        hook.remove()
    assert sizes == [6] * 2 + [6] * 4, "two steps of five, then four; guided and not"
    assert [p.strength for p in drawn.params] == [0.4] * 3 + [0.8] * 3


def test_strength_is_filled_and_counted(tiny):
    shown = []
    made = edit(
        tiny,
        QUICK.replace(strength=None, steps=10),
        image=photo(),
        on_preview=lambda pictures, step: shown.append(step),
    )
    assert made.params[0].strength == 0.3
    assert shown == [1, 2], "after each of three steps but the last"


def test_more_strength_changes_more():
    k, fox = load("mini-2.2", device="cpu"), photo()
    runs = sweep(Params("a red fox", steps=10), strength=[0.1, 0.5, 1.0])
    changes = [
        np.abs(a.astype(int) - np.asarray(fox)).mean()
        for a in edit(k, runs, image=fox).arrays()
    ]
    assert changes == sorted(changes) and changes[0] < changes[2] / 2


def test_params_and_pictures_go_together(tiny):
    pictures = [photo(seed=n) for n in range(2)]
    both = edit(tiny, QUICK.replace(count=2), image=pictures)
    assert [p.seed for p in both.params] == [0, 1, 0, 1]
    assert [apart(i["image"], pictures[n // 2]) for n, i in enumerate(both.inputs)] == [0] * 4
    three = [QUICK.replace(seed=n) for n in range(3)]
    said = refusal(lambda: edit(tiny, three, image=pictures))
    assert "3 of params, 2 of image; give one for all, or 3 of each" in said
    assert len(edit(tiny, QUICK, image=photo(), prompts=["a cat", "a dog"])) == 2


@pytest.mark.parametrize("family", ["2.1", "3"])
@pytest.mark.filterwarnings(r"ignore:edit with tiny3\d+/ does not use prior_steps")
def test_other_families_edit_too(family, request):
    folder = request.getfixturevalue({"2.1": "tiny21_folder", "3": "tiny3_folder"}[family])
    k = load(folder, device="cpu")
    runs = [QUICK.replace(seed=n, negative="blue") for n in range(2)]
    native = k.spec.native_size
    pictures = [photo(seed=n) for n in range(2)]
    batch = edit(k, [r.replace(width=64, height=64) for r in runs], image=pictures)
    assert native and [p.size for p in batch] == [(64, 64)] * 2
    for n in (0, 1):
        alone = edit(k, runs[n].replace(width=64, height=64), image=pictures[n])
        assert apart(batch[n], alone[0]) <= TOLERANCE


# The recipe


def test_one_file_alone_is_enough_for_a_replay(tiny, tmp_path):
    file = tmp_path / "beach.png"
    photo(90, 50).save(file)
    drawn = edit(tiny, QUICK, image=file)
    (path,) = drawn.save(tmp_path)
    file.unlink()
    made = recipe(path)
    assert made["task"] == "edit" and made["inputs"]["image"]["file"] == "beach.png"
    again = replay(path, tiny)
    assert apart(again[0], drawn[0]) <= TOLERANCE and again.recipes == drawn.recipes


def test_without_its_picture_a_file_is_not_replayed(tiny, tmp_path):
    (path,) = edit(tiny, QUICK, image=photo()).save(tmp_path, inputs=False)
    assert "image=…" in refusal(lambda: replay(path, tiny))
    assert "not the picture" in refusal(lambda: replay(path, tiny, image=photo(seed=5)))
    assert len(replay(path, tiny, image=photo())) == 1


def test_changed_pictures_are_replayed_with_their_changes(tiny, tmp_path):
    from kandi_nb.pictures.editing.colours import colours
    from kandi_nb.pictures.editing.lettering import lettering

    changed = lettering(
        colours(generate(tiny, QUICK.replace(strength=None)), saturation=0.2, contrast=2),
        "fox", (0, 0, 64, 20), colour="red",
    )  # fmt: skip
    (path,) = changed.save(tmp_path)
    again = replay(path, tiny)
    assert apart(again[0], changed[0]) <= 2 * TOLERANCE and again.recipes == changed.recipes


@pytest.mark.parametrize("change", [{"explode": {}}, {"colours": {"x": 1}}, {}, 3])
def test_a_change_that_is_unknown_is_refused(tiny, tmp_path, change):
    drawn = generate(tiny, QUICK.replace(strength=None))
    drawn.options["changes"] = [change]
    (path,) = drawn.__class__(**vars(drawn)).save(tmp_path)
    assert "a change that is unknown here" in refusal(lambda: replay(path, tiny))


# Bad input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda k: edit(k, QUICK), r"edit is called as kn.edit\(k, params, image=…\)"),
        (lambda k: edit(k, QUICK, image="no.png"), "no.png does not exist"),
        (lambda k: edit(k, QUICK, image=__file__), "no picture that can be read"),
        (lambda k: edit(k, QUICK, image=np.full((9, 9, 3), 2.0)), "floats from 2 to 2"),
        (lambda k: edit(k, QUICK, image=np.full((9, 9, 3), np.nan)), "image holds NaN"),
        (lambda k: edit(k, QUICK, image=[]), "empty list"),
        (lambda k: edit(k, Params(strength=0.5), image=photo()), "edit needs a prompt"),
        (lambda k: edit(k, QUICK, image=photo(), strength=0.5), "strength is a setting"),
        (lambda k: edit(k, QUICK, image=photo(), imge=3), "did you mean image"),
        (lambda k: edit(k, "a cat", image=photo()), "second argument is Params"),
        (lambda k: edit(3, QUICK, image=photo()), "first argument is a loaded model"),
        (lambda k: edit(k, QUICK, image=photo(), preview=-1), "preview"),
        (lambda k: edit(k, QUICK, image=photo(), mask=photo()), "tasks that do: inpaint"),
        (lambda k: generate(k, QUICK, image=photo()), "generate takes no image; tasks"),
        (lambda k: QUICK.replace(strength=0), "strength must be from 0.01"),
        (lambda k: QUICK.replace(strength=1.2), "strength must be from 0.01"),
        (lambda k: QUICK.replace(strength=float("nan")), "strength must be a finite"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tiny, monkeypatch, call, words):
    monkeypatch.setattr(type(tiny), "alone", lambda *_: pytest.fail("too late"))
    with pytest.raises(KandiError, match=words) as caught:
        call(tiny)
    assert "\n" not in str(caught.value)


def test_cut_and_enormous_files_are_one_line(tiny, tmp_path):
    whole = tmp_path / "whole.png"
    photo(200, 200).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:900])
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    assert "cannot be read to its end" in refusal(
        lambda: edit(tiny, QUICK, image=tmp_path / "cut.png")
    )
    assert "pixels; make it smaller" in refusal(
        lambda: edit(tiny, QUICK, image=tmp_path / "huge.png")
    )


def test_what_is_transparent_becomes_white_and_is_said_once(tiny):
    clear = Image.new("RGBA", (64, 64), (9, 9, 9, 0))
    with pytest.warns(KandiWarning, match="transparent") as said:
        made = edit(tiny, QUICK.replace(count=3), image=clear)
    messages = [str(each.message) for each in said if "transparent" in str(each.message)]
    assert len(messages) == 1, [str(s.message) for s in said]
    assert made.inputs[0]["image"].getpixel((0, 0)) == (255, 255, 255)


# What the pictures show


def read_edits(k, count):
    """Return the shares of colours that arrive, of objects and of places that stay."""
    asked = edits(count)
    after = [scene for _, scene in asked]
    runs = [Params(text, strength=0.5, seed=n % 2) for n, text in enumerate(sentences(after))]
    before = [Image.fromarray(render(scene).image) for scene, _ in asked]
    return judge.score(judge.read(edit(k, runs, image=before, progress=False).images), after)


def test_a_colour_changes_and_the_rest_stays():
    shares = read_edits(load("mini-2.2", device="cpu"), 5)
    assert min(shares[what] for what in ("object", "colour", "place")) >= 0.8


@pytest.mark.slow
def test_edits_are_as_good_as_the_card_says_in_all_languages():
    k, whats = load("mini-2.2", device="cpu"), ("object", "colour", "place")
    shares = read_edits(k, 60)
    print("the card's 60:", {what: round(shares[what], 4) for what in whats})
    # The card: 100 % of these 60. One picture may be worse.
    assert min(shares[what] for what in whats) >= 1 - 1 / 60
    # Of more pictures the card says nothing; diffusers itself does.
    plain, _ = read_edit(painter(), 200)
    shares = read_edits(k, 200)
    print("200:", {what: round(shares[what], 4) for what in whats}, "plain diffusers:", plain)
    for what, share in zip(("colour", "object", "place"), plain.values(), strict=True):
        assert shares[what] >= share - 1 / 200 - 1e-9, what
