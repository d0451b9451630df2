"""The decoders' stages: what each UNet is told is what the pipelines tell it."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch

from kandi_nb.mini.captions import caption
from kandi_nb.mini.training import loop, networks, stages
from kandi_nb.mini.training import tokenizers as making
from kandi_nb.mini.training.losses import conditions, decoder, text, text_conditioned
from kandi_nb.mini.world.render import render
from kandi_nb.mini.world.scenes import Scene, scenes
from kandi_nb.mini.world.vocabulary import LANGUAGES

SILHOUETTE = render(Scene("cat", "blue", "beach", seed=4)).silhouette


@pytest.mark.parametrize("kind", conditions.KINDS)
def test_masks_cover_what_they_name(kind):
    draw = np.random.default_rng(0)
    for _ in range(20):
        mask = conditions.draw_mask(kind, SILHOUETTE, draw)
        assert mask.shape == (64, 64) and set(np.unique(mask)) <= {0.0, 1.0}
        if kind == "all":
            assert mask.all()
        elif kind == "nothing":
            assert not mask.any()
        else:
            assert 0 < mask.mean() < 1
        if kind == "object":
            assert mask[SILHOUETTE > 127].all()
        if kind == "head":
            rows = np.flatnonzero((SILHOUETTE > 127).any(1))
            assert mask[rows[0]].any() and not mask[rows[-1]].any()


@pytest.mark.parametrize("kind", conditions.KINDS)
def test_masks_cover_as_much_of_larger_pictures(kind):
    large = render(Scene("cat", "blue", "beach", seed=4), 128).silhouette
    for seed in range(5):
        both = [
            conditions.draw_mask(kind, shape, np.random.default_rng(seed))
            for shape in (SILHOUETTE, large)
        ]
        assert both[1].shape == (128, 128)
        assert abs(both[0].mean() - both[1].mean()) < 0.04


def test_an_empty_place_gets_a_box_instead():
    empty = np.zeros((64, 64), np.uint8)
    mask = conditions.draw_mask("head", empty, np.random.default_rng(0))
    assert 0 < mask.mean() < 1


def test_repainted_cells_grow_as_in_the_pipeline():
    from diffusers.pipelines.kandinsky2_2.pipeline_kandinsky2_2_inpainting import prepare_mask

    torch.manual_seed(0)
    repaint = (torch.rand(4, 1, 8, 8) < 0.2).float()
    theirs = prepare_mask((1 - repaint).clone())
    assert torch.equal(1 - conditions.grow(repaint), theirs)
    assert not torch.equal(1 - repaint, theirs)


def test_inpainting_is_told_the_kept_latents_only():
    silhouettes = np.repeat(SILHOUETTE[None], 6, 0)
    clean = torch.randn(6, networks.LATENT_CHANNELS, 8, 8)
    channels = conditions.masks_of(silhouettes)(
        torch.arange(6), clean, torch.Generator().manual_seed(3)
    )["channels"]
    kept, keep = channels[:, :-1], channels[:, -1:]
    assert torch.equal(kept, clean * keep)
    assert set(keep.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("stage", ["inpaint-2.2", "depth-2.2"])
def test_a_grown_decoder_starts_as_the_decoder(stage):
    torch.manual_seed(0)
    plain = networks.unet().eval()
    network = stages.STAGES[stage].network(64)
    larger = decoder.widen(network, plain.state_dict()).eval()
    x, e = torch.randn(2, networks.LATENT_CHANNELS, 8, 8), torch.randn(2, networks.EMBEDDING)
    added = {"image_embeds": e}
    with torch.inference_mode():
        wanted = plain(x, 500, None, added_cond_kwargs=added).sample
        if stage == "depth-2.2":
            added["hint"] = torch.rand(2, 3, 64, 64)
        else:
            x = torch.cat([x, torch.randn(2, networks.LATENT_CHANNELS + 1, 8, 8)], 1)
        got = larger(x, 500, None, added_cond_kwargs=added).sample
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("stage", ["inpaint", "depth"])
def test_a_step_of_each_moves_the_new_inputs(stage, tmp_path):
    torch.manual_seed(0)
    latents, embeddings = torch.randn(6, 4, 8, 8), torch.randn(6, networks.EMBEDDING)
    if stage == "inpaint":
        unet, extra = (
            networks.unet(extra=5),
            conditions.masks_of(np.repeat(SILHOUETTE[None], 6, 0)),
        )
    else:
        depths = np.repeat(render(Scene("cat", seed=4)).depth[None], 6, 0)
        unet, extra = networks.unet(extra=4, hint=True), conditions.hints_of(depths)
    unet = decoder.widen(unet, networks.unet().state_dict())
    conditioning = decoder.picture_conditioning(embeddings, embeddings[0])
    loss = decoder.denoising_loss_of(latents, conditioning, batch=4, extra=extra)
    plan = loop.Plan(stage, tmp_path, steps=2, warmup=1, ema=0.0)
    trained = loop.train(plan, unet, loss)
    assert trained.conv_in.weight[:, networks.LATENT_CHANNELS :].abs().max() > 0


def test_depth_readings_run_on_any_depth_decoder(tmp_path):
    from kandi_nb.mini import names
    from kandi_nb.mini.evaluation import inpaint
    from kandi_nb.mini.evaluation.painter import Painter
    from kandi_nb.mini.training.store import assemble

    for name in (names.PRIOR, names.DECODER):
        # Real folders, so that the depth decoder beside them is the one of this test.
        shutil.copytree(names.WEIGHTS / name, tmp_path / name, copy_function=os.symlink)
    torch.manual_seed(0)
    unet = stages.STAGES["depth-2.2"].network(64)
    checkpoint = stages.CHECKPOINTS[names.DEPTH]
    folder = assemble.save_decoder(checkpoint, unet, networks.movq(), weights=tmp_path)
    assert folder == tmp_path / names.DEPTH
    painter = Painter(tmp_path, steps=2, prior_steps=2)
    figures, (hints, drawn) = inpaint.read_depth(painter, 6)
    assert len(hints) == len(drawn) == 6
    assert {picture.size for picture in drawn} == {(64, 64)}
    # Weights of chance follow no depth map: the figures must say so.
    assert 0 <= figures["silhouette IoU"] < 0.6
    wanted = {"silhouette IoU", "depth: object", "depth: colour", "depth: place"}
    assert set(figures) == wanted


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        "xlm-r": making.make_xlm_r_tokenizer(folder / "xlm-r", 4000),
        "t5": making.make_t5_tokenizer(folder / "t5", 4000),
    }


def test_special_pieces_stand_where_xlm_r_and_t5_have_them(tokenizers):
    x, t = tokenizers["xlm-r"], tokenizers["t5"]
    assert x.convert_ids_to_tokens([0, 1, 2, 3]) == ["<s>", "<pad>", "</s>", "<unk>"]
    assert t.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "</s>", "<unk>"]
    assert t.convert_ids_to_tokens(len(t) - 1) == "<extra_id_0>"
    assert x.mask_token_id == len(x) - 1
    assert len(x) <= networks.VOCABULARY and len(t) <= networks.VOCABULARY
    assert x("").input_ids == [0, 2] and t("").input_ids == [1]
    for tokenizer in (x, t):
        small, large = tokenizer(["a red fox， in space", "A RED FOX, in  space"]).input_ids
        assert small == large and tokenizer.unk_token_id not in small


def test_the_same_captions_make_the_same_pieces():
    assert making.learn_pieces(making.T5, 500, 300) == making.learn_pieces(making.T5, 500, 300)


@pytest.mark.parametrize("kind", ["xlm-r", "t5"])
def test_text_encoders_see_no_padding(kind, tokenizers):
    torch.manual_seed(0)
    encoder = networks.multilingual_clip() if kind == "xlm-r" else networks.t5()
    model = text.TextEncoder(encoder).eval()
    texts = ["a red fox", "Ein sehr langer Satz von einem roten Fuchs im verschneiten Wald"]
    with torch.inference_mode():
        ids, mask = text.ids_and_mask(tokenizers[kind], texts, networks.TOKENS)
        states, embedding = model.read(ids, mask)
        alone = text.ids_and_mask(tokenizers[kind], texts[:1], networks.TOKENS)
        _, wanted = model.read(*alone)
    assert states.shape == (2, ids.shape[1], networks.STATES)
    assert embedding.shape == (2, networks.EMBEDDING)
    torch.testing.assert_close(embedding[:1], wanted, atol=1e-5, rtol=1e-4)


def test_2_1_is_told_as_its_pipeline_tells_it(tokenizers):
    """Text states of all 77 tokens, from the same encoder, and both ways of saying nothing."""
    from diffusers import DDIMScheduler, KandinskyPipeline

    torch.manual_seed(0)
    world, encoder = list(scenes(100)), networks.multilingual_clip().eval()
    e, nothing = torch.randn(110, networks.EMBEDDING), torch.zeros(networks.EMBEDDING)
    conditioning = text_conditioned.conditioning_21(
        world, e, nothing, tokenizers["xlm-r"], encoder
    )
    arguments = conditioning(torch.arange(110), torch.Generator().manual_seed(0))
    states, added = arguments["encoder_hidden_states"], arguments["added_cond_kwargs"]
    assert states.shape == (110, networks.TOKENS, networks.STATES)
    assert set(added) == {"image_embeds", "text_embeds"}
    pipeline = KandinskyPipeline(
        encoder,
        tokenizers["xlm-r"],
        stages.STAGES["decoder-2.1"].network(64),
        DDIMScheduler(**networks.ddim_scheduler()),
        networks.movq(),
    )
    with torch.inference_mode():
        embedding, theirs, _ = pipeline._encode_prompt("", "cpu", 1, False)
    unread = {i for i in range(110) if torch.allclose(states[i], theirs[0], atol=1e-5)}
    assert set(range(100, 110)) < unread  # no text describes a mixture
    assert 5 < len(unread - set(range(100, 110))) < 40
    torch.testing.assert_close(added["text_embeds"][105], embedding[0])
    blank = set((added["image_embeds"] == 0).all(1).nonzero().flatten().tolist())
    assert 5 < len(blank) < 40
    assert blank - unread and unread - blank and blank & unread  # text alone, picture alone


def test_3_is_told_as_its_pipeline_tells_it(tokenizers):
    from diffusers import DDPMScheduler, Kandinsky3Pipeline

    torch.manual_seed(0)
    world, encoder = list(scenes(40)), networks.t5().eval()
    conditioning = text_conditioned.conditioning_3(world, tokenizers["t5"], encoder)
    index, seed = torch.arange(40), 5
    arguments = conditioning(index, torch.Generator().manual_seed(seed))
    states, mask = arguments["encoder_hidden_states"], arguments["encoder_attention_mask"]
    assert not states[mask == 0].any() and not mask[:, -1].any()
    nothing = (mask == 0).all(1)
    assert 0 < nothing.sum() < 15 and not states[nothing].any()
    # The same captions through the pipeline's own code give the same states and mask.
    texts = text_conditioned._captions(world, index, torch.Generator().manual_seed(seed))
    pipeline = Kandinsky3Pipeline(
        tokenizers["t5"],
        encoder,
        networks.unet_3(),
        DDPMScheduler(**networks.scheduler_3()),
        networks.movq(),
    )
    with torch.inference_mode():
        theirs, _, their_mask, _ = pipeline.encode_prompt(texts, False, _cut_context=True)
    said = [i for i in range(40) if mask[i].sum() == their_mask[i].sum()]
    assert len(said) >= 25 and mask.shape == their_mask.shape
    torch.testing.assert_close(states[said], theirs[said], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["2.1", "3"])
def test_a_step_of_the_decoders_that_read(kind, tokenizers, tmp_path):
    torch.manual_seed(0)
    world, latents = list(scenes(8)), torch.randn(8, networks.LATENT_CHANNELS, 8, 8)
    if kind == "2.1":
        e = torch.randn(8, networks.EMBEDDING)
        encoder = networks.multilingual_clip().bfloat16().eval()
        conditioning = text_conditioned.conditioning_21(
            world, e, e[0], tokenizers["xlm-r"], encoder
        )
        unet, alphas = stages.STAGES["decoder-2.1"].network(64), None
        unet = decoder.widen(unet, networks.unet().state_dict())
    else:
        encoder = networks.t5().bfloat16().eval()
        conditioning = text_conditioned.conditioning_3(world, tokenizers["t5"], encoder)
        unet, alphas = networks.unet_3(), decoder.schedule(networks.scheduler_3())
    before = {k: v.clone() for k, v in unet.state_dict().items()}
    loss = decoder.denoising_loss_of(latents, conditioning, batch=4, alphas=alphas)
    plan = loop.Plan(kind, tmp_path, steps=2, warmup=1, ema=0.0)
    after = loop.train(plan, unet, loss).state_dict()
    assert all(torch.isfinite(v).all() for v in after.values())
    assert sum((after[k] - v).abs().sum() > 0 for k, v in before.items()) > 0.9 * len(before)


def test_a_text_encoder_learns_a_step_from_clip(tokenizers, tmp_path):
    from transformers import CLIPTokenizer

    from kandi_nb.mini.names import PRIOR, WEIGHTS

    torch.manual_seed(0)
    clip_tokenizer = CLIPTokenizer.from_pretrained(WEIGHTS / PRIOR / "tokenizer")
    loss_of = text.text_encoder_loss_of(
        list(scenes(30)), tokenizers["t5"], networks.clip_text(), clip_tokenizer, batch=24
    )
    model = text.TextEncoder(networks.t5())
    loss, figures = loss_of(model, torch.Generator().manual_seed(1))
    loss.backward()
    assert all(p.grad is not None for p in model.encoder.parameters() if p.requires_grad)
    assert {"gap", "near", "object"} <= set(figures)


def test_captions_fit_the_tokens_of_each_model(tokenizers):
    import random

    draw = random.Random(0)
    texts = [caption(s, LANGUAGES[i % 5], draw) for i, s in enumerate(scenes(500))]
    for tokenizer in tokenizers.values():
        assert max(map(len, tokenizer(texts).input_ids)) < networks.TOKENS
