"""Latents: seen and changed at each step, and given back finished, as floats, too."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

import kandi_nb as kn
from kandi_nb.words.errors import KandiError, collected_warnings
from kandi_nb.words.params import Params

FEW = Params("a red fox", steps=4, prior_steps=2, seed=7, count=2)
RED = Image.new("RGB", (64, 64), "red")
MASK = np.pad(np.full((32, 32), 255, np.uint8), 16)
TASKS = {
    "generate": lambda k, **more: kn.generate(k, FEW, **more),
    "edit": lambda k, **more: kn.edit(k, FEW.replace(strength=1.0), image=RED, **more),
    "inpaint": lambda k, **more: kn.inpaint(k, FEW, image=RED, mask=MASK, **more),
}


def far(a, b):
    return np.abs(a.arrays().astype(int) - b.arrays()).max()


@pytest.mark.parametrize("task", TASKS)
def test_every_step_is_seen_the_last_one_too_and_looking_changes_nothing(task, tiny_roles):
    seen = []
    looked = TASKS[task](tiny_roles, on_step=lambda *step: seen.append(step))
    assert [step for step, _, _ in seen] == [0, 1, 2, 3]
    times = [t for _, t, _ in seen]
    assert times == sorted(times, reverse=True) and all(type(t) is int for t in times)
    assert {tuple(latents.shape) for _, _, latents in seen} == {(2, 4, 8, 8)}
    assert far(looked, TASKS[task](tiny_roles)) == 0
    assert "on_step" not in looked.options


def test_what_it_gives_back_is_worked_on(tiny_roles):
    seen = []

    def stepped(step, timestep, latents):
        seen.append(latents)
        return torch.zeros_like(latents) if step == 1 else None

    changed = kn.generate(tiny_roles, FEW, on_step=stepped)
    assert far(changed, kn.generate(tiny_roles, FEW)) > 0
    one, other = kn.generate(
        tiny_roles, FEW, on_step=lambda step, t, latents: torch.zeros_like(latents)
    ).arrays()
    assert (one == other).all(), "the last step's word is final"
    assert changed.options["on_step"] is True
    with collected_warnings() as said:
        kn.replay(changed[0], tiny_roles)
    assert any("on_step" in line for line in said), "a recipe cannot repeat it"


@pytest.mark.parametrize(
    ("on_step", "says"),
    [
        (3, "on_step is a function of step, timestep and latents"),
        (lambda step, t, latents: latents[:1], "on_step returns latents of shape"),
        (lambda step, t, latents: {"latents": latents}, "on_step returns latents of shape"),
        (lambda step, t, latents: latents * float("nan"), "not made of finite numbers"),
    ],
)
def test_what_cannot_be_worked_on_is_one_line(tiny_roles, on_step, says):
    with pytest.raises(KandiError, match=says):
        kn.generate(tiny_roles, FEW, on_step=on_step)
    assert len(kn.generate(tiny_roles, FEW)) == 2


def test_the_steps_are_those_of_the_plain_pipeline(tiny_roles):
    """Latents after each step equal those that diffusers hands to its own callback."""
    ours, theirs = [], []
    params = FEW.replace(count=1)
    kn.generate(tiny_roles, params, on_step=lambda s, t, latents: ours.append((t, latents)))
    embedding = kn.embed(tiny_roles, params).tensor
    pipeline = tiny_roles.decoder

    def ended(pipe, step, t, tensors):
        theirs.append((int(t), tensors["latents"]))
        return tensors

    pipeline(
        image_embeds=embedding,
        negative_image_embeds=tiny_roles.prior.get_zero_embed(),
        num_inference_steps=params.steps,
        guidance_scale=params.guidance,
        generator=torch.Generator().manual_seed(params.seed),
        width=64, height=64, callback_on_step_end=ended,
    )  # fmt: skip
    assert [t for t, _ in ours] == [t for t, _ in theirs]
    for (_, a), (_, b) in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_a_result_has_its_latents_and_its_pixels_before_rounding(tiny_roles, tmp_path):
    last = []
    result = kn.generate(tiny_roles, FEW, on_step=lambda step, t, latents: last.append(latents))
    assert torch.equal(result.latents(), last[-1])
    floats = result.floats()
    assert floats.dtype == np.float32 and floats.shape == (2, 64, 64, 3)
    assert floats.min() >= 0 and floats.max() <= 1
    assert np.abs(floats * 255 - result.arrays()).max() <= 0.51, "rounded, nothing else"
    assert (floats * 255 != np.round(floats * 255)).mean() > 0.9
    assert np.allclose(result[1:].floats(), floats[1:], atol=1e-6)
    (path,) = result[:1].save(tmp_path)
    assert b"kandi_nb latents" not in path.read_bytes()


def test_latents_do_not_keep_a_model_and_travel_without_it(tiny_folder):
    k = kn.load(tiny_folder, device="cpu")
    result = kn.generate(k, FEW.replace(count=1))
    again = pickle.loads(pickle.dumps(result))
    assert torch.equal(again.latents(), result.latents())
    movq = weakref.ref(k.decoder.movq)
    del k
    gc.collect()
    assert movq() is None, "a Result keeps no network in memory"
    for each in (result, again):
        with pytest.raises(KandiError, match="the model that drew this is gone"):
            each.floats()


@pytest.mark.parametrize(
    "made",
    [
        lambda k: TASKS["edit"](k),
        lambda k: TASKS["inpaint"](k),
        lambda k: kn.colours(TASKS["generate"](k), contrast=2.0),
    ],
)
def test_what_is_more_than_was_decoded_says_so(tiny_roles, made):
    result = made(tiny_roles)
    for read in (result.latents, result.floats):
        with pytest.raises(KandiError, match="no longer what the model decoded"):
            read()


def test_the_prior_starts_from_noise_that_is_given(tiny_roles, tmp_path):
    params = FEW.replace(count=1)
    noise = torch.randn(2, 32, generator=torch.Generator().manual_seed(3))
    both = kn.generate(tiny_roles, params, prior_latents=noise)
    assert len(both) == 2 and far(both[:1], both[1:]) > 0
    theirs = tiny_roles.prior(
        [params.prompt],
        num_inference_steps=params.prior_steps,
        guidance_scale=params.prior_guidance,
        generator=[torch.Generator().manual_seed(params.prior_seed)],
        latents=noise[:1].clone(),
    ).image_embeds
    plain = kn.generate(tiny_roles, kn.Params(steps=4, seed=7), embedding=theirs)
    assert far(both[:1], plain) <= 1, "as the pipeline takes them"
    assert far(kn.generate(tiny_roles, params), both[:1]) > 0
    (path,) = both[:1].save(tmp_path)
    with collected_warnings() as said:
        assert far(kn.replay(path, tiny_roles), both[:1]) <= 1 and not said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"prior_latents": torch.randn(1, 5)}, "32"),
        ({"prior_latents": torch.full((1, 32), float("nan"))}, "finite"),
        ({"prior_latents": torch.randn(3, 32), "prompts": ["a", "b"]}, "3 rows for 4 pictures"),
        ({"prior_latents": torch.randn(1, 32), "embedding": torch.randn(1, 32)}, "one of the"),
    ],
)
def test_noise_that_does_not_fit_is_one_line(tiny_roles, more, says):
    with pytest.raises(KandiError, match=says):
        kn.generate(tiny_roles, FEW, **more)


@pytest.mark.parametrize("scheduler", [None, "ddim", "dpm++", "lcm"])
def test_one_step_draws_where_the_scheduler_can(tiny_roles, scheduler):
    seen = []
    k = tiny_roles.with_scheduler(scheduler)
    result = kn.generate(k, FEW.replace(steps=1), on_step=lambda *step: seen.append(step[0]))
    assert seen == [0] and result.params[0].steps == 1
    assert result.arrays().std() > 0
    with pytest.raises(KandiError, match="prior_steps must be from 2"):
        FEW.replace(prior_steps=1)
    with pytest.raises(KandiError, match="guidance must be from 1"):
        FEW.replace(guidance=0.5)
