"""Pictures in, from every source, and one line for what is no picture."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kandi_nb.pictures.images import picture, pictures
from kandi_nb.words.errors import KandiError, KandiWarning


def photo(width=9, height=6):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


def as_bytes(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sources(folder):
    import torch

    image = photo()
    array = np.asarray(image)
    image.save(folder / "photo.png")
    return {
        "PIL": image,
        "path": folder / "photo.png",
        "text": str(folder / "photo.png"),
        "bytes": as_bytes(image),
        "array": array,
        "float array": array / 255,
        "16 bits": array.astype(np.uint16) * 257,
        "batch of one": array[None],
        "opaque RGBA": np.dstack([array, np.full((6, 9), 255, np.uint8)]),
        "tensor": torch.from_numpy(array.copy()).permute(2, 0, 1),
        "float tensor": torch.from_numpy(array / 255).permute(2, 0, 1)[None],
        "half tensor": torch.from_numpy(array / 255).permute(2, 0, 1).half(),
        "Result": SimpleNamespace(images=[image], params=[None]),
    }


def test_every_source_gives_the_same_picture(tmp_path):
    for kind, source in sources(tmp_path).items():
        far = np.asarray(picture(source), int) - np.asarray(photo(), int)
        assert np.abs(far).max() <= ("half" in kind), kind


def test_a_camera_s_turn_is_honoured_before_anything_else():
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: turn a quarter to the right
    turned = picture(as_bytes(photo(), exif=exif))
    assert turned.size == (6, 9)
    assert (np.asarray(turned) == np.rot90(np.asarray(photo()), -1)).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_every_mode_becomes_rgb_of_the_same_size(mode):
    image = photo().convert("L") if mode == "I;16" else photo()
    image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    assert picture(image).mode == "RGB" and picture(image).size == (9, 6)


def test_transparent_parts_become_white_and_are_said_once(recwarn):
    image = photo().convert("RGBA")
    image.putpixel((0, 0), (10, 20, 30, 0))
    with pytest.warns(KandiWarning, match="become white") as said:
        assert picture(image).getpixel((0, 0)) == (255, 255, 255)
    assert len(said) == 1
    picture(photo().convert("RGBA"))
    assert len(recwarn) == 0, "an opaque RGBA picture has nothing to say"


def test_a_list_gives_a_list():
    assert [p.size for p in pictures([photo(), photo(4, 4)])] == [(9, 6), (4, 4)]
    assert len(pictures(photo())) == 1


def test_a_moving_picture_gives_its_current_frame_and_says_so():
    moving = as_bytes(
        photo().convert("P"), "GIF", save_all=True, append_images=[Image.new("P", (9, 6))]
    )
    with pytest.warns(KandiWarning, match="holds 2 pictures"):
        assert picture(moving).size == (9, 6)


def faults(folder):
    import torch

    (folder / "text.png").write_text("no picture")
    whole = as_bytes(photo(300, 300))
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    header = as_bytes(Image.new("1", (20_000, 20_000)))
    (folder / "huge.png").write_bytes(header)
    array = np.asarray(photo())
    return {
        "missing": (folder / "none.png", "does not exist"),
        "folder": (folder, "is a folder"),
        "text file": (folder / "text.png", "no picture"),
        "cut": (folder / "cut.png", "cannot be read to its end"),
        "huge": (folder / "huge.png", "smaller"),
        "float above 1": (array.astype(float), "x / 255"),
        "float around 0": (array / 127.5 - 1, "(x + 1) / 2"),
        "channels first": (array.transpose(2, 0, 1), "transpose(1, 2, 0)"),
        "channels last": (torch.zeros(6, 9, 3), "permute(2, 0, 1)"),
        "many": (torch.zeros(2, 3, 6, 9), "tensor[0]"),
        "nothing": (np.zeros((0, 9, 3)), "without pixels"),
        "number": (7, "takes a path"),
        "two of a Result": (SimpleNamespace(images=[1, 2], params=[1, 2]), "result[0]"),
        "empty list": ([], "at least one"),
    }


def test_what_is_no_picture_gets_one_line(tmp_path):
    for kind, (source, words) in faults(tmp_path).items():
        with pytest.raises(KandiError) as raised:
            pictures(source)
        assert words in str(raised.value) and "\n" not in str(raised.value), kind


def test_a_loop_over_pictures_says_a_thing_once():
    """Python forgets what it has said whenever somebody changes its filters."""
    import subprocess
    import sys

    script = (
        "from PIL import Image\n"
        "from kandi_nb.pictures.images import picture\n"
        "clear = Image.new('RGBA', (8, 8))\n"
        "for _ in range(3): picture(clear)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.count("become white") == 1, done.stderr
