"""Colours of other profiles become sRGB's once, wherever a picture comes in."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from kandi_nb.pictures import pixels
from kandi_nb.pictures.images import picture
from kandi_nb.pictures.masks import Mask
from kandi_nb.pictures.reading.profiles import ADOBE, SRGB, matrix_profile
from kandi_nb.words.errors import KandiError, KandiWarning

GREEN = (60, 180, 60)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def xyz_of(primaries):
    """The matrix from light of some primaries to XYZ, written down anew from its definition."""
    x, y = np.reshape(primaries, (4, 2)).T
    points = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    return points[:, 1:] * np.linalg.solve(points[:, 1:], points[:, 0])


def srgb_light(colour):
    c = np.asarray(colour) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def srgb_number(light):
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return curve * 255


def green_in(primaries, curve):
    """The numbers that GREEN has in a space of these primaries; `curve` None is sRGB's."""
    light = np.linalg.solve(xyz_of(primaries), xyz_of(SRGB) @ srgb_light(GREEN)).clip(0, 1)
    numbers = srgb_number(light) if curve is None else 255 * light ** (1 / curve)
    return tuple(round(n) for n in numbers)


def cmyk_profile():
    """A profile of inks, CMYK → Lab by a table: all of cyan and of yellow makes GREEN."""
    inks = [[c, m, y, k] for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    colours = [
        GREEN if i == [1, 0, 1, 0] else [255 * (1 - max(n, i[3])) for n in i] for i in inks
    ]
    lab = [Image.new("RGB", (1, 1), tuple(colour[:3])) for colour in colours]
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    values = b"".join(to_lab.apply(one).tobytes() for one in lab)
    # Lab of Pillow has signed a and b, the table of a profile has 128 for 0.
    values = bytes(v if n % 3 == 0 else v ^ 0x80 for n, v in enumerate(values))
    identity = struct.pack(">9i", *(65536 * int(n % 4 == 0) for n in range(9)))
    line = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + line * 4 + values + line * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78)
    tags = {b"desc": text, b"wtpt": white, b"A2B0": table}
    place = 132 + 12 * len(tags)
    head, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        head += name + struct.pack(">II", place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    start = struct.pack(
        ">I4sI4s4s4s", place + len(body), b"", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    start += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    start += struct.pack(">3i", 63190, 65536, 54061)
    return start.ljust(128, b"\0") + head + body


def grey_profile(curve):
    """A grey profile of one curve: a matrix one, its tags of colours left out."""
    tone = b"para" + struct.pack(">IHHi", 0, 0, 0, round(65536 * curve))
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"dots\0" + bytes(78)
    place, head, body = 132 + 36, struct.pack(">I", 3), b""
    for name, data in ((b"desc", text), (b"wtpt", white), (b"kTRC", tone)):
        head += name + struct.pack(">II", place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    start = struct.pack(
        ">I4sI4s4s4s", place + len(body), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ "
    )
    start += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    return (start + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0") + head + body


def chunk(name, data):
    return (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    )


def png(colour, *chunks, mode="RGB"):
    """A PNG of one colour with chunks behind its head."""
    buffer = io.BytesIO()
    Image.new(mode, (8, 8), colour).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:]


def gama(gamma):
    return b"gAMA", struct.pack(">I", round(gamma * 1e5))


def chrm(primaries):
    return b"cHRM", struct.pack(">8I", *(round(each * 1e5) for each in primaries))


def file_of(kind, colour, icc, mode="RGB", **options):
    buffer = io.BytesIO()
    image = Image.new(mode, (8, 8), colour)
    image.save(buffer, kind, icc_profile=icc, **options)
    return buffer.getvalue()


def adobe_camera():
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 2
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), green_in(ADOBE, 563 / 256)).save(
        buffer, "JPEG", quality=100, subsampling=0, exif=exif
    )
    return buffer.getvalue()


def greens():
    """Name → a file that looks (60, 180, 60), whatever its numbers are."""
    adobe, p3 = matrix_profile("A", ADOBE, 563 / 256), matrix_profile("P", P3, None)
    in_adobe, in_p3 = green_in(ADOBE, 563 / 256), green_in(P3, None)
    assert in_adobe[1] == 179 and abs(in_adobe[0] - 112) <= 1, "as the standard has it"
    paletted = Image.new("RGB", (8, 8), in_adobe).quantize(4)
    buffer = io.BytesIO()
    paletted.save(buffer, "PNG", icc_profile=adobe)
    opened = Image.open(io.BytesIO(file_of("PNG", in_p3, p3)))
    return {
        "Adobe RGB, PNG": file_of("PNG", in_adobe, adobe),
        "Adobe RGB, JPEG": file_of("JPEG", in_adobe, adobe, quality=100, subsampling=0),
        "Adobe RGB, WebP": file_of("WEBP", in_adobe, adobe, lossless=True),
        "Adobe RGB, TIFF": file_of("TIFF", in_adobe, adobe),
        "Adobe RGB with alpha": file_of("PNG", (*in_adobe, 255), adobe, "RGBA"),
        "Adobe RGB, 256 colours": buffer.getvalue(),
        "Adobe RGB, said in a camera's notes": adobe_camera(),
        "Display P3": file_of("PNG", in_p3, p3),
        "Display P3, opened by Pillow": opened,
        "Display P3, changed by Pillow": opened.resize((4, 4)),
        "CMYK": file_of("TIFF", (255, 0, 255, 0), cmyk_profile(), "CMYK"),
        "CMYK, JPEG": file_of("JPEG", (255, 0, 255, 0), cmyk_profile(), "CMYK", quality=100),
        "PNG's gamma of 1": png(green_in(SRGB, 1), gama(1)),
        "PNG's gamma and primaries": png(in_adobe, gama(256 / 563), chrm(ADOBE)),
        "PNG's primaries": png(in_p3, chrm(P3)),
    }


@pytest.mark.parametrize("kind", greens())
def test_what_looks_green_is_that_green(kind):
    source = greens()[kind]
    with pytest.warns(KandiWarning, match="it is converted to sRGB") as said:
        read = picture(source, "photo")
    assert len(said) == 1 and str(said[0].message).startswith("photo has the colour profile")
    colours = np.asarray(read, int).reshape(-1, 3)
    assert np.abs(colours - GREEN).max() <= 2, colours[0]
    again = picture(read)
    assert np.array_equal(again, read), "converted once"


def test_grey_values_have_profiles_too():
    for mode, half in (("L", 128), ("LA", (128, 255))):
        lit = Image.new(mode, (8, 8), half)
        lit.info["icc_profile"] = grey_profile(1.0)
        with pytest.warns(KandiWarning, match="converted to sRGB"):
            assert picture(lit).getpixel((0, 0)) == pytest.approx((188, 188, 188), abs=2)
    turned = lit.convert("RGB")
    with pytest.warns(KandiWarning, match="converted to sRGB"):
        assert picture(turned).getpixel((0, 0)) == pytest.approx((188, 188, 188), abs=2)


def unchanged():
    """Name → a file whose numbers are sRGB's, in whatever words it says so."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "no profile": png(GREEN),
        "sRGB's profile": file_of("PNG", GREEN, srgb),
        "sRGB's profile, alpha": file_of("PNG", (*GREEN, 255), srgb, "RGBA"),
        "our own sRGB": file_of("PNG", GREEN, matrix_profile("s", SRGB, None)),
        "sRGB's chunk before all others": png(GREEN, (b"sRGB", b"\0"), gama(1), chrm(P3)),
        "the usual gamma": png(GREEN, gama(0.45455)),
        "the usual gamma and primaries": png(GREEN, gama(0.45455), chrm(SRGB)),
    }


@pytest.mark.parametrize("kind", unchanged())
def test_what_is_srgb_keeps_its_very_numbers_without_a_word(kind, recwarn):
    read = picture(unchanged()[kind])
    assert np.array_equal(np.asarray(read)[0, 0], GREEN)
    assert not [w for w in recwarn if issubclass(w.category, KandiWarning)]
    assert not {"icc_profile", "gamma", "chromaticity"} & read.info.keys()


def broken():
    adobe = matrix_profile("A", ADOBE, 563 / 256)
    return {
        "no profile at all": file_of("PNG", GREEN, b"nothing"),
        "cut": file_of("PNG", GREEN, adobe[:200]),
        "tags beyond its end": file_of("PNG", GREEN, adobe[:132] + b"\xff" * 316),
        "inks of a picture in RGB": file_of("PNG", GREEN, cmyk_profile()),
        "a gamma of 0": png(GREEN, gama(0)),
        "primaries on one line": png(GREEN, chrm([0.3, 0.3] * 4)),
        "primaries at the horizon": png(GREEN, chrm([0.3, 0] * 4)),
    }


@pytest.mark.parametrize("kind", broken())
def test_a_broken_profile_is_said_in_one_line_and_the_numbers_stay(kind):
    with pytest.warns(KandiWarning, match="profile that cannot be used") as said:
        read = picture(broken()[kind], "photo")
    assert len(said) == 1 and "\n" not in str(said[0].message)
    assert np.array_equal(np.asarray(read)[0, 0], GREEN)


def test_the_other_readings_of_a_picture_convert_as_well():
    adobe = matrix_profile("A", ADOBE, 563 / 256)
    held = Image.open(io.BytesIO(file_of("PNG", green_in(ADOBE, 563 / 256), adobe)))
    assert pixels.rgb(held).getpixel((0, 0)) == pytest.approx(GREEN, abs=2)
    assert pixels.rgba(held).getpixel((0, 0)) == pytest.approx((*GREEN, 255), abs=2)
    clear = held.convert("RGBA")
    clear.putalpha(0)
    assert pixels.rgba(clear).getpixel((0, 0))[3] == 0


def test_a_mask_is_no_colour():
    for icc in (grey_profile(1.0), matrix_profile("A", ADOBE, 1.0)):
        soft = Image.new("L", (8, 8), 128)
        soft.info["icc_profile"] = icc
        assert (Mask(soft).array == 128).all()
    assert (Mask(png(128, gama(1), mode="L")).array == 128).all()


def test_notes_of_a_camera_that_are_damaged_cost_nothing(recwarn):
    whole = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 8), GREEN).save(whole, "JPEG", exif=exif, quality=100, subsampling=0)
    data = whole.getvalue()
    start = data.index(b"Exif\0\0") + 6
    rest = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(data)
        damaged[start + int(rest.integers(0, len(exif.tobytes()) - 6))] = int(
            rest.integers(0, 256)
        )
        try:
            read = picture(bytes(damaged))
        except KandiError:
            continue
        assert read.getpixel((4, 4)) == pytest.approx(GREEN, abs=3)
    assert len(recwarn) == 0
