"""Repainting: each picture of a batch keeps its own pixels, and a batch equals its singles."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from kandi_nb.tasks.loop.denoise import kept_cells, repaint, steps_taken


def seeded(count, first=0):
    import torch

    return [torch.Generator().manual_seed(first + i) for i in range(count)]


def scenes(count=3, side=64):
    """Return pictures [n, 3, side, side] in −1…1 and masks of three shapes, on whole cells."""
    import torch

    images = torch.rand(count, 3, 8, 8, generator=seeded(1)[0]) * 2 - 1
    images = torch.nn.functional.interpolate(images, size=(side, side), mode="bilinear")
    masks = torch.zeros(count, 1, side, side)
    masks[0, :, :32] = 1
    masks[1:, :, 16:48, 16:48] = 1
    masks[2] = 1 - masks[1]
    return images, masks


def arrays(pictures):
    return np.stack([np.asarray(picture, int) for picture in pictures])


def pipeline_for(kind, request):
    """Return a tiny pipeline of a generation, its embeddings and its texts."""
    import conftest
    import diffusers
    import torch

    if kind == "3":
        pipeline = diffusers.Kandinsky3Pipeline.from_pretrained(
            request.getfixturevalue("tiny3_folder") / "kandinsky-3"
        )
        pipeline.set_progress_bar_config(disable=True)
        texts = {"prompts": ["a red fox", "a cat in the snow", "a dog"]}
        texts["negatives"] = ["blue", "", "a long text of many"]
        return pipeline, (None, None), texts
    if kind == "2.1":
        folder = request.getfixturevalue("tiny21_folder") / "kandinsky-2-1"
        parts = diffusers.KandinskyPipeline.from_pretrained(folder).components
        unet = conftest._unet(
            in_channels=9,
            addition_embed_type="text_image",
            addition_embed_type_num_heads=2,
            encoder_hid_dim_type="text_image_proj",
        )
        pipeline = diffusers.KandinskyInpaintPipeline(**parts | {"unet": unet.eval()})
        texts = {"prompts": ["a red fox", "a cat", "a dog in space"]}
    else:
        folder = request.getfixturevalue("tiny_folder") / "kandinsky-2-2-decoder"
        parts = diffusers.KandinskyV22Pipeline.from_pretrained(folder).components
        pipeline = diffusers.KandinskyV22InpaintPipeline(
            **parts | {"unet": conftest._unet(in_channels=9).eval()}
        )
        texts = {}
    pipeline.set_progress_bar_config(disable=True)
    embeddings = torch.randn(2, 3, 32, generator=seeded(1)[0])
    return pipeline, tuple(embeddings), texts


@pytest.fixture(params=["2.2", "2.1", "3"])
def drawn(request):
    """Return a function that repaints some of three scenes."""
    pipeline, embeddings, texts = pipeline_for(request.param, request)
    images, masks = scenes()

    def draw(part=slice(None), guidance=4.0, steps=4, images=images, masks=masks, **more):
        return repaint(
            pipeline,
            *(None if rows is None else rows[part] for rows in embeddings),
            images[part],
            None if masks is None else masks[part],
            seeded(3)[part],
            steps=steps,
            guidance=guidance,
            **{name: some[part] for name, some in texts.items()},
            **more,
        )

    draw.pipeline, draw.images, draw.masks = pipeline, images, masks
    return draw


@pytest.mark.parametrize("guidance", [4.0, 1.0])
def test_a_batch_equals_its_singles(drawn, guidance):
    batch = arrays(drawn(guidance=guidance))
    singles = arrays(drawn(slice(i, i + 1), guidance=guidance)[0] for i in range(3))
    assert batch.shape == (3, 64, 64, 3)
    assert np.abs(batch - singles).max() <= 2


def test_each_picture_keeps_its_own_latents(drawn):
    import torch

    seen = []
    drawn(on_latents=lambda number, latents: seen.append((number, latents)))
    assert [number for number, _ in seen] == [0, 1, 2], "after each step but the last"
    with torch.no_grad():
        clean = drawn.pipeline.movq.encode(drawn.images)["latents"]
    keep = kept_cells(drawn.masks, 64 // clean.shape[-1]).expand_as(clean) > 0
    # One step before the end little noise is left on what is kept: closest is its own picture.
    latents = seen[-1][1]
    for i in range(3):
        gaps = [(latents[i] - other)[keep[i]].abs().mean() for other in clean]
        assert int(np.argmin(gaps)) == i


def test_whole_pictures_of_a_batch_equal_their_singles(drawn):
    batch = arrays(drawn(masks=None, strength=0.5))
    singles = arrays(drawn(slice(i, i + 1), masks=None, strength=0.5)[0] for i in range(3))
    assert np.abs(batch - singles).max() <= 2


def test_every_step_is_counted(drawn):
    ticks = []
    drawn(tick=lambda: ticks.append(1), steps=3)
    assert len(ticks) == 3


def test_an_interrupted_run_gives_offloaded_components_back(drawn, monkeypatch):
    freed = []
    monkeypatch.setattr(drawn.pipeline, "maybe_free_model_hooks", lambda: freed.append(1))

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drawn(tick=stop)
    assert freed == [1]


@pytest.mark.parametrize("guidance", [4.0, 1.0])
def test_one_picture_is_what_diffusers_draws(request, guidance):
    import torch
    from diffusers.pipelines.kandinsky2_2 import pipeline_kandinsky2_2_inpainting as upstream

    pipeline, (positive, negative), _ = pipeline_for("2.2", request)
    images, masks = scenes()
    # Their mask grows by the neighbouring cells: ours is given grown.
    factor = pipeline.movq_scale_factor
    cells = torch.nn.functional.max_pool2d(masks[1:2], factor)
    grown = 1 - upstream.prepare_mask(1 - cells)
    grown = grown.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    (ours,) = repaint(
        pipeline,
        positive[1:2],
        negative[1:2],
        images[1:2],
        grown,
        seeded(1),
        steps=4,
        guidance=guidance,
    )
    (theirs,) = pipeline(
        image_embeds=positive[1:2],
        negative_image_embeds=negative[1:2],
        image=images[1:2],
        mask_image=masks[1:2].clone(),
        height=64,
        width=64,
        num_inference_steps=4,
        guidance_scale=guidance,
        generator=seeded(1),
    ).images
    assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 2


@pytest.mark.parametrize("kind", ["2.2", "3"])
def test_a_whole_picture_is_repainted_as_diffusers_does_it(request, kind):
    import diffusers

    pipeline, (positive, negative), _ = pipeline_for(kind, request)
    image = scenes()[0][:1]
    half = {"num_inference_steps": 6, "strength": 0.5, "generator": seeded(1)}
    if kind == "3":
        texts = {"prompts": ["a red fox"], "negatives": ["blue"]}
        theirs = diffusers.Kandinsky3Img2ImgPipeline(**pipeline.components)(
            "a red fox", image / 2 + 0.5, guidance_scale=3.0, negative_prompt="blue", **half
        ).images[0]
        rows = None, None
    else:
        folder = request.getfixturevalue("tiny_folder") / "kandinsky-2-2-decoder"
        pipeline = diffusers.KandinskyV22Img2ImgPipeline.from_pretrained(folder)
        rows, texts = (positive[:1], negative[:1]), {}
        theirs = pipeline(rows[0], image / 2 + 0.5, rows[1], 64, 64, guidance_scale=4.0, **half)
        theirs = theirs.images[0]
    (ours,) = repaint(
        pipeline, *rows, image, None, seeded(1), steps=6, guidance=4.0, strength=0.5, **texts
    )
    assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 2


def test_a_picture_may_be_longer_than_high_and_any_strength_takes_a_step(drawn):
    import torch

    wide = torch.cat([drawn.images, drawn.images], -1)
    for strength, steps in ((0.01, 1), (0.5, 2), (1.0, 4)):
        ticks = iter(range(9))
        pictures = drawn(
            images=wide, masks=None, strength=strength, tick=functools.partial(next, ticks)
        )
        assert [picture.size for picture in pictures] == [(128, 64)] * 3
        assert next(ticks) == steps == steps_taken(4, strength)


def test_a_cell_with_one_repainted_pixel_is_repainted():
    import torch

    masks = torch.zeros(1, 1, 64, 64)
    masks[0, 0, 13, 30] = 1
    keep = kept_cells(masks, 8)
    assert keep.shape == (1, 1, 8, 8) and keep.sum() == 63 and keep[0, 0, 1, 3] == 0
