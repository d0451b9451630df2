"""The one reading of any PIL picture as 8-bit RGB, for grids, comparisons and CLIP alike."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from kandi_nb.pictures import pixels
from kandi_nb.pictures.grid import compare, grid
from kandi_nb.pictures.recipe import png_bytes
from kandi_nb.tasks.embeddings.clip import clip
from kandi_nb.words.errors import KandiError

# mode, value, the grey that it means
GREYS = [
    ("I;16", 32768, 128),
    ("I;16B", 32768, 128),
    ("I;16", 65535, 255),
    ("I;16", 255, 1),
    ("I", 32768, 128),
    ("I", 128, 128),
    ("F", 0.5, 128),
    ("F", 128.0, 128),
    ("F", 32768.0, 128),
    ("L", 128, 128),
    ("1", 1, 255),
]


@pytest.mark.parametrize(("mode", "value", "grey"), GREYS)
def test_every_depth_becomes_the_grey_that_it_means(mode, value, grey, tiny):
    deep, plain = Image.new(mode, (64, 64), value), Image.new("RGB", (64, 64), (grey,) * 3)
    assert pixels.rgb(deep).mode == "RGB"
    assert np.array_equal(pixels.rgb(deep), plain)
    assert np.array_equal(grid([deep]).image, grid([plain]).image)
    assert torch.equal(clip(tiny, deep), clip(tiny, plain))
    assert compare(deep, plain).labels[0][2] == "no difference"


def test_a_page_shows_deep_pictures_in_the_same_greys():
    with Image.open(io.BytesIO(png_bytes(Image.new("I", (8, 8), 32768)))) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (128, 128, 128)


def _palette() -> Image.Image:
    image = Image.new("P", (64, 64), 3)
    image.info["transparency"] = 3
    return image


@pytest.mark.parametrize(
    "clear",
    [
        Image.new("RGBA", (64, 64), (255, 0, 0, 0)),
        Image.new("LA", (64, 64), (0, 0)),
        Image.new("LA", (64, 64), (0, 0)).convert("La"),
        Image.new("RGBA", (64, 64), (255, 0, 0, 0)).convert("RGBa"),
        _palette(),
    ],
    ids=lambda image: image.mode,
)
def test_clear_pictures_lie_on_white_for_grids_and_for_clip(clear, tiny):
    white = Image.new("RGB", (64, 64), "white")
    assert np.array_equal(grid([clear]).image, grid([white]).image)
    assert torch.equal(clip(tiny, clear), clip(tiny, white))


def test_half_transparent_red_is_pink():
    assert pixels.rgb(Image.new("RGBA", (8, 8), (255, 0, 0, 128))).getpixel((0, 0)) == (
        255,
        127,
        127,
    )


def test_a_moving_picture_is_read_at_its_current_frame(tiny):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    moving = Image.open(buffer)
    moving.seek(1)
    assert np.array_equal(grid([moving]).image, grid([frames[1]]).image)
    assert torch.allclose(clip(tiny, moving), clip(tiny, frames[1]), atol=1e-5)


def _cut() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return Image.open(io.BytesIO(png_bytes(Image.fromarray(noise))[:6000]))


def _closed() -> Image.Image:
    image = Image.open(io.BytesIO(png_bytes(Image.new("RGB", (8, 8)))))
    image.close()
    return image


class _Vast(Image.Image):
    """A picture of 20000 × 20000 that takes no memory."""

    size = property(lambda self: (20000, 20000))
    width = height = 20000


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_cut, "cannot be read"),
        (_closed, "cannot be read"),
        (_Vast, "20000 × 20000 pixels is too large"),
        (lambda: Image.new("RGB", (0, 5)), "size 0"),
        (lambda: Image.new("I", (8, 8), -5), "from -5 to -5"),
        (lambda: Image.new("I", (8, 8), 70_000), "from 70000"),
        (lambda: Image.new("F", (8, 8), float("nan")), "nan"),
    ],
)
def test_what_cannot_be_read_is_one_line_for_every_user(make, words, tiny):
    for use in (lambda p: grid([p]).image, lambda p: clip(tiny, p), lambda p: compare(p, p)):
        with pytest.raises(KandiError) as caught:
            use(make())
        assert words in str(caught.value) and "\n" not in str(caught.value)


def test_clip_refuses_what_would_fill_the_memory_when_its_short_side_is_enlarged(tiny):
    with pytest.raises(KandiError, match="too narrow"):
        clip(tiny, Image.new("L", (1, 20000)))


def test_a_grid_too_large_for_one_picture_says_so_at_once(tmp_path):
    with pytest.raises(KandiError, match="65536 × 65536 pixels; take a smaller scale"):
        _ = grid([Image.new("RGB", (1024, 1024))], scale=64).image
    with pytest.raises(KandiError, match=r"WEBP cannot hold .*\.png"):
        grid([Image.new("L", (20000, 1))], scale=1).save(tmp_path / "x.webp")
    assert not list(tmp_path.iterdir())
