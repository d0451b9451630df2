"""Whoever trains a quickened network by hand gets the gradients of the plain one."""

from __future__ import annotations

import functools

import pytest
import torch

from kandi_nb.model.loading.assemble import quicken
from kandi_nb.words.families import DENOISER

FOLDERS = {
    "tiny_roles_folder": ("kandinsky-2-2-decoder", "kandinsky-2-2-controlnet-depth"),
    "tiny21_folder": ("kandinsky-2-1",),
    "tiny3_folder": ("kandinsky-3",),
}


def told(config):
    """What a UNet is told beside latents and time, in numbers that differ."""
    from kandi_nb.model.plan.architecture import _conditions

    draw = functools.partial(torch.randn, generator=torch.Generator().manual_seed(1))
    conditions = _conditions(config, lambda *shape: draw(shape), 2, 77)
    if getattr(config, "addition_embed_type", None) == "image_hint":
        conditions["added_cond_kwargs"]["hint"] = draw((2, 3, 64, 64))
    return conditions


def gradients(network, sample):
    network(sample, 5, **told(network.config), return_dict=False)[0].square().mean().backward()
    return {n: w.grad for n, w in network.named_parameters() if w.grad is not None}


@pytest.mark.parametrize(
    ("fixture", "name"), [(f, name) for f, names in FOLDERS.items() for name in names]
)
def test_unets_give_the_gradients_of_plain_ones(request, fixture, name):
    import diffusers

    kind = "Kandinsky3UNet" if name == "kandinsky-3" else "UNet2DConditionModel"
    folder = request.getfixturevalue(fixture) / name / "unet"
    plain, quick = (getattr(diffusers, kind).from_pretrained(folder) for _ in range(2))
    quicken(DENOISER, quick, "cpu")
    plain.train(), quick.train()
    draw = torch.Generator().manual_seed(0)
    wide = torch.randn(2, 8, 8, plain.config.in_channels, generator=draw)
    # Transposed, as attention hands it on to the next convolution.
    sample = wide.permute(0, 3, 1, 2)[:, : 4 if "depth" in name else None]
    expected, ours = gradients(plain, sample), gradients(quick, sample)
    assert expected.keys() == ours.keys() and len(ours) > 20
    for place, one in expected.items():
        assert torch.allclose(one, ours[place], rtol=1e-3, atol=1e-6), place
