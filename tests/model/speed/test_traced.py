"""Recorded calls: the same pixels, for any prompt, and a new recording where it has to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kandi_nb.model.loading.load import load
from kandi_nb.model.speed.traced import can_record
from kandi_nb.tasks.generate import generate
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=2, prior_steps=2, seed=7, width=64, height=64)
# One setting for every family: the third has no prior.
pytestmark = pytest.mark.filterwarnings(r"ignore:\w+ with tiny3\d+/ does not use prior_steps")
FAMILIES = ["tiny_folder", "tiny21_folder", "tiny3_folder"]


def apart(one, other) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def drawn(k, params):
    return generate(k, params, progress=False)[0]


@pytest.fixture(params=FAMILIES, scope="module")
def both(request):
    """A tiny model of each family, as it is and traced."""
    k = load(request.getfixturevalue(request.param), device="cpu", speed="traced")
    return k.with_speed("exact"), k


def test_pixels_stay_for_another_prompt_seed_and_number_of_steps(both):
    exact, k = both
    # Of as many tokens, which is a part of what is recorded with Kandinsky 3.
    for params in (QUICK, QUICK.replace(prompt="a red owl", seed=1), QUICK.replace(steps=3)):
        assert apart(drawn(k, params), drawn(exact, params)) <= 1
    assert len(k.decoder.traced.kept) == 1, "one recording served all of them"
    assert exact.decoder.traced is None


def test_another_size_is_recorded_anew_and_few_are_kept(tiny_folder):
    k = load(tiny_folder, device="cpu", speed="traced")
    k.decoder.traced.kept.limit = 2
    for side in (64, 128, 192):
        params = QUICK.replace(width=side)
        assert apart(drawn(k, params), drawn(k.with_speed("exact"), params)) <= 1
    assert len(k.decoder.traced.kept) == 2


def test_changed_weights_are_seen(tiny_folder):
    """A recording reads the weights where they lie; a new one elsewhere makes a new one."""
    k = load(tiny_folder, device="cpu", speed="traced")
    exact = k.with_speed("exact")
    before = drawn(k, QUICK)
    unet = k.decoder.unet
    with torch.no_grad():
        unet.conv_out.weight.mul_(0.5)
    assert apart(drawn(k, QUICK), before) > 1, "changed in place"
    layers = [unet.conv_in, unet.mid_block.attentions[0].to_v, unet.conv_out]
    for layer in layers:  # of the first, the last, and one between
        seen = drawn(k, QUICK)
        layer.weight = torch.nn.Parameter(layer.weight.detach() * -3)
        assert apart(drawn(k, QUICK), drawn(exact, QUICK)) <= 1
        assert apart(drawn(k, QUICK), seen) > 1, "put elsewhere"
    unet.conv_in = type(unet.conv_in)(4, unet.conv_in.out_channels, 3, padding=1)
    assert apart(drawn(k, QUICK), drawn(exact, QUICK)) <= 1, "a whole layer"


def test_a_depth_map_and_adapters_are_not_recorded(tiny_roles):
    unet = tiny_roles.pipeline("depth").unet
    unet.conditioning.whole = {"aug_emb": (1, 2)}
    try:
        assert not can_record(unet)
    finally:
        unet.conditioning.clear()
    assert can_record(unet)
    foreign = type("LoraLayer", (torch.nn.Identity,), {"__module__": "peft.tuners.lora"})
    unet.extra = foreign()
    try:
        assert not can_record(unet)
    finally:
        del unet.extra
