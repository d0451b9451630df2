"""Photographs as cameras and programs leave them go through every door, in their colours."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.queue.limits import Limits
from kandi_nb.drivers.service.requests.uploads import inputs_of
from kandi_nb.pictures.reading.profiles import ADOBE, matrix_profile
from kandi_nb.tasks.replay import replay
from kandi_nb.tasks.teaching.dataset import read_dataset
from kandi_nb.words.errors import KandiWarning, collected_warnings
from kandi_nb.words.params import Params

GREEN, IN_ADOBE = (60, 180, 60), (112, 179, 73)  # the same colour in sRGB and in Adobe RGB
QUICK = Params("a forest", steps=2, prior_steps=2)
SAID = "the colour profile “Adobe RGB”; it is converted to sRGB"


def looked_at(size=(90, 60)):
    """What everybody sees: a green picture with a dark stripe at its top."""
    picture = Image.new("RGB", size, GREEN)
    picture.paste((20, 20, 20), (0, 0, size[0], size[1] // 10))
    return picture


def photograph(size=(90, 60), kind="JPEG", **options):
    """The same in Adobe RGB, by a camera that lay on its side."""
    picture = Image.new("RGB", size, IN_ADOBE)
    picture.paste((27, 27, 27), (0, 0, size[0], size[1] // 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    lossless = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    icc = matrix_profile("Adobe RGB", ADOBE, 563 / 256)
    buffer = io.BytesIO()
    turned = picture.transpose(Image.Transpose.ROTATE_90)  # what a viewer turns back
    turned.save(buffer, kind, icc_profile=icc, exif=exif, **lossless | options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "holiday.jpg"
    path.write_bytes(photograph())
    return path


def apart(one, other) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def heard(call):
    """Return what a call gives, and what it says of colours."""
    with collected_warnings() as said:
        result = call()
    return result, [line for line in said if "colour profile" in line]


@pytest.fixture(scope="module")
def drawn(tiny_roles, photo):
    """Task → the photograph's Result, what was said, and the Result of what it looks like."""
    mask = kn.rectangle((90, 60), (50, 20, 80, 50))
    depth = np.linspace(0, 255, 60 * 90).reshape(60, 90).astype(np.uint8)
    calls = {
        "edit": lambda image: kn.edit(tiny_roles, QUICK, image=image, progress=False),
        "edit along depth": lambda image: kn.edit(
            tiny_roles, QUICK, image=image, depth=depth, progress=False
        ),
        "inpaint": lambda image: kn.inpaint(
            tiny_roles, QUICK, image=image, mask=mask, progress=False
        ),
        "outpaint": lambda image: kn.outpaint(
            tiny_roles, QUICK, image=image, right=30, progress=False
        ),
        "upscale": lambda image: kn.upscale(tiny_roles, QUICK, image=image, progress=False),
    }
    return {name: (*heard(lambda c=c: c(photo)), c(looked_at())) for name, c in calls.items()}


TASKS = ["edit", "edit along depth", "inpaint", "outpaint", "upscale"]


@pytest.mark.parametrize("task", TASKS)
def test_a_photograph_is_drawn_as_what_it_looks_like(drawn, task):
    result, said, same = drawn[task]
    assert said == [f"image has {SAID}"], "once"
    assert result[0].size == same[0].size
    # JPEG and two roundings move the source by a few of 255, the networks a little more.
    assert np.abs(np.asarray(result[0], int) - np.asarray(same[0], int)).mean() < 6
    assert "icc_profile" not in result[0].info


@pytest.mark.parametrize("task", ["inpaint", "outpaint"])
def test_kept_pixels_are_the_colours_that_were_seen(drawn, task):
    result = drawn[task][0]
    assert result.proof[0]["kept"] == 1
    for place in ((10, 30), (45, 55), (30, 10)):
        assert result[0].getpixel(place) == pytest.approx(GREEN, abs=2)
    assert max(result[0].getpixel((45, 2))) < 40, "and upright"


