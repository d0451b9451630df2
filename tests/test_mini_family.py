"""The stages that start from the 2.2 decoder: what they are told is what the pipelines tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kandi_nb.mini import loop, parts, stage_decoder, stage_depth, stage_inpaint
from kandi_nb.mini.render import render
from kandi_nb.mini.world import Scene

SILHOUETTE = render(Scene("cat", "blue", "beach", seed=4)).silhouette


@pytest.mark.parametrize("kind", stage_inpaint.KINDS)
def test_masks_cover_what_they_name(kind):
    draw = np.random.default_rng(0)
    for _ in range(20):
        mask = stage_inpaint.draw_mask(kind, SILHOUETTE, draw)
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


def test_an_empty_place_gets_a_box_instead():
    empty = np.zeros((64, 64), np.uint8)
    mask = stage_inpaint.draw_mask("head", empty, np.random.default_rng(0))
    assert 0 < mask.mean() < 1


def test_repainted_cells_grow_as_in_the_pipeline():
    from diffusers.pipelines.kandinsky2_2.pipeline_kandinsky2_2_inpainting import prepare_mask

    torch.manual_seed(0)
    repaint = (torch.rand(4, 1, 8, 8) < 0.2).float()
    ours = torch.nn.functional.conv2d(repaint, stage_inpaint.NEIGHBOURS, padding=1).clamp_max(1)
    theirs = prepare_mask((1 - repaint).clone())
    assert torch.equal(1 - ours, theirs)


def test_inpainting_is_told_the_kept_latents_only():
    silhouettes = np.repeat(SILHOUETTE[None], 6, 0)
    clean = torch.randn(6, parts.LATENT_CHANNELS, 8, 8)
    told = stage_inpaint.masks_of(silhouettes)(
        torch.arange(6), clean, torch.Generator().manual_seed(3)
    )["channels"]
    kept, keep = told[:, :-1], told[:, -1:]
    assert torch.equal(kept, clean * keep)
    assert set(keep.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("hint", [False, True])
def test_a_grown_decoder_starts_as_the_decoder(hint):
    torch.manual_seed(0)
    plain = parts.unet().eval()
    extra = 4 if hint else parts.LATENT_CHANNELS + 1
    larger = stage_decoder.grown(parts.unet(extra, hint=hint), plain.state_dict()).eval()
    x, e = torch.randn(2, parts.LATENT_CHANNELS, 8, 8), torch.randn(2, parts.EMBEDDING)
    told = {"image_embeds": e}
    with torch.inference_mode():
        wanted = plain(x, 500, None, added_cond_kwargs=told).sample
        if hint:
            told["hint"] = torch.rand(2, 3, 64, 64)
        else:
            x = torch.cat([x, torch.randn(2, extra, 8, 8)], 1)
        got = larger(x, 500, None, added_cond_kwargs=told).sample
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("stage", ["inpaint", "depth"])
def test_a_step_of_each_moves_the_new_inputs(stage, tmp_path):
    torch.manual_seed(0)
    latents, embeddings = torch.randn(6, 8, 8, 8), torch.randn(6, parts.EMBEDDING)
    if stage == "inpaint":
        unet, extra = parts.unet(9), stage_inpaint.masks_of(np.repeat(SILHOUETTE[None], 6, 0))
    else:
        depths = np.repeat(render(Scene("cat", seed=4)).depth[None], 6, 0)
        unet, extra = parts.unet(4, hint=True), stage_depth.hints_of(depths)
    unet = stage_decoder.grown(unet, parts.unet().state_dict())
    loss = stage_decoder.loss_of(latents, embeddings, embeddings[0], batch=4, extra=extra)
    plan = loop.Plan(stage, tmp_path, steps=2, warmup=1, ema=0.0)
    trained = loop.train(plan, unet, loss)
    assert trained.conv_in.weight[:, parts.LATENT_CHANNELS :].abs().max() > 0


def test_depth_readings_run_on_any_depth_decoder(tmp_path):
    from kandi_nb.mini import assemble, evaluate_inpaint
    from kandi_nb.mini.painter import Painter

    for name in (assemble.PRIOR, assemble.DECODER):
        (tmp_path / name).symlink_to(assemble.WEIGHTS / name)
    torch.manual_seed(0)
    unet = parts.unet(4, hint=True)
    assert assemble.save_decoder(unet, parts.movq(), tmp_path, assemble.DEPTH).is_dir()
    painter = Painter(tmp_path, steps=2, prior_steps=2)
    figures, drawn = evaluate_inpaint.read_depth(painter, 6)
    assert len(drawn) == 6 and {picture.size for picture in drawn} == {(64, 64)}
    # Weights of chance follow no depth map: the figures must say so.
    assert 0 <= figures["silhouette IoU"] < 0.6
    assert set(figures) == {"silhouette IoU", "depth object", "depth colour", "depth place"}
