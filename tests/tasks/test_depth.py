"""Depth: pictures follow a map, whoever gives it, and photographs get one."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from calls import StopAt
from PIL import Image

import kandi_nb
from kandi_nb.mini import judge
from kandi_nb.mini.evaluation.inpaint import _covered_pixels
from kandi_nb.mini.evaluation.text import sentences
from kandi_nb.mini.world.render import render
from kandi_nb.mini.world.scenes import Scene, scenes
from kandi_nb.model.loading.load import load
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.depth import _usual_size, depth_of
from kandi_nb.tasks.edit import edit
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.replay import replay
from kandi_nb.words.errors import Cancelled, KandiError
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=3, prior_steps=2)
TOLERANCE = 2  # of 255


def ramp(width=64, height=64, turned=False):
    """A map whose lower (or right) end is near."""
    line = np.linspace(0, 255, width if turned else height).astype(np.uint8)
    across = line[None] if turned else line[:, None]
    return np.broadcast_to(across, (height, width)).copy()


def photo(width=64, height=64, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def apart(a, b) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


# Maps in, whatever holds one


def test_every_kind_of_map_is_read_alike(tiny_roles, tmp_path):
    import torch

    values = ramp()
    Image.fromarray(values).save(tmp_path / "near.png")
    deep = Image.fromarray(values.astype(np.uint16) * 257)
    kinds = [values, values / 255, torch.tensor(values)[None], Image.fromarray(values), deep]
    kinds += [Image.fromarray(values).convert("RGB"), tmp_path / "near.png"]
    drawn = generate(tiny_roles, QUICK, depth=kinds, progress=False)
    assert len(drawn) == len(kinds)
    assert all(apart(picture, drawn[0]) <= TOLERANCE for picture in drawn)
    assert drawn.recipes[-1]["inputs"]["depth"]["file"] == "near.png"


def test_near_and_far_make_a_difference(tiny_roles):
    draw = partial(generate, tiny_roles, QUICK)
    near, far = draw(depth=ramp())[0], draw(depth=255 - ramp())[0]
    assert apart(near, far) > 0 and apart(near, draw()[0]) > 0


def test_a_picture_has_the_aspect_of_its_map(tiny_roles):
    draw = partial(generate, tiny_roles, QUICK)
    assert draw(depth=ramp(300, 150))[0].size == (128, 64)
    assert draw(depth=ramp(40, 80))[0].size == (64, 128)
    assert draw(depth=ramp(70, 64))[0].size == (64, 64)
    wide = draw(depth=ramp(300, 100))
    again = generate(tiny_roles, wide.params, depth=ramp(300, 100))
    assert again[0].size == wide[0].size == (128, 64), "what was used, again"
    given = generate(tiny_roles, QUICK.replace(width=192), depth=ramp(300, 100))
    assert given[0].size == (192, 64)


def test_published_models_draw_the_aspects_of_photographs():
    for aspect in (1, 4 / 3, 3 / 4, 3 / 2, 16 / 9, 2, 0.5):
        width, height = _usual_size(aspect, 512)
        assert width % 64 == height % 64 == 0 and 0.5 <= width * height / 512**2 <= 2
        assert width / height == pytest.approx(aspect, rel=0.05)


def test_a_batch_of_different_maps_equals_its_singles(tiny_roles):
    maps = [ramp(), ramp(turned=True), ramp(128, 64)]
    runs = [QUICK.replace(prompt=p, seed=n) for n, p in enumerate("abc")]
    batch = generate(tiny_roles, runs, depth=maps)
    for n, picture in enumerate(batch):
        assert apart(picture, generate(tiny_roles, runs[n], depth=maps[n])[0]) <= TOLERANCE
    assert len(generate(tiny_roles, QUICK.replace(count=2), depth=maps)) == 6


def test_an_embedding_goes_along_a_map_as_well(tiny_roles):
    embedding = kandi_nb.embed(tiny_roles, "a red fox")
    bare = Params(steps=3)
    drawn = generate(tiny_roles, bare, depth=ramp(), embedding=embedding)
    assert list(drawn.recipes[0]["inputs"]) == ["depth", "embedding"]
    assert apart(drawn[0], generate(tiny_roles, bare, embedding=embedding)[0]) > 0


def test_without_guidance_a_map_is_followed_in_the_models_own_number_format(tiny_roles_folder):
    k = load(tiny_roles_folder, device="cpu", dtype="bfloat16")
    free = QUICK.replace(guidance=1)
    assert apart(*(generate(k, free, depth=map_)[0] for map_ in (ramp(), 255 - ramp()))) > 0


def test_a_stop_and_previews_reach_the_pipeline(tiny_roles):
    seen = []
    draw = partial(generate, tiny_roles, QUICK, depth=ramp())
    draw(on_preview=lambda pictures, step: seen.append(step))
    assert seen == [1, 2]
    with pytest.raises(Cancelled):
        draw(stop=StopAt(2))
    assert len(draw()) == 1, "the model stays usable"


# Editing along a map


def test_an_edit_follows_its_map(tiny_roles):
    redraw = partial(edit, tiny_roles, QUICK.replace(strength=1), image=photo(90, 50))
    maps = [ramp(90, 50), ramp(90, 50, turned=True)]
    one, other = redraw(depth=maps)
    assert one.size == (90, 50) and apart(one, other) > 0
    assert apart(one, redraw(depth=maps[0])[0]) <= TOLERANCE, "a batch equals its singles"
    assert list(redraw(depth=maps[0]).revision) == ["prior", "depth"]


@pytest.mark.parametrize("task", ["generate", "edit"])
def test_one_file_alone_is_enough_for_a_replay(tiny_roles, tmp_path, task):
    inputs = {"depth": ramp(90, 50)} | ({"image": photo(90, 50)} if task == "edit" else {})
    drawn = getattr(kandi_nb, task)(tiny_roles, QUICK, **inputs)
    (path,) = drawn.save(tmp_path)
    assert set(recipe(path)["inputs"]) == inputs.keys()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = replay(path, tiny_roles)
    assert apart(again[0], drawn[0]) <= TOLERANCE and again.recipes == drawn.recipes


# Bad input


BROKEN = ramp() / 255
BROKEN[3, 3] = np.nan


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        ([], "depth is an empty list"),
        (np.full((64, 64), 7, np.uint8), "the depth map is 7 everywhere"),
        (np.zeros((64, 64)), "the depth map is 0 everywhere"),
        (ramp() * 1.0, "depth holds floats from 0 to 255; bring them to 0…1"),
        (ramp() / 255 - 0.5, "depth holds floats from -0.5"),
        (BROKEN, "depth holds NaN, which is no number, at 1 of 4,096"),
        (ramp().astype(int) - 5, "depth holds int64 from -5"),
        (np.zeros((3, 64, 64)), r"a depth is an array \[height, width\]"),
        (photo(), "a depth is grey, near = white, and this picture has colours"),
        (Image.new("LA", (64, 64)), "a depth of mode LA with transparent parts has no depth"),
        ("none.png", "depth none.png does not exist"),
        (7, "depth takes a path"),
        ([ramp(), ramp(), ramp()], "generate got 2 of params, 3 of depth"),
    ],
)
def test_bad_maps_are_one_line(tiny_roles, monkeypatch, depth, words):
    monkeypatch.setattr(type(tiny_roles), "alone", lambda *_: pytest.fail("too late"))
    with pytest.raises(KandiError, match=words) as caught:
        generate(tiny_roles, [QUICK, QUICK.replace(seed=1)], depth=depth)
    assert "\n" not in str(caught.value)


def test_a_map_of_another_size_is_refused(tiny_roles):
    wide = QUICK.replace(width=128, height=64)
    with pytest.raises(KandiError, match="has 64 × 64 pixels, the picture 128 × 64; leave"):
        generate(tiny_roles, wide, depth=ramp())
    with pytest.raises(KandiError, match=r"64 × 64 .* 90 × 50; make both .*resize\(\(90, 50"):
        edit(tiny_roles, QUICK, image=photo(90, 50), depth=ramp())


def test_a_model_without_the_role_says_which_have_it(tiny, tiny3_folder):
    for k in (tiny, load(tiny3_folder, device="cpu")):
        for call in (generate, partial(edit, image=photo())):
            with pytest.raises(KandiError, match="; models that can: mini-"):
                call(k, Params("a fox", steps=2), depth=ramp())


# The maps of photographs


@pytest.fixture(scope="module")
def estimator(tmp_path_factory):
    """A folder with a tiny random depth estimator of the published one's class."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_in_index=-1,
        is_hybrid=False,
        backbone_config=None,
    )
    folder = tmp_path_factory.mktemp("dpt")
    transformers.DPTForDepthEstimation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"image_processor_type": "DPTImageProcessor", "do_resize": true, "do_rescale": true, '
        '"do_normalize": true, "size": {"height": 32, "width": 32}}'
    )
    return folder