@pytest.mark.parametrize("task", TASKS)
def test_one_file_is_drawn_again_from_what_it_carries_or_from_the_photograph(
    drawn, task, tiny_roles, photo, tmp_path
):
    result = drawn[task][0]
    (whole,) = result.save(tmp_path, name="whole")
    (bare,) = result.save(tmp_path, name="bare", inputs=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert apart(replay(whole, tiny_roles)[0], result[0]) <= 2
        if "depth" not in task:
            given = {"image": photo}
            if task == "inpaint":
                given["mask"] = kn.rectangle((90, 60), (50, 20, 80, 50))
            assert apart(replay(bare, tiny_roles, **given)[0], result[0]) <= 2
            assert kn.recipe(bare)["inputs"]["image"]["file"] == "holiday.jpg"


def test_clip_and_the_embeddings_see_the_same_colours(tiny_roles, photo):
    with Image.open(photo) as opened:
        opened.load()
    upright = opened.transpose(Image.Transpose.ROTATE_270)
    by_clip = kn.clip(tiny_roles, [upright, looked_at()])
    assert kn.cosines(by_clip)[0, 1] > 0.999
    rows, said = heard(lambda: kn.embed(tiny_roles, [photo, looked_at()], progress=False))
    assert kn.cosines(rows)[0, 1] > 0.999 and len(said) == 1


def test_a_grid_and_a_comparison_show_them(photo):
    with Image.open(photo) as opened:
        opened.load()
    seen = np.asarray(kn.grid([opened]).image.convert("RGB"), int).reshape(-1, 3)
    assert (np.abs(seen - GREEN).max(-1) <= 3).any()
    assert not (np.abs(seen - IN_ADOBE).max(-1) <= 3).any()


@pytest.mark.filterwarnings("ignore:image has the colour profile")
def test_a_batch_and_a_lesson_read_them(tiny_roles, photo, tmp_path):
    rows = [{"prompt": "a forest", "image": str(photo), "steps": 2, "prior_steps": 2}]
    made = kn.batch(kn.edit, tiny_roles, rows, out=tmp_path / "out", progress=False)
    (path,) = (tmp_path / "out").glob("*.png")
    carried = kn.recipe(path)["inputs"]["image"]
    direct = kn.edit(tiny_roles, QUICK, image=photo, progress=False)
    assert made and carried["sha256"] == direct.recipes[0]["inputs"]["image"]["sha256"]

    with pytest.warns(KandiWarning, match="it is converted to sRGB"):
        learned = read_dataset([photo, photo], "a forest")
    assert learned[0].picture.getpixel((45, 40)) == pytest.approx(GREEN, abs=2)


def test_the_service_reads_them(tiny_roles):
    files = {"image": photograph()}
    given, said = heard(lambda: inputs_of(files, Limits()))
    assert said == [f"image has {SAID}"]
    assert given["image"].size == (90, 60)
    assert given["image"].getpixel((45, 40)) == pytest.approx(GREEN, abs=2)


def odd_photograph(kind):
    """Return the bytes of a photograph of another kind."""
    plain = looked_at((4000, 3000) if kind == "12 megapixels" else (80, 60))
    if kind == "transparent":
        plain.putalpha(Image.linear_gradient("L").resize((80, 60)))
    elif kind == "CMYK":
        plain = plain.convert("CMYK")
    elif kind in ("grey", "16 bits"):
        plain = plain.convert("L")
    if kind == "16 bits":
        plain = Image.fromarray(np.asarray(plain, np.uint16) * 257)
    buffer = io.BytesIO()
    plain.save(buffer, "PNG" if kind in ("transparent", "16 bits") else "JPEG")
    return buffer.getvalue()


LARGE = pytest.param("12 megapixels", marks=pytest.mark.slow)


@pytest.mark.parametrize("kind", ["transparent", "CMYK", "grey", "16 bits", LARGE])
def test_photographs_of_every_kind_go_through_every_task(tiny_roles, kind):
    data = odd_photograph(kind)
    with collected_warnings():
        read = kn.edit(tiny_roles, QUICK, image=data, progress=False)
        width, height = read[0].size
        box = width // 2, height // 3, width // 2 + width // 8, height // 3 + height // 8
        mask = kn.rectangle((width, height), box)
        inpainted = kn.inpaint(tiny_roles, QUICK, image=data, mask=mask, progress=False)
        outpainted = kn.outpaint(
            tiny_roles, QUICK, image=data, right=width // 4, progress=False
        )
    assert inpainted[0].size == (width, height) and inpainted.proof[0]["kept"] == 1
    assert outpainted[0].size == (width + width // 4, height)
    assert outpainted.proof[0]["kept"] == 1
