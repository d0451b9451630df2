"""Outpainting: the picture stays bit for bit, and what is new goes on with its place."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from calls import StopAt, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kandi_nb.mini import judge
from kandi_nb.mini.evaluation.text import sentences
from kandi_nb.mini.world.render import render
from kandi_nb.mini.world.scenes import Scene, scenes
from kandi_nb.model.loading.load import load
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.inpaint import inpaint
from kandi_nb.tasks.outpaint import MOST, outpaint
from kandi_nb.tasks.replay import replay
from kandi_nb.words.errors import Cancelled, KandiError
from kandi_nb.words.params import Params

QUICK = Params("a snowy forest", steps=2, prior_steps=2)
TOLERANCE = 2  # of 255
quick = settings(max_examples=6, deadline=None, derandomize=True, database=None)


def photo(width=64, height=64, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def apart(a, b) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


def inside(drawn, picture, left=0, top=0):
    return drawn.crop((left, top, left + picture.width, top + picture.height))


# What stays


amounts = st.one_of(st.just(0), st.integers(1, 9), st.integers(10, 40))


@quick
@given(st.integers(30, 90), st.integers(30, 90), amounts, amounts, amounts, st.integers(1, 30))
def test_a_picture_stays_whatever_is_added(tiny_roles, width, height, left, top, right, bottom):
    picture = photo(width, height, seed=left)
    sides = {"left": left, "top": top, "right": right, "bottom": bottom}
    drawn = outpaint(tiny_roles, QUICK, image=picture, progress=False, **sides)
    assert drawn[0].size == (width + left + right, height + top + bottom)
    assert np.array_equal(inside(drawn[0], picture, left, top), picture)
    (row,) = drawn.proof
    assert row["kept"] == 1
    assert row["area"] == pytest.approx(1 - width * height / np.prod(drawn[0].size))


@pytest.mark.parametrize(
    "sides",
    [{"left": 7}, {"bottom": 1}, dict.fromkeys(("left", "right", "top", "bottom"), 20)],
)
def test_odd_amounts_are_painted_and_not_left_as_edge_pixels(tiny_roles, sides):
    drawn = outpaint(tiny_roles, QUICK, image=photo(), join="hard", **sides)[0]
    left, top = sides.get("left", 0), sides.get("top", 0)
    assert np.array_equal(inside(drawn, photo(), left, top), photo())
    around = (top, sides.get("bottom", 0)), (left, sides.get("right", 0)), (0, 0)
    edges = np.pad(np.asarray(photo()), around, "edge")
    changed = (np.asarray(drawn) != edges).any(-1)
    assert changed.sum() > 0.9 * (changed.size - 64 * 64)


def test_an_aspect_and_a_size_keep_the_picture_in_the_middle(tiny_roles):
    one = partial(outpaint, tiny_roles, QUICK, image=photo(64, 50))
    assert one(aspect="16:9")[0].size == (89, 50)
    assert one(aspect=1)[0].size == (64, 64)
    drawn = one(size=(90, 61))[0]
    assert drawn.size == (90, 61) and np.array_equal(
        inside(drawn, photo(64, 50), 13, 5), photo(64, 50)
    )


@pytest.mark.parametrize(
    ("old", "new"), [((2, 2), (64, 64)), ((16, 16), (64, 64)), ((512, 32), (512, 512))]
)
def test_a_small_or_thin_picture_takes_about_as_long_as_an_inpainting(tiny_roles, old, new):
    picture = photo(*old)
    shapes, hook = calls_of(tiny_roles)
    try:
        drawn = outpaint(tiny_roles, QUICK, image=picture, size=new, progress=False)
        outpainted = [shape.numel() for shape in shapes]
        shapes.clear()
        mask = np.full(new[::-1], 255, np.uint8)
        mask[:1] = 0
        inpaint(tiny_roles, QUICK, image=photo(*new), mask=mask, progress=False)
        inpainted = [shape.numel() for shape in shapes]
    finally:
        hook.remove()
    assert sum(outpainted) <= 2 * sum(inpainted) and len(outpainted) <= 2 * len(inpainted)
    left, top = ((b - a) // 2 for a, b in zip(old, new, strict=True))
    assert drawn[0].size == new and np.array_equal(
        inside(drawn[0], picture, left, top), picture
    )


def test_a_large_picture_gets_its_new_side_in_its_own_scale(tiny_roles):
    picture = photo(400, 300)
    drawn = outpaint(tiny_roles, QUICK, image=picture, right=100)
    assert drawn[0].size == (500, 300) and np.array_equal(inside(drawn[0], picture), picture)


# Windows and batches


def calls_of(k, role="inpaint"):
    """Return the shapes that the UNet of a role is called with, and the hook to remove."""
    shapes = []
    unet = k.pipeline(role).unet
    hook = unet.register_forward_pre_hook(lambda module, args: shapes.append(args[0].shape))
    return shapes, hook


def test_what_one_window_holds_is_drawn_in_one_go(tiny_roles):
    shapes, hook = calls_of(tiny_roles)
    try:
        outpaint(tiny_roles, QUICK, image=photo(), right=64)
        assert [tuple(shape[2:]) for shape in shapes] == [(8, 16)] * 2
        shapes.clear()
        outpaint(tiny_roles, QUICK, image=photo(), right=192)
        assert {tuple(shape[2:]) for shape in shapes} == {(8, 16)} and len(shapes) == 2 * 3
        shapes.clear()
        narrow = QUICK.replace(width=64, height=64)
        outpaint(tiny_roles, narrow, image=photo(), right=64)
        assert {tuple(shape[2:]) for shape in shapes} == {(8, 8)}
    finally:
        hook.remove()


@pytest.mark.parametrize("sides", [{"right": 50}, {"left": 90}])
def test_a_batch_of_different_pictures_equals_its_singles(tiny_roles, sides):
    pictures = [photo(seed=0), photo(seed=1), photo(50, 64, 3)]
    runs = [QUICK.replace(prompt=p, seed=n) for n, p in enumerate("abc")]
    batch = outpaint(tiny_roles, runs, image=pictures, **sides)
    for n, picture in enumerate(batch):
        alone = outpaint(tiny_roles, runs[n], image=pictures[n], **sides)
        assert apart(picture, alone[0]) <= TOLERANCE
    assert len(batch.proof) == 3


def test_parts_of_a_wide_canvas_depend_on_each_other(tiny_roles):
    """Windows that were drawn apart could not know of a change windows away."""
    wide = partial(outpaint, tiny_roles, QUICK.replace(steps=4), right=256, join="hard")
    other = photo()
    other.paste((255, 0, 0), (40, 0, 64, 64))
    far = (224, 0, 320, 64)
    assert apart(wide(image=photo())[0].crop(far), wide(image=other)[0].crop(far)) > 0


@pytest.mark.parametrize("folder", ["tiny21_roles_folder", "tiny3_folder"])
def test_the_other_generations_do_it_as_well(folder, request):
    k = load(request.getfixturevalue(folder), device="cpu")
    run = QUICK if k.prior else Params("a fox", steps=2)
    # What an untrained Kandinsky 3 says of its size is 1024.
    run = run.replace(width=128, height=64)
    for sides in ({"right": 64}, {"left": 128, "right": 70}):
        drawn = outpaint(k, run, image=photo(), **sides)
        assert drawn.proof[0]["kept"] == 1
        assert np.array_equal(inside(drawn[0], photo(), sides.get("left", 0)), photo())


@pytest.fixture(scope="module")
def tiny21_roles_folder(tiny21_folder, tmp_path_factory):
    """A folder with a tiny random Kandinsky 2.1 that can inpaint."""
    import shutil

    import conftest
    import diffusers

    root = tmp_path_factory.mktemp("roles21") / "model"
    shutil.copytree(tiny21_folder, root)
    parts = diffusers.KandinskyPipeline.from_pretrained(root / "kandinsky-2-1").components
    unet = conftest._unet(
        in_channels=9,
        addition_embed_type="text_image",
        addition_embed_type_num_heads=2,
        encoder_hid_dim_type="text_image_proj",
    )
    diffusers.KandinskyInpaintPipeline(**parts | {"unet": unet}).save_pretrained(
        root / "kandinsky-2-1-inpaint"
    )
    return root


def test_a_stop_and_previews_reach_the_windows(tiny_roles):
    seen = []
    one = partial(outpaint, tiny_roles, QUICK, image=photo(), right=192)
    one(on_preview=lambda pictures, step: seen.append((pictures[0].size, step)))
    assert seen == [((256, 64), 1)]
    with pytest.raises(Cancelled):
        one(stop=StopAt(4))
    assert len(one()) == 1, "the model stays usable"


# The recipe


@pytest.mark.parametrize(
    "far", [{"left": 5, "bottom": 70}, {"aspect": "3:1"}, {"size": (200, 64)}]
)
def test_one_file_alone_is_enough_for_a_replay(tiny_roles, tmp_path, far):
    drawn = outpaint(tiny_roles, QUICK, image=photo(), join="hard", **far)
    (path,) = drawn.save(tmp_path)
    made = recipe(path)
    assert list(made["inputs"]) == ["image"] and made["options"]["join"] == "hard"
    assert made["options"].keys() >= far.keys() and "top" not in made["options"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = replay(path, tiny_roles)
    assert apart(again[0], drawn[0]) <= TOLERANCE and again.recipes == drawn.recipes


# Bad input


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "must be told how far: left="),
        ({"left": 0}, "must be told how far"),
        ({"left": -5}, f"left is a whole number of pixels, from 0 to {MOST:,}, not -5"),
        ({"right": 10**6}, "right is a whole number of pixels"),
        ({"top": 1.5}, "top is a whole number of pixels"),
        ({"bottom": True}, "bottom is a whole number of pixels"),
        ({"right": MOST}, "at most 16,384 a side"),
        ({"size": (1024, 1024)}, "takes 465 windows of 128 × 64 at each step, at most 64"),
        ({"right": 16_000, "bottom": 16_000}, "and 178,956,970 in all"),
        ({"right": 5, "aspect": 2}, "takes one way to say how far"),
        ({"size": (99, 99), "aspect": 2}, "takes one way to say how far"),
        ({"aspect": 0}, "aspect is width / height, above 0"),
        ({"aspect": float("nan")}, "aspect is width / height, above 0"),
        ({"aspect": "1:0." + "0" * 400 + "1"}, "aspect is width / height, above 0"),
        ({"aspect": float("inf")}, "aspect is width / height, above 0"),
        ({"aspect": -1}, "aspect is width / height, above 0"),
        ({"aspect": "wide"}, "aspect is width / height, above 0"),
        ({"aspect": "16:0"}, "aspect is width / height, above 0"),
        ({"aspect": 1}, "has the aspect 1 already"),
        ({"aspect": 1e300}, "at most 16,384 a side"),
        ({"aspect": 1e-300}, "at most 16,384 a side"),
        ({"size": (50, 90)}, "size 50 × 90 is smaller than the picture's 64 × 64"),
        ({"size": (64, 64)}, "is no larger than the picture's"),
        ({"size": 90}, "size is \\(width, height\\)"),
        ({"size": (90.5, 90)}, "size is \\(width, height\\)"),
        ({"right": 5, "join": "soft"}, "join is one of harmonic, hard"),
        ({"right": 5, "mask": 1}, "outpaint takes no mask"),
    ],
)
def test_bad_input_is_one_line(tiny_roles, monkeypatch, asked, words):
    monkeypatch.setattr(type(tiny_roles), "alone", lambda *_: pytest.fail("too late"))
    with pytest.raises(KandiError, match=words) as caught:
        outpaint(tiny_roles, QUICK, image=photo(), **asked)
    assert "\n" not in str(caught.value)


def test_a_model_without_the_task_says_which_have_it(tiny):
    said = refusal(lambda: outpaint(tiny, QUICK, image=photo(), right=5))
    assert "cannot outpaint; models that can: mini-2.2" in said


# What the pictures show


SIDES = ("left", "right", "top", "bottom")


def scenes_of(count):
    """Return held-out scenes with a thing in them, as they are."""
    every = (replace(s, style="plain") for s in scenes(4 * count, held_out=True, salt="frame"))
    return [scene for scene in every if scene.object != "nothing"][:count]


def grown(k, asked, side, steps=25):
    """Return the Result of a picture's width more on a side, named by its place."""
    named = sentences([Scene("nothing", place=s.place, seed=s.seed) for s in asked])
    runs = [Params(text, seed=n % 2, steps=steps) for n, text in enumerate(named)]
    before = [Image.fromarray(render(scene).image) for scene in asked]
    return outpaint(k, runs, image=before, progress=False, **{side: 64})


