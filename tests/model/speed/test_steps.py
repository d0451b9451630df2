"""What is constant over the steps, computed once: the pixels stay those of diffusers."""

from __future__ import annotations

import inspect
import threading

import diffusers
import numpy as np
import pytest
import torch

from kandi_nb.model.find import find
from kandi_nb.model.loading.load import load
from kandi_nb.model.quiet import quiet
from kandi_nb.model.speed.conditioning_cache import ConditioningCache, cached_conditioning
from kandi_nb.model.speed.prior_kv_cache import kv_cached_texts
from kandi_nb.tasks.edit import edit
from kandi_nb.tasks.generate import generate
from kandi_nb.words.errors import Cancelled
from kandi_nb.words.params import Params

STEPS = 3
QUICK = Params("a red fox", steps=STEPS, prior_steps=STEPS, seed=7, width=64, height=64)
# One setting for every family: the third has no prior.
pytestmark = pytest.mark.filterwarnings(r"ignore:\w+ with tiny3\d+/ does not use prior_steps")
FAMILIES = ["tiny_folder", "tiny21_folder", "tiny3_folder"]


class Plain:
    """Diffusers' own pipelines on the files of a folder, as guides call them."""

    def __init__(self, folder):
        known, folders = find(folder)
        with quiet():
            self.pipelines = {
                role: getattr(diffusers, known.roles[role].pipeline).from_pretrained(
                    folders[role]
                )
                for role in known.ids
            }
        for pipeline in self.pipelines.values():
            pipeline.set_progress_bar_config(disable=True)

    def draw(self, params, scheduler=None):
        decoder = self.pipelines["decoder"]
        told = {"guidance_scale": params.guidance - 1}
        if "prior" in self.pipelines:
            embeddings = self.pipelines["prior"](
                params.prompt,
                num_inference_steps=params.prior_steps,
                guidance_scale=params.prior_guidance,
                generator=torch.Generator().manual_seed(params.prior_seed),
            )
            told = {
                "guidance_scale": params.guidance,
                "image_embeds": embeddings.image_embeds,
                "negative_image_embeds": embeddings.negative_image_embeds,
            }
        if "prompt" in inspect.signature(type(decoder).__call__).parameters:
            told["prompt"] = params.prompt
        usual = decoder.scheduler
        decoder.scheduler = scheduler or usual
        try:
            return decoder(
                **told,
                num_inference_steps=params.steps,
                width=params.width,
                height=params.height,
                generator=torch.Generator().manual_seed(params.seed),
            ).images[0]
        finally:
            decoder.scheduler = usual


@pytest.fixture(params=FAMILIES, scope="module")
def both(request):
    """A tiny model of each family in turn, and plain diffusers on its files."""
    folder = request.getfixturevalue(request.param)
    return load(folder, device="cpu"), Plain(folder)


def apart(one, other) -> int:
    """Return the largest difference of any two pixels, in 1/255."""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@pytest.fixture
def tables(monkeypatch):
    """List the runs in which tables were filled: without any, tests would say nothing."""
    filled, usual = [], ConditioningCache.fill

    def spy(self, *args, **named):
        filled.append(self)
        return usual(self, *args, **named)

    monkeypatch.setattr(ConditioningCache, "fill", spy)
    return filled


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (64, 192)], ids=str)
def test_pixels_are_those_of_plain_diffusers(both, tables, size):
    k, plain = both
    params = QUICK.replace(width=size[0], height=size[1])
    assert apart(generate(k, params, progress=False)[0], plain.draw(params)) <= 1
    assert len(tables) == 1


def test_a_batch_has_the_pixels_of_single_plain_runs(both, tables):
    k, plain = both
    runs = [
        QUICK.replace(prompt=text, seed=n) for n, text in enumerate(("a cat", "an owl", "x"))
    ]
    drawn = generate(k, runs, progress=False)
    assert len(tables) == 1, "all three were one batch"
    assert all(apart(one, plain.draw(run)) <= 1 for one, run in zip(drawn, runs, strict=True))


@pytest.mark.parametrize("name", ["DDIM", "DPMSolverMultistep", "DDPM"])
def test_other_schedulers_meet_the_same_numbers(both, name):
    k, plain = both
    light = k.with_scheduler(name)
    drawn = generate(light, QUICK, progress=False)[0]
    assert apart(drawn, plain.draw(QUICK, light.decoder.scheduler)) <= 1


def test_previews_do_not_change_the_picture(both):
    k, plain = both
    seen = []
    drawn = generate(
        k, QUICK, preview=1, on_preview=lambda pictures, n: seen.append(n), progress=False
    )
    assert seen == [1, 2]
    assert apart(drawn[0], plain.draw(QUICK)) <= 1


