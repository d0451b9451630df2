"""docs/exact.md: each place where our pixels are not plain diffusers', and why."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import kandi_nb as kn
from kandi_nb.tasks.loop.conditions import text_states
from kandi_nb.tasks.loop.denoise import kept_cells, steps_taken

PAGE = Path(__file__).parents[2] / "docs" / "exact.md"
QUICK = kn.Params("a red fox", steps=2, prior_steps=2, seed=7, width=64, height=64)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def three(tiny3_folder):
    return kn.load(tiny3_folder, device="cpu")


def ours(k, params):
    return np.asarray(kn.generate(k, params, progress=False)[0], float)


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


def test_number_formats(tiny, tiny_folder):
    exact = ours(tiny, QUICK)
    half = kn.load(tiny_folder, device="cpu", dtype="bfloat16")
    with half.alone():
        told = half.prior(
            "a red fox", num_inference_steps=2, generator=seeded(QUICK.prior_seed)
        )
        plain = half.decoder(
            **told, height=64, width=64, num_inference_steps=2, generator=seeded()
        ).images[0]
    theirs = np.abs(np.asarray(plain, float) - exact).mean()
    assert theirs > 0
    assert np.abs(ours(half, QUICK) - exact).mean() < 2 * theirs + 0.5


def test_edit_of_2_1(tiny21_folder):
    import diffusers

    k = kn.load(tiny21_folder, device="cpu")
    plain = diffusers.KandinskyImg2ImgPipeline(**k.decoder.components)
    picture, noise = torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8)
    for t in (50, 100, 200):
        time = torch.tensor([t])
        level = (1 - plain.scheduler.alphas_cumprod[t]) ** 0.5
        own = plain.scheduler.add_noise(picture, noise, time)
        assert torch.allclose(own, level.expand_as(own)), "what the network is told"
        assert not torch.allclose(plain.add_noise(picture, noise, time), own, atol=0.01)


def test_negative_texts_of_3(three):
    pipeline, long = three.decoder, "a very long list of what is not wanted"
    with three.alone():
        told = text_states(pipeline, ["fox"], [long], True)
        whole, _, mask, _ = pipeline.encode_prompt(
            [long], False, device="cpu", _cut_context=True
        )
        _, cut, _, _ = pipeline.encode_prompt(
            ["fox"], True, device="cpu", negative_prompt=[long], _cut_context=True
        )
        nothing = text_states(pipeline, ["fox"], [""], True)
        without = text_states(pipeline, ["fox"], None, True)
        _, said, _, _ = pipeline.encode_prompt(
            ["fox"], True, device="cpu", negative_prompt=[""], _cut_context=True
        )
    count = int(mask.sum())
    read = told["encoder_hidden_states"][0, :count]
    assert torch.allclose(read, whole[0, :count], atol=1e-5), "as a prompt"
    assert cut.shape[1] < count, "plain diffusers cuts it"
    for name, value in without.items():
        assert torch.equal(nothing[name], value), "nothing is nothing"
    assert said.abs().sum() > 0, "plain diffusers reads a token"


def test_guidance_of_3_up_to_2(three):
    one, more = (ours(three, QUICK.replace(guidance=g)) for g in (1.0, 1.9))
    assert np.abs(one - more).max() > 1
    with three.alone():
        plain = [
            np.asarray(
                three.decoder(
                    "a red fox",
                    guidance_scale=g - 1,
                    num_inference_steps=2,
                    width=64,
                    height=64,
                    generator=seeded(),
                ).images[0],
                float,
            )
            for g in (1.0, 1.9)
        ]
    assert np.abs(plain[0] - plain[1]).max() == 0, "switched off"
    assert np.abs(plain[0] - one).max() <= 1


def test_negative_texts_of_2(tiny):
    rows = []
    for negative in (None, "grey"):
        k_params = QUICK.replace(negative=negative)
        rows.append(kn.embed(tiny, k_params).tensor)
    assert torch.equal(*rows)
    with tiny.alone():
        plain = [
            tiny.prior(
                "a red fox",
                num_inference_steps=2,
                generator=seeded(),
                **({"negative_prompt": negative} if negative else {}),
            ).image_embeds
            for negative in (None, "grey")
        ]
    assert not torch.allclose(*plain, atol=1e-4)


def test_masks():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 3, :] = 1  # a stroke of one pixel
    plain = torch.nn.functional.interpolate(mask, size=(8, 8), mode="nearest")
    assert plain.sum() == 0, "lost"
    assert (1 - kept_cells(mask, 8)).sum() == 8


def test_strength_times_steps(tiny):
    import diffusers

    plain = diffusers.KandinskyV22Img2ImgPipeline(**tiny.decoder.components)
    plain.scheduler.set_timesteps(100)
    assert len(plain.get_timesteps(100, 0.29, "cpu")[0]) == 28
    assert steps_taken(100, 0.29) == 29
    for steps in range(1, 101):
        for percent in range(1, 101):
            expected = max(1, steps * percent // 100)
            assert steps_taken(steps, percent / 100) == expected


ROWS = {
    "float16, bfloat16": test_number_formats,
    "edit with 2.1": test_edit_of_2_1,
    "3 with a negative text": test_negative_texts_of_3,
    '3 with a negative text `""`': test_negative_texts_of_3,
    "3 with 1 < guidance ≤ 2": test_guidance_of_3_up_to_2,
    "2.x with a negative text": test_negative_texts_of_2,
    "masks of inpaint, outpaint": test_masks,
    "strength × steps just below a whole number": test_strength_times_steps,
}


def test_the_page_has_a_row_a_test_and_who_says_exact_says_float32():
    from kandi_nb.model.loading.speeds import SPEEDS

    rows = re.findall(r"^\| (?!---)(.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows[1:] == list(ROWS)
    pages = [PAGE.parents[1] / "README.md", PAGE.with_name("calls.md")]
    for text in (kn.load.__doc__, SPEEDS["exact"], *(p.read_text("utf-8") for p in pages)):
        place = text.index("of plain diffusers")
        around = text[max(0, place - 60) : place + 200]
        assert "float32" in around and "exact.md" in around
