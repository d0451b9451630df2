"""Files of strangers: a list of formats, measured before they are decoded, faults in a line."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib

import numpy as np
import pytest
from calls import refusal
from PIL import Image

from kandi_nb import cli
from kandi_nb.model.adapters.adapter import Adapter
from kandi_nb.pictures.images import picture
from kandi_nb.pictures.masks import Mask
from kandi_nb.pictures.reading.formats import FORMATS, WEB, TooLarge, open_picture
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.replay import replay
from kandi_nb.words.embedding import Embedding
from kandi_nb.words.errors import KandiError

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"


def photo(size=(40, 30)):
    noise = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(noise).resize(size)


def saved(kind, **options):
    buffer = io.BytesIO()
    photo().save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_of_the_list_is_read(kind, tmp_path):
    data = saved(kind)
    (tmp_path / "x").write_bytes(data)  # what it is called says nothing
    for source in (data, tmp_path / "x"):
        read = np.asarray(picture(source), int)
        loss = np.abs(read - np.asarray(photo(), int)).mean()
        assert read.shape == (30, 40, 3) and loss < 40, kind


@pytest.mark.parametrize("kind", ["EPS", "DDS", "PPM", "TGA", "ICO", "PCX", "SGI", "JPEG2000"])
def test_other_formats_are_refused_under_any_name(kind, tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    def start(*_):
        pytest.fail("Ghostscript is started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    data = EPS if kind == "EPS" else saved(kind)
    path = tmp_path / "fox.png"
    path.write_bytes(data)
    listed = "no picture that can be read; give a whole PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"
    for read in (picture, Mask):
        for source in (data, path):
            assert listed in refusal(lambda read=read, source=source: read(source))
    assert "not a whole PNG" in refusal(lambda: recipe(path))


def test_an_eps_that_pillow_opened_is_not_drawn_by_ghostscript_either(monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("started"))
    for read in (picture, Mask, Mask.from_alpha):
        words = refusal(lambda read=read: read(Image.open(io.BytesIO(EPS))))
        assert "is a file of EPS" in words and "save it as PNG" in words


@pytest.mark.parametrize("kind", FORMATS)
def test_a_mangled_file_is_read_or_refused_in_one_line(kind, recwarn, capfd):
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    whole, chance = saved(kind, **options), np.random.default_rng(1)
    refused = 0
    for number in range(120):
        data = bytearray(whole)
        if number % 3 == 0:
            data = data[: int(chance.integers(1, len(data)))]
        for _ in range(1 + number % 4):
            data[int(chance.integers(0, min(len(data), 300)))] = int(chance.integers(0, 256))
        try:
            picture(bytes(data))
        except KandiError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 300
    assert refused > 10
    assert not [w for w in recwarn if "PIL" in w.filename], "Pillow's own words"
    said = capfd.readouterr().err
    assert kind == "TIFF" or said == "", "libtiff alone writes where nobody can stop it"


def test_what_pillow_opened_of_other_formats_is_read_or_refused_in_one_line():
    data = bytearray(saved("DDS"))
    assert picture(Image.open(io.BytesIO(data))).size == (40, 30), "it is the user's own"
    assert "cannot be read to its end" in refusal(
        lambda: picture(Image.open(io.BytesIO(data[:200])))
    )


def chunk(name, data=b""):
    return (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    )


def crowded(count, name=b"tEXt", data=b"k\0v"):
    """A PNG that has many small chunks, before its pixels or of its pixels."""
    whole = saved("PNG")
    return whole[:33] + chunk(name, data) * count + whole[33:]


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"prVt", b"IDAT"])
def test_a_png_of_nothing_but_notes_is_refused_at_once(name, tmp_path):
    data = crowded(300_000, name, b"" if name == b"IDAT" else b"k\0v")
    path = tmp_path / "notes.png"
    path.write_bytes(data)
    for read in (picture, recipe, Mask, replay):
        began = time.process_time()
        assert "thousands of small pieces" in refusal(lambda read=read: read(path))
        assert time.process_time() - began < 0.5  # without: seconds
    assert "thousands of small pieces" in refusal(lambda: picture(data))
    assert picture(crowded(300)).size == (40, 30), "hundreds are usual"


def test_a_jpeg_of_a_thousand_scans_is_refused_at_once():
    whole = saved("JPEG")
    scan = whole[whole.index(b"\xff\xda") : -2]
    assert "small pieces" in refusal(lambda: picture(whole[:-2] + scan * 1000 + whole[-2:]))
    notes = whole[:2] + b"\xff\xfe\0\x02" * 300_000 + whole[2:]
    assert "small pieces" in refusal(lambda: picture(notes))
    assert picture(saved("JPEG", progressive=True)).size == (40, 30)


def test_the_limit_of_pixels_is_looked_at_before_any_is_decoded(monkeypatch):
    from PIL import ImageFile

    huge = io.BytesIO()
    Image.new("1", (3000, 3000)).save(huge, "PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(TooLarge, match=r"upload has more than 4,194,304 pixels; make it small"):
        open_picture(huge.getvalue(), "upload", WEB, 2048 * 2048)
    assert open_picture(huge.getvalue(), "upload", WEB).size == (3000, 3000)
    with pytest.raises(KandiError, match="give a whole PNG, JPEG or WebP"):
        open_picture(saved("GIF"), "upload", WEB)


def test_a_tiff_of_many_pages_is_read_without_counting_them(recwarn):
    """A page says where the next one is, and Pillow looks for circles: quadratic."""
    buffer = io.BytesIO()
    photo().save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    (start,) = struct.unpack("<I", data[4:8])
    end = start + 2 + 12 * struct.unpack("<H", data[start : start + 2])[0]
    page = bytes(data[start:end])
    for _ in range(20_000):
        data[end : end + 4] = struct.pack("<I", len(data) + len(data) % 2)
        data += bytes(len(data) % 2) + page + bytes(4)
        end = len(data) - 4
    began = time.process_time()
    assert picture(bytes(data)).size == (40, 30)
    assert time.process_time() - began < 0.5
    assert "image holds several pictures" in str(recwarn.pop().message)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for read in (picture, Mask):
        assert "is a device, no file" in refusal(lambda read=read: read(tmp_path / "pipe.png"))
    assert "is not a whole PNG" in refusal(lambda: recipe(tmp_path / "pipe.png"))


@pytest.mark.parametrize("read", [Embedding.load, Adapter.load])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_other_doors_take_no_pipe_and_no_device(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        assert "is a device, no file" in refusal(lambda path=path: read(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_commands_take_no_pipe_and_no_device(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        assert cli.main(["strip", path]) == 2
        assert "is a device, no file" in capsys.readouterr().err
