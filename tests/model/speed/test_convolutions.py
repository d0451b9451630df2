"""Small convolutions without oneDNN: the same numbers, and only where it was measured."""

from __future__ import annotations

import pytest
import torch
from torch.nn import Conv2d, Sequential

from kandi_nb import load
from kandi_nb.model.speed import convolutions
from kandi_nb.model.speed.convolutions import MOST_NUMBERS, ease


@pytest.fixture(autouse=True)
def x86(monkeypatch):
    """These tests say what is done on such a processor, wherever they run."""
    monkeypatch.setattr(convolutions.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)


@pytest.fixture
def taken(monkeypatch):
    """Say of each input whether a model's own rule convolves it the plain way."""
    calls = []
    real = torch.ops.aten.thnn_conv2d

    def spy(*arguments):
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(torch.ops.aten, "thnn_conv2d", spy)

    def ask(model: torch.nn.Module, *inputs: torch.Tensor) -> list[bool]:
        found = []
        for given in inputs:
            calls.clear()
            model(given)
            found.append(bool(calls))
        return found

    return ask


def is_eased(part: torch.nn.Module) -> bool:
    return type(part) is not Conv2d


@pytest.mark.parametrize(
    "settings",
    [{}, {"padding": 1}, {"stride": 2, "padding": (1, 0)}, {"bias": False}, {"stride": (1, 2)}],
    ids=str,
)
def test_the_numbers_stay_and_so_do_the_gradients(settings, taken):
    torch.manual_seed(0)
    usual = Conv2d(6, 10, 3, **settings)
    eased = Conv2d(6, 10, 3, **settings)
    eased.load_state_dict(usual.state_dict())
    ease(eased)
    assert is_eased(eased)
    given = torch.randn(2, 6, 8, 9)
    one, other = usual(given), eased(given)
    assert taken(eased, given) == [True]
    assert one.shape == other.shape
    assert torch.allclose(one, other, atol=1e-5)
    for model, made in ((usual, one), (eased, other)):
        made.square().sum().backward()
        assert model.weight.grad.abs().max() > 0
    assert torch.allclose(usual.weight.grad, eased.weight.grad, rtol=1e-4, atol=1e-3)
    for model in (usual, eased):  # as a transposed input comes out of an attention
        model.zero_grad()
        turned = given.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        model(turned).square().sum().backward()
    assert torch.allclose(usual.weight.grad, eased.weight.grad, rtol=1e-4, atol=1e-3)


def test_only_few_numbers_in_single_precision_go_the_plain_way(taken):
    model = Conv2d(8, 8, 3, padding=1)
    ease(model)
    side = int((MOST_NUMBERS / (2 * 8 * 9)) ** 0.5)
    small, large = torch.zeros(2, 8, side, side), torch.zeros(2, 8, side + 1, side + 1)
    assert taken(model, small, large) == [True, False]
    assert model(small[0]).shape == (8, side, side)  # without a batch, as before
    model.double()
    assert taken(model, small.double()) == [False]


def test_what_is_not_a_plain_convolution_stays():
    class Own(Conv2d):
        pass

    parts = (
        Own(4, 4, 3),
        Conv2d(4, 4, 3, groups=2),
        Conv2d(4, 4, 3, dilation=2),
        Conv2d(4, 4, 3, padding="same"),
        Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    )
    classes = [type(part) for part in parts]
    model = Sequential(*parts)
    ease(model)
    assert [type(part) for part in model] == classes


def test_other_processors_devices_and_builds_stay(monkeypatch):
    model = Conv2d(4, 4, 3)
    ease(model, "cuda:0")
    with monkeypatch.context() as other:
        other.setattr(convolutions.platform, "machine", lambda: "arm64")
        ease(model)
    with monkeypatch.context() as other:
        other.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        ease(model)
    assert not is_eased(model)
    ease(model)
    assert is_eased(model)


def test_loaded_models_are_eased_and_can_be_saved(tmp_path):
    k = load("mini-2.2", device="cpu")
    names = set(k.decoder.unet.state_dict())
    assert is_eased(k.decoder.unet.conv_in)
    assert not is_eased(k.decoder.movq.encoder.conv_in)  # pixels are many
    k.decoder.unet.save_pretrained(tmp_path)
    again = type(k.decoder.unet).from_pretrained(tmp_path)
    assert set(again.state_dict()) == names
    assert not any(is_eased(p) for p in again.modules() if isinstance(p, Conv2d))


def test_a_hint_is_read_once_until_it_changes():
    unet = depth_unet()
    calls = []
    unet.add_embedding.input_hint_block[0].register_forward_hook(lambda *_: calls.append(1))
    hint = torch.zeros(2, 3, 64, 64)
    usual = draw_step(unet, hint)
    calls.clear()
    ease(unet)
    with torch.no_grad():
        first = draw_step(unet, hint)
        again = draw_step(unet, hint)
        assert len(calls) == 1
        assert torch.equal(first, again)
        assert torch.allclose(first, usual, atol=1e-5)
        hint.fill_(1)  # into the same tensor
        other = draw_step(unet, hint)
    assert len(calls) == 2
    assert not torch.allclose(first, other, atol=1e-4)
    draw_step(unet, hint)
    assert len(calls) == 3  # with gradients nothing is remembered


def depth_unet():
    from diffusers import UNet2DConditionModel

    from kandi_nb.mini import names

    return UNet2DConditionModel.from_pretrained(names.WEIGHTS / names.DEPTH, subfolder="unet")


def draw_step(unet, hint):
    draw = torch.Generator().manual_seed(0)
    embeds = torch.randn(2, unet.config.encoder_hid_dim, generator=draw)
    return unet(
        torch.randn(2, 4, 8, 8, generator=draw),
        500,
        encoder_hidden_states=None,
        added_cond_kwargs={"image_embeds": embeds, "hint": hint},
    ).sample
