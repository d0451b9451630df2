"""Large photographs on a model with the published one's size: what they cost beside it."""

from __future__ import annotations

import io
import sys

import conftest
import numpy as np
import pytest
from PIL import Image

import kandi_nb as kn

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.soak
QUICK = kn.Params("a forest", steps=2, prior_steps=2)
PER_PIXEL = 60  # bytes: a picture in RGB takes 3, in floats 12; a few of each live at once


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A tiny random 2.2 in all its roles that draws 512 × 512, as the published one does."""
    import diffusers

    root = tmp_path_factory.mktemp("large") / "model"
    conftest._seeded()
    conftest._prior(root / "kandinsky-2-2-prior", "KandinskyV22PriorPipeline")
    size = {"sample_size": 64}
    parts = {"scheduler": conftest._scheduler(), "movq": conftest._movq()}
    diffusers.KandinskyV22Pipeline(unet=conftest._unet(**size), **parts).save_pretrained(
        root / conftest.DECODER
    )
    diffusers.KandinskyV22InpaintPipeline(
        unet=conftest._unet(in_channels=9, **size), **parts
    ).save_pretrained(root / conftest.INPAINT)
    diffusers.KandinskyV22ControlnetPipeline(
        unet=conftest._unet(in_channels=8, addition_embed_type="image_hint", **size), **parts
    ).save_pretrained(root / conftest.DEPTH)
    k = kn.load(root, device="cpu")
    assert k.spec.native_size == 512
    return k


def photograph(width, height):
    exif = Image.Exif()
    exif[0x0112] = 8
    buffer = io.BytesIO()
    noise = Image.effect_noise((width, height), 60).convert("RGB")
    noise.save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue()


def peak_mb() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@pytest.mark.parametrize("megapixels", [12, 24])
def test_a_large_photograph_takes_a_few_copies_of_itself(large, megapixels):
    """The networks work on a canvas of their own size, whatever the photograph's is."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = height * 4 // 3
    data = photograph(width, height)  # turned: what is seen is `height` wide
    mask = kn.rectangle((height, width), (height // 2, width // 3, height * 3 // 4, width // 2))
    depth = np.linspace(0, 1, width)[:, None].repeat(height, 1)
    small = Image.new("RGB", (512, 512))
    kn.inpaint(large, QUICK, image=small, mask=kn.rectangle(small, (9, 9, 99, 99)))
    kn.outpaint(large, QUICK, image=small, right=512)
    before = peak_mb()
    calls = {
        "edit": lambda: kn.edit(large, QUICK, image=data),
        "edit along depth": lambda: kn.edit(large, QUICK, image=data, depth=depth),
        "inpaint": lambda: kn.inpaint(large, QUICK, image=data, mask=mask),
        "outpaint": lambda: kn.outpaint(large, QUICK, image=data, right=height // 4),
    }
    for name, call in calls.items():
        result = call()
        grown = (peak_mb() - before) * 2**20 / (width * height)
        print(f"{name}, {megapixels} megapixels: {grown:.0f} bytes a pixel")
        assert result[0].height == width and grown < PER_PIXEL
        assert result.proof is None or result.proof[0]["kept"] == 1
