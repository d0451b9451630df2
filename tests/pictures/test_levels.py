"""Numbers of masks, of maps of depth and of pictures: one rule, whatever holds them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from kandi_nb.pictures.images import channel, picture
from kandi_nb.pictures.masks import Mask
from kandi_nb.tasks.depth import depth_map
from kandi_nb.words.errors import KandiError, KandiWarning, collected_warnings


def in_file(values, kind):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


def holders(values):
    """Name → what holds the whole numbers: arrays, tensors and files of 16 and 32 bits."""
    deep = np.asarray(values, np.uint16)
    return {
        "uint16": deep,
        "int64": deep.astype(np.int64),
        "int16 tensor": torch.from_numpy(deep.astype(np.int32)),
        "uint16 tensor": torch.from_numpy(deep),
        "PIL, I;16": Image.fromarray(deep),
        "PIL, I": Image.fromarray(deep.astype(np.int32)),
        "PIL, F": Image.fromarray(deep.astype(np.float32)),
        "PNG of 16 bits": in_file(deep, "PNG"),
        "TIFF of 16 bits": in_file(deep, "TIFF"),
        "TIFF of 32 bits": in_file(deep.astype(np.int32), "TIFF"),
        "TIFF of floats": in_file(deep.astype(np.float32), "TIFF"),
    }


def spread(*levels):
    """An array of 8 × 8 in which each level has its part."""
    return np.resize(np.array(levels), (8, 8))


READ = {
    "levels": (spread(0, 64, 128, 255), spread(0, 64, 128, 255), None),
    "faint levels": (spread(0, 1, 2, 128), spread(0, 1, 2, 128), None),
    "a ramp of depth": (np.arange(64).reshape(8, 8) * 3, np.arange(64).reshape(8, 8) * 3, None),
    "0/1": (spread(0, 1), spread(0, 255), None),
    "16 bits": (spread(0, 32768, 65535), spread(0, 128, 255), None),
    "16 bits, not to the top": (spread(500, 45000), spread(2, 175), None),
    "levels widened to 16 bits": (spread(0, 64 * 257), spread(0, 64), None),
    "12 bits": (spread(0, 2048, 4095), spread(0, 128, 255), "is read as 12 bits: 4,095 is"),
    "10 bits": (spread(0, 1023), spread(0, 255), "is read as 10 bits"),
}


@pytest.mark.parametrize("kind", READ)
def test_whole_numbers_mean_the_same_in_all_that_hold_them(kind):
    values, levels, said = READ[kind]
    for user in ("mask", "depth"):
        for name, source in holders(values).items():
            with collected_warnings() as words:
                assert np.array_equal(channel(source, user), levels), (user, name)
            assert len(words) == (said is not None), (name, words)
            assert said is None or words[0].startswith(f"{user} {said}")


REFUSED = {
    "millimetres": (spread(500, 10000), "depth holds whole numbers up to 10,000, neither"),
    "what is not 8 bits and not 16": (spread(0, 300), "up to 300, neither 0…255 nor 0…65535"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_numbers_that_could_mean_anything_are_refused_with_what_helps(kind):
    values, words = REFUSED[kind]
    for name, source in holders(values).items():
        with pytest.raises(KandiError) as raised:
            depth_map(source)
        assert words in str(raised.value), name
        assert "1 - x / x.max() of distances" in str(raised.value)
        with pytest.raises(KandiError, match=r"bring them to 0…1, such as x / x\.max\(\)$"):
            Mask(source)


def test_the_remedy_makes_a_map_with_near_in_white():
    metres = np.linspace(0.5, 10, 64).reshape(8, 8)
    for source in (metres, Image.fromarray(metres.astype(np.float32)), torch.tensor(metres)):
        with pytest.raises(KandiError, match=r"floats from 0\.5 to 10; .* 1 - x / x\.max\(\)"):
            depth_map(source)
    near = np.asarray(depth_map(1 - metres / metres.max()))
    assert near[0, 0] == near.max() == 242 and near[-1, -1] == 0


@pytest.mark.parametrize("user", ["mask", "depth", "image"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_no_number_is_called_so(user, number):
    values = np.zeros((8, 8), np.float32)
    values[2, 3] = number
    read = picture if user == "image" else channel
    name = "NaN, which is no number, at 1" if number != number else "infinity"
    for source in (values, torch.from_numpy(values), Image.fromarray(values)):
        with pytest.raises(KandiError, match=f"{user} holds {name} of 64 places"):
            read(source, user)


def strange():
    ones = torch.ones(8, 8)
    return {
        "sparse": (ones.to_sparse(), "is a sparse tensor; give all of its numbers: x.to_dense"),
        "meta": (torch.ones(8, 8, device="meta"), "a tensor on the device meta"),
        "complex tensor": (ones.to(torch.complex64), "is an array of complex numbers"),
        "complex": (np.ones((8, 8), complex), "is an array of complex numbers"),
        "text": (np.full((8, 8), "white"), "is an array of text"),
        "bytes": (np.full((8, 8), b"white"), "is an array of text"),
        "objects": (np.full((8, 8), None), "is an array of object"),
        "dates": (np.full((8, 8), np.datetime64("2026-11-30")), "is an array of datetime64"),
        "masked": (
            np.ma.masked_equal(np.eye(8), 0),
            r"56 numbers masked out; .* x\.filled\(0\)",
        ),
        "network": (torch.nn.Linear(2, 2), "takes a path"),
    }


@pytest.mark.parametrize("kind", strange())
@pytest.mark.parametrize("user", ["mask", "depth", "image"])
def test_arrays_without_numbers_are_one_line(kind, user):
    source, words = strange()[kind]
    with pytest.raises(KandiError, match=f"{user} .*{words}") as raised:
        (picture if user == "image" else channel)(source, user)
    assert "\n" not in str(raised.value)


HALF = [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float64]


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_floats_of_any_width_are_read(dtype):
    half = torch.tensor([[0.0, 0.5], [1.0, 0.25]]).to(dtype)
    assert (Mask(half).array == [[0, 128], [255, 64]]).all()
    assert (np.asarray(depth_map(half)) == [[0, 128], [255, 64]]).all()
    assert picture(half.expand(3, 2, 2)).getpixel((1, 0)) == (128, 128, 128)


def test_a_mask_in_a_colour_file_of_16_bits_is_read_or_refused():
    """Pillow gives the upper half of such numbers: of small ones nothing would be left."""

    def saved(values):
        import struct
        import zlib

        lines = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in values)
        head = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
        parts = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + n + data + struct.pack(">I", zlib.crc32(n + data))
            for n, data in parts
        )

    assert np.array_equal(channel(saved(spread(0, 65535))), spread(0, 255))
    for small in (spread(0, 255), spread(0, 4095)):
        with pytest.raises(KandiError, match=r"only the upper 8 can be read.* as a grey one"):
            channel(saved(small))


def test_pictures_follow_the_rule_and_are_never_refused_for_being_dark(recwarn):
    assert picture(spread(0, 4095).astype(np.uint16)).getpixel((1, 0)) == (255, 255, 255)
    assert "image is read as 12 bits" in str(recwarn.pop(KandiWarning).message)
    night = picture(spread(0, 10_000).astype(np.uint16))
    assert night.getpixel((1, 0)) == (39, 39, 39)
    assert "brightest number is 10,000 of 65,535" in str(recwarn.pop(KandiWarning).message)