def test_a_photograph_gets_a_map_of_its_size(estimator, tiny_roles):
    depth = depth_of(photo(90, 50), model=estimator, device="cpu")
    assert depth.size == (90, 50) and depth.mode == "L"
    assert depth.getextrema() == (0, 255)
    assert depth_of(photo(90, 50), model=str(estimator), device="cpu") == depth
    assert len(generate(tiny_roles, QUICK, depth=depth)) == 1


def test_an_estimator_without_all_its_weights_is_refused(estimator, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(estimator, tmp_path / "dpt")
    weights = load_file(broken / "model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(KandiError, match="is no whole depth estimator, it lacks"):
        depth_of(photo(), model=broken)


def test_pickles_are_not_read(estimator, tmp_path):
    import shutil

    import torch
    from safetensors.torch import load_file

    pickled = shutil.copytree(estimator, tmp_path / "dpt")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(KandiError, match="cannot be loaded"):
        depth_of(photo(), model=pickled)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (None, "model is a folder or an id of the hub"),
        ("", "model is a folder or an id of the hub"),
        ("nowhere", "there is no folder nowhere"),
        ("a/b/c", "there is no folder a/b/c"),
        ("nobody/nothing-of-this-name", "cannot be loaded"),
    ],
)
def test_other_estimators_are_refused_in_one_line(model, words, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(KandiError, match=words) as caught:
        depth_of(photo(), model=model)
    assert "\n" not in str(caught.value)


def test_the_usual_estimator_is_asked_for_by_its_commit(monkeypatch):
    import transformers

    asked = []

    def refused(name, **named):
        asked.append((name, named["revision"]))
        raise OSError("offline")

    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", refused)
    with pytest.raises(KandiError, match="Intel/dpt-large cannot be loaded"):
        depth_of(photo())
    assert asked == [("Intel/dpt-large", "bc15f29")]


# What the pictures show


def followed(count):
    """Return how well silhouettes are followed, as the card reads it, but by `generate`."""
    asked = [
        replace(scene, style="plain", place="plain" if n % 2 else scene.place, headwear="none")
        for n, scene in enumerate(scenes(count, held_out=True, salt="depth"))
    ]
    real = [render(scene) for scene in asked]
    runs = [Params(text, seed=n % 2) for n, text in enumerate(sentences(asked))]
    k = load("mini-2.2", device="cpu")
    drawn = generate(k, runs, depth=[one.depth for one in real], progress=False)
    overlap = []
    for scene, picture, wanted in zip(asked, drawn, real, strict=True):
        if scene.place == "plain" and scene.colour not in ("white", "natural"):
            mine, theirs = _covered_pixels(np.asarray(picture)), wanted.silhouette > 127
            overlap.append((mine & theirs).sum() / (mine | theirs).sum())
    return float(np.mean(overlap)), judge.score(judge.read(drawn.images), asked)


def test_a_thing_stands_where_the_map_is_near():
    k = load("mini-2.2", device="cpu")
    wanted = render(Scene("cat", "blue", "plain", seed=3))
    drawn = generate(k, Params("a blue cat", steps=10), depth=wanted.depth)
    mine, theirs = _covered_pixels(np.asarray(drawn[0])), wanted.silhouette > 127
    assert (mine & theirs).sum() / (mine | theirs).sum() > 0.6


@pytest.mark.slow
def test_silhouettes_are_followed_as_the_card_says():
    import json

    from kandi_nb.mini.names import DEPTH, WEIGHTS

    card = json.loads((WEIGHTS / "evaluation.json").read_text("utf-8"))[DEPTH]["figures"]
    overlap, scores = followed(200)
    print(f"IoU {overlap:.3f}, the card's {card['silhouette IoU']:.3f}; {scores}")
    assert overlap >= card["silhouette IoU"] - 0.02
