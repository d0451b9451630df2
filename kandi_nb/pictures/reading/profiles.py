"""Colours of any profile → sRGB, which every model here was taught in and every screen shows.

A picture says what its numbers mean by an ICC profile, by a PNG's chunks gAMA and cHRM, or, of
a camera set to Adobe RGB, by its notes alone. All of them become an ICC profile, and Little CMS
computes.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...words.errors import one_line, shorten
from .formats import quiet_pillow
from .levels import largest_value

if TYPE_CHECKING:
    from PIL.Image import Image

KEYS = ("icc_profile", "gamma", "chromaticity", "srgb")  # of `info`: what numbers mean
SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x, y of white, red, green, blue
ADOBE = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_ADOBE_CURVE = 563 / 256
_USUAL = 0.45455  # gamma of a PNG: what programs write that mean sRGB's own curve
_NEAR = 2  # of 255: a profile that moves no colour further is sRGB's
# Bradford's matrix, and the white of all profiles (ICC.1:2022, annex E and 7.2.16).
_CONES = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.9642, 1.0, 0.8249)


class _Unusable(Exception):
    """Say why nobody can compute with a profile, or not on this picture."""


@dataclass(frozen=True)
class _Conversion:
    """Hold how numbers of a profile become sRGB: a transform, or of grey ones a table."""

    name: str
    space: str  # RGB, GRAY or CMYK
    transform: Any = None
    table: Sequence[int] = ()
    is_srgb: bool = False


def to_srgb(picture: Image) -> tuple[Image, str]:
    """Return a picture in sRGB, and what is to be said of that ("": it was sRGB already).

    It is RGB or RGBA where anything changed. A profile that cannot be used leaves the numbers
    as they are, which is said, too. In any case none is left in the picture's `info`.
    """
    try:
        icc = _profile(picture)
        conversion = None if icc is None else _conversion(icc)
        if conversion is None or conversion.is_srgb:
            return without_profile(picture), ""
        converted = _convert(picture, conversion)
    except _Unusable as error:
        words = f"has a colour profile that cannot be used ({error}); it is read as sRGB"
        return without_profile(picture), words
    return converted, f"has the colour profile “{conversion.name}”; it is converted to sRGB"


def has_profile(picture: Image) -> bool:
    """Tell whether a picture says what its numbers mean."""
    return any(name in picture.info for name in KEYS) or _is_adobe(picture)


def without_profile(picture: Image) -> Image:
    """Return a picture whose numbers are what they are: a copy if it has a profile."""
    if not has_profile(picture):
        return picture
    bare = picture.copy()
    bare.info = {n: held for n, held in picture.info.items() if n not in (*KEYS, "exif")}
    return bare


def _profile(picture: Image) -> bytes | None:
    """Return the ICC profile that says what a picture's numbers mean; None for sRGB."""
    info = picture.info
    if icc := info.get("icc_profile"):
        return bytes(icc)
    if "srgb" in info:
        return None
    if not {"gamma", "chromaticity"} & info.keys():
        return matrix_profile("Adobe RGB", ADOBE, _ADOBE_CURVE) if _is_adobe(picture) else None
    gamma, primaries = info.get("gamma", _USUAL), info.get("chromaticity", SRGB)
    try:
        alike = all(abs(a - b) < 2e-3 for a, b in zip(primaries, SRGB, strict=True))
        if alike and math.isclose(gamma, _USUAL, abs_tol=5e-4):
            return None
        curve = 1 / gamma if "gamma" in info else None
        name = f"gamma {gamma:.3g}" if alike else "primaries of its own"
        return matrix_profile(name, primaries, curve)
    except (TypeError, ValueError, ArithmeticError, struct.error):
        raise _Unusable("the gamma or the primaries in its PNG") from None


def _is_adobe(picture: Image) -> bool:
    """Tell whether a photograph's notes alone say Adobe RGB, as cameras of DCF 2.0 do.

    ColorSpace is 2 then, or "uncalibrated" with the interoperability index R03.
    """
    if "exif" not in picture.info or "icc_profile" in picture.info:
        return False
    try:
        with quiet_pillow():
            exif = picture.getexif()
            space = exif.get_ifd(0x8769).get(0xA001)
        if space != 0xFFFF:
            return space == 2
        # Pillow 12 raises where the notes have no such part.
        return str(exif.get_ifd(0xA005).get(1, "")).strip("\0 ") == "R03"
    except Exception:  # the notes may be damaged in any way
        return False