def read(asked, drawn, side):
    """Return whether the thing is still there, and whether the new part shows its place."""
    old = {"left": (64, 0), "top": (0, 64)}.get(side, (0, 0))
    new = {"right": (64, 0), "bottom": (0, 64)}.get(side, (0, 0))
    here, there = (
        judge.read([one.crop((x, y, x + 64, y + 64)) for one in drawn]) for x, y in (old, new)
    )
    stays = [r.object == scene.object for r, scene in zip(here, asked, strict=True)]
    goes_on = [r.place == scene.place for r, scene in zip(there, asked, strict=True)]
    return stays, goes_on


def test_the_thing_stays_and_its_place_goes_on():
    asked = scenes_of(2)
    drawn = grown(load("mini-2.2", device="cpu"), asked, "right", steps=10)
    stays, goes_on = read(asked, drawn, "right")
    assert all(stays) and sum(goes_on) >= 1
    assert all(row["kept"] == 1 for row in drawn.proof)


@pytest.mark.slow
def test_every_side_goes_on_with_its_place():
    k, asked, edges = load("mini-2.2", device="cpu"), scenes_of(64), []
    for side in SIDES:
        drawn = grown(k, asked, side)
        stays, goes_on = read(asked, drawn, side)
        edge = [row["edge"] for row in drawn.proof if row["edge"] is not None]
        print(
            f"{side}: object {np.mean(stays):.3f}, place {np.mean(goes_on):.3f}, "
            f"edge {np.median(edge):.2f}"
        )
        assert np.mean(stays) >= 0.95 and np.mean(goes_on) >= 0.85
        edges += edge
    # Downwards a sky begins below the ground, which no join can hide: 3.2 there.
    assert np.median(edges) <= 2.2
