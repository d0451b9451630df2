"""Folders laid out as the published checkpoints: other widths, shards, fp16, one path."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import conftest
import numpy as np
import pytest
from calls import refusal

from kandi_nb.model.loading.load import load
from kandi_nb.tasks.edit import edit
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.inpaint import inpaint
from kandi_nb.words.errors import KandiWarning
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=2, prior_steps=2, strength=1.0, width=64, height=64)
# As in the published ones, nothing is as wide as its neighbour: CLIP's embedding, XLM-R's or
# T5's states, and what the UNet attends to.
CLIP, STATES, CROSS = 24, 40, 32


@pytest.fixture(scope="module")
def published_2_2(tmp_path_factory) -> Path:
    """Prior, decoder and inpainting decoder of 2.2."""
    import diffusers

    root = tmp_path_factory.mktemp("published22")
    conftest._seeded()
    conftest._prior(root / "kandinsky-2-2-prior", "KandinskyV22PriorPipeline", CLIP)
    movq = conftest._movq()
    for name, channels in (("kandinsky-2-2-decoder", 4), ("kandinsky-2-2-decoder-inpaint", 9)):
        kind = "KandinskyV22InpaintPipeline" if channels == 9 else "KandinskyV22Pipeline"
        getattr(diffusers, kind)(
            unet=conftest._unet(
                in_channels=channels, encoder_hid_dim=CLIP, cross_attention_dim=CROSS
            ),
            scheduler=conftest._scheduler(),
            movq=movq,
        ).save_pretrained(root / name)
    return root


@pytest.fixture(scope="module")
def published_2_1(tiny21_folder, tmp_path_factory) -> Path:
    """Prior, decoder and inpainting decoder of 2.1, with a second scheduler beside."""
    import diffusers
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

    root = tmp_path_factory.mktemp("published21")
    conftest._seeded()
    conftest._prior(root / "kandinsky-2-1-prior", "KandinskyPriorPipeline", CLIP)
    tiny = diffusers.KandinskyPipeline.from_pretrained(tiny21_folder / "kandinsky-2-1")
    settings = tiny.text_encoder.config.to_dict() | {"hidden_size": STATES}
    settings |= {"transformerDimensions": STATES, "numDims": CLIP}
    encoder = MultilingualCLIP(MCLIPConfig(**settings)).eval()
    for name, channels in (("kandinsky-2-1", 4), ("kandinsky-2-1-inpaint", 9)):
        kind = "KandinskyInpaintPipeline" if channels == 9 else "KandinskyPipeline"
        getattr(diffusers, kind)(
            text_encoder=encoder,
            tokenizer=tiny.tokenizer,
            unet=conftest._unet(
                in_channels=channels,
                addition_embed_type="text_image",
                addition_embed_type_num_heads=2,
                encoder_hid_dim_type="text_image_proj",
                encoder_hid_dim=STATES,
                cross_attention_dim=CLIP,  # the class takes the picture's width from here
            ),
            scheduler=diffusers.DDIMScheduler(clip_sample=False),
            movq=tiny.movq,
        ).save_pretrained(root / name)
        conftest._scheduler().save_pretrained(root / name / "ddpm_scheduler")
    return root


@pytest.fixture(scope="module")
def published_3(tiny3_folder, tmp_path_factory) -> Path:
    """Kandinsky 3 in fp16 alone, its text encoder in shards."""
    import diffusers
    import torch
    import transformers

    root = tmp_path_factory.mktemp("published3")
    conftest._seeded()
    tiny = diffusers.Kandinsky3Pipeline.from_pretrained(tiny3_folder / "kandinsky-3")
    config = transformers.T5Config(
        **tiny.text_encoder.config.to_dict() | {"d_model": STATES, "num_layers": 2}
    )
    pipeline = diffusers.Kandinsky3Pipeline(
        tokenizer=tiny.tokenizer,
        text_encoder=transformers.T5EncoderModel(config).eval(),
        unet=diffusers.Kandinsky3UNet(
            time_embedding_dim=8,
            groups=2,
            attention_head_dim=4,
            layers_per_block=3,
            block_out_channels=(32, 64),
            cross_attention_dim=CROSS,
            encoder_hid_dim=STATES,
        ),
        scheduler=tiny.scheduler,
        movq=tiny.movq,
    ).to(torch.float16)
    pipeline.save_pretrained(root / "kandinsky-3", variant="fp16", max_shard_size="40KB")
    return root


@pytest.fixture(params=["published_2_1", "published_2_2", "published_3"])
def published(request):
    return request.getfixturevalue(request.param)


def quietly(task, k, params, **inputs):
    with warnings.catch_warnings():  # of settings that 3, or generate, has no use for
        warnings.simplefilter("ignore", KandiWarning)
        return task(k, params, progress=False, **inputs)


def test_each_loads_and_does_every_task(published):
    k = load(published, device="cpu", dtype="float32")
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    runs = [QUICK, QUICK.replace(prompt="a blue house behind trees", negative="grey")]
    for result in (
        quietly(generate, k, runs),
        quietly(edit, k, runs, image=picture),
        quietly(inpaint, k, runs, image=picture, mask=mask),
    ):
        assert result.arrays().shape == (2, 64, 64, 3)
        assert result.arrays().std() > 5, f"{result.task} drew one flat colour"
    assert (result.arrays()[:, mask == 0] == picture[mask == 0]).all()


def test_widths_are_not_alike(published_2_1, published_2_2, published_3):
    from kandi_nb.model.anatomy.anatomy import anatomy

    one, two, three = (
        next(row["takes"] for row in anatomy(load(folder)) if row["piece"] == "unet")
        for folder in (published_2_1, published_2_2, published_3)
    )
    assert f", {STATES}]" in one and f"image embedding [n, {CLIP}]" in one
    assert f"image embedding [n, {CLIP}]" in two and f"text states [n, 128, {STATES}]" in three


def test_fp16_is_read_in_shards_where_there_is_nothing_else(published_3):
    parts = {path.name for path in published_3.rglob("*.safetensors")}
    assert all(".fp16" in name for name in parts)
    assert any("-of-" in name for name in parts), "shards"
    k = load(published_3, device="cpu")
    assert k.spec.variant == "fp16" and not k.decoder.unet.conv_in.weight.is_meta


def test_a_variant_is_taken_where_it_is_asked_for(published_3, tiny3_folder, tmp_path):
    folder = tmp_path / "kandinsky-3"
    shutil.copytree(tiny3_folder / "kandinsky-3", folder)
    for name in ("unet", "movq", "text_encoder"):  # of another seed: to tell them apart
        for path in (folder / name).glob("*.safetensors"):
            shutil.copy(path, path.with_suffix(".other.safetensors"))
    assert load(folder, variant="other", device="cpu").spec.variant == "other"
    said = refusal(lambda: load(folder, variant="fp32"))
    assert "has no variant 'fp32' (it has: other); leave variant out" in said
    said = refusal(lambda: load(published_3, variant="bf16"))
    assert "has no variant 'bf16' (it has: fp16)" in said
    said = refusal(lambda: load(tiny3_folder, variant="fp16"))
    assert "(it has: none but the plain weights)" in said
    assert "variant is a word" in refusal(lambda: load(folder, variant=16))


@pytest.mark.parametrize("bare", [False, True])
def test_a_2_2_folder_given_as_2_1_is_named_as_what_it_is(
    bare, published_2_1, published_2_2, tmp_path
):
    shutil.copytree(published_2_1 / "kandinsky-2-1-prior", tmp_path / "kandinsky-2-1-prior")
    shutil.copytree(published_2_2 / "kandinsky-2-2-decoder", tmp_path / "kandinsky-2-1")
    said = refusal(lambda: load(tmp_path / "kandinsky-2-1" if bare else tmp_path))
    assert "holds Kandinsky 2.2 (KandinskyV22Pipeline), its name says 2.1" in said
    assert "name it kandinsky-2-2-decoder" in said


def test_a_missing_part_is_named(published, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(published, copy)
    (unet,) = [p for p in copy.rglob("unet") if "inpaint" not in p.parent.name]
    shutil.rmtree(unet)
    assert f"{unet} is missing" in refusal(lambda: load(copy))