def test_who_looks_into_a_layer_sees_every_step(both, tables):
    """A hook on a layer gets the usual way, in which that layer is called at each step."""
    k, plain = both
    layer = k.decoder.unet.time_embedding.linear_1
    seen = []
    hook = layer.register_forward_hook(lambda *_: seen.append(1))
    try:
        drawn = generate(k, QUICK, progress=False)[0]
    finally:
        hook.remove()
    assert len(seen) == STEPS and not tables
    assert apart(drawn, plain.draw(QUICK)) <= 1


def test_a_hook_on_the_whole_unet_costs_nothing(both, tables):
    k, plain = both
    seen = []
    hook = k.decoder.unet.register_forward_hook(lambda *_: seen.append(1))
    try:
        drawn = generate(k, QUICK, progress=False)[0]
    finally:
        hook.remove()
    assert len(seen) == STEPS and len(tables) == 1
    assert apart(drawn, plain.draw(QUICK)) <= 1


def test_after_a_cancelled_run_the_next_is_whole(both):
    k, plain = both
    stop = threading.Event()
    with pytest.raises(Cancelled):
        generate(
            k,
            QUICK.replace(prompt="an owl"),
            on_preview=lambda *_: stop.set(),
            progress=False,
            stop=stop,
        )
    steps = k.decoder.unet.conditioning
    assert steps.timesteps is None and steps.rows is None, "nothing of the run is kept"
    assert apart(generate(k, QUICK, progress=False)[0], plain.draw(QUICK)) <= 1


def test_six_threads_draw_what_one_does(both):
    k, plain = both
    runs = [QUICK.replace(prompt=f"picture {n}", seed=n) for n in range(6)]
    drawn = {}

    def draw(run):
        drawn[run.seed] = generate(k, run, progress=False)[0]

    threads = [threading.Thread(target=draw, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 6
    assert all(apart(drawn[run.seed], plain.draw(run)) <= 1 for run in runs[::5])


def test_the_model_outside_of_tasks_is_that_of_diffusers(both):
    """A pipeline of ours, called by hand, goes its usual way, and saves under its own name."""
    k, plain = both
    unet, other = k.decoder.unet, plain.pipelines["decoder"].unet
    assert type(unet).__name__ == type(other).__name__
    assert unet.state_dict().keys() == other.state_dict().keys()
    plain.pipelines["decoder"].unet = unet
    try:
        by_hand = plain.draw(QUICK)
    finally:
        plain.pipelines["decoder"].unet = other
    assert apart(by_hand, plain.draw(QUICK)) <= 1


def test_edits_are_told_the_later_steps_alone(tiny, tables):
    picture = generate(tiny, QUICK, progress=False)[0]
    params = QUICK.replace(strength=0.5, width=None, height=None)
    quick = edit(tiny, params, image=picture, progress=False)[0]
    assert len(tables) == 2
    hook = tiny.decoder.unet.conv_in.register_forward_hook(lambda *_: None)
    try:
        usual = edit(tiny, params, image=picture, progress=False)[0]
    finally:
        hook.remove()
    assert len(tables) == 2, "with somebody looking on there is no table"
    assert apart(quick, usual) <= 1


def test_calls_apart_take_the_usual_way(tiny):
    """As windows of a canvas do, whose rows differ from call to call."""
    with cached_conditioning(tiny.decoder.unet, torch.tensor([500]), apart=True) as begin:
        begin(0)
        assert tiny.decoder.unet.conditioning.timesteps is None


def test_gradients_take_the_usual_way(tiny, tables):
    unet = tiny.decoder.unet
    sample = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    told = {
        "encoder_hidden_states": None,
        "added_cond_kwargs": {"image_embeds": torch.ones(2, 32)},
    }
    with cached_conditioning(unet, torch.tensor([500])) as begin:
        begin(0)
        made = unet(sample, torch.tensor(500), **told).sample
    assert made.requires_grad and not tables


def test_the_prior_reads_texts_once(tiny, monkeypatch):
    prior, seen = tiny.prior.prior, []
    usual = type(prior.transformer_blocks[0].norm1).forward

    def spy(self, rows):
        seen.append(rows.shape[1])
        return usual(self, rows)

    with monkeypatch.context() as watched:
        watched.setattr(type(prior.transformer_blocks[0].norm1), "forward", spy)
        tiny.forget()
        generate(tiny, QUICK, progress=False)
    # The first call reads text and pooled text; then three places a step, two norms a layer.
    assert seen.count(3) >= 2 * STEPS and max(seen) > 3


def test_what_the_prior_remembers_ends_with_the_block(tiny):
    prior = tiny.prior.prior
    with kv_cached_texts(prior):
        assert prior.kv_cache.begun
    assert not prior.kv_cache.begun and prior.kv_cache.text is None