@lru_cache(maxsize=8)
def _conversion(icc: bytes) -> _Conversion:
    """Return how the numbers of a profile become sRGB; raise _Unusable."""
    try:
        from PIL import Image, ImageCms

        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[space]
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        name = shorten(one_line(profile.profile.profile_description or "").strip())
    except ImportError:
        raise _Unusable("this Pillow was built without Little CMS") from None
    except KeyError:
        raise _Unusable(f"it is one of {shorten(one_line(space))}") from None
    except Exception:  # Little CMS has many ways to say that bytes are no profile
        raise _Unusable("it is damaged") from None
    name = name or "a profile without a name"
    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    if space == "GRAY":
        table = list(transform.apply(ramp).getchannel("G").tobytes())
        near = all(abs(n - value) <= _NEAR for n, value in enumerate(table))
        return _Conversion(name, space, table=table, is_srgb=near)
    return _Conversion(name, space, transform, is_srgb=space == "RGB" and _is_near(transform))


def _is_near(transform: Any) -> bool:
    """Tell whether a transform of RGB leaves colours from all over the cube where they are."""
    from PIL import Image, ImageChops

    steps = [*range(0, 256, 32), 255]
    cube = bytes(value for r in steps for g in steps for b in steps for value in (r, g, b))
    probes = Image.frombytes("RGB", (len(steps), len(steps) ** 2), cube)
    gap = ImageChops.difference(probes, transform.apply(probes))
    return largest_value(gap) <= _NEAR


def _convert(picture: Image, conversion: _Conversion) -> Image:
    """Return a picture as RGB or RGBA in sRGB; raise _Unusable where the profile is not its."""
    if (picture.mode == "CMYK") != (conversion.space == "CMYK"):
        raise _Unusable(f"it is one of {conversion.space}, and the picture is {picture.mode}")
    alpha = None
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        alpha, colours = clear.getchannel("A"), clear.convert("RGB")
    elif picture.mode == "CMYK":
        colours = conversion.transform.apply(picture)
    else:
        through = {"La": "LA"}.get(picture.mode)
        colours = (picture.convert(through) if through else picture).convert("RGB")
    if conversion.table:
        colours = colours.point([*conversion.table] * 3)
    elif conversion.space == "RGB":
        colours = colours.copy() if colours is picture else colours
        conversion.transform.apply_in_place(colours)
    colours.info = dict(without_profile(picture).info)
    if alpha is not None:
        colours.info.pop("transparency", None)
        colours.putalpha(alpha)
    return colours


def matrix_profile(name: str, primaries: Sequence[float], curve: float | None) -> bytes:
    """Return an ICC profile of x, y of white, red, green and blue, and of one curve.

    Light is the number to the power of `curve`, None for sRGB's curve. Raises ValueError for
    primaries that span no colours.
    """
    if not (curve is None or 0.2 <= curve <= 20):
        raise ValueError(curve)
    text = name.encode("utf-16-be")
    words = b"mluc" + struct.pack(">6I", 0, 1, 12, 0x656E5553, len(text), 28) + text  # enUS
    if curve is None:  # IEC 61966-2-1
        line = _fixed_point(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        tone = b"para" + struct.pack(">IHH", 0, 3, 0) + line
    else:
        tone = b"para" + struct.pack(">IHH", 0, 0, 0) + _fixed_point(curve)
    red, green, blue = _colorants(primaries)
    tags = {b"desc": words, b"cprt": words, b"wtpt": _point(_D50)}
    tags |= {b"rXYZ": _point(red), b"gXYZ": _point(green), b"bXYZ": _point(blue)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    place, table, body = 128 + 4 + 12 * len(tags), [struct.pack(">I", len(tags))], []
    for tag, data in tags.items():
        table.append(tag + struct.pack(">II", place, len(data)))
        body.append(data + bytes(-len(data) % 4))
        place += len(body[-1])
    head = struct.pack(">I4sI4s4s4s", place, b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed_point(*_D50)
    return b"".join([head.ljust(128, b"\0"), *table, *body])


def _colorants(primaries: Sequence[float]) -> Any:
    """Return X, Y, Z of red, green and blue, [3, 3], seen under a profile's white."""
    import numpy as np

    xy = np.asarray(primaries, float).reshape(4, 2)
    if not (xy[:, 1] > 0.001).all():
        raise ValueError(primaries)
    points = np.column_stack([xy, 1 - xy.sum(1)]) / xy[:, 1:]  # [4, 3], each with Y = 1
    white, matrix, cones = points[0], points[1:].T, np.array(_CONES)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError(primaries)
    matrix = matrix * np.linalg.solve(matrix, white)  # so that all three make white
    adapted = (cones @ np.array(_D50) / (cones @ white))[:, None] * (cones @ matrix)
    return np.linalg.solve(cones, adapted).T


def _point(numbers: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed_point(*numbers)


def _fixed_point(*numbers: float) -> bytes:
    """Return numbers as a profile writes them: signed, 16 bits before and after the point."""
    return struct.pack(f">{len(numbers)}i", *(round(65536 * each) for each in numbers))
