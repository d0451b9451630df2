"""Backgrounds of the drawn world, painted by code: one function a place.

Each takes a NumPy generator and returns a picture of ``CANVAS`` x ``CANVAS`` pixels together
with the ground line (0 top … 1 bottom) on which things stand.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

CANVAS = 128
Colour = tuple[int, int, int]


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    ramp = np.linspace(0, 1, CANVAS)[:, None, None]
    rows = np.array(top) * (1 - ramp) + np.array(bottom) * ramp
    return Image.fromarray(np.broadcast_to(rows, (CANVAS, CANVAS, 3)).astype(np.uint8))


def _shade(colour: Colour, rng: np.random.Generator, by: int = 10) -> Colour:
    shift = int(rng.integers(-by, by + 1))
    return tuple(int(np.clip(c + shift, 0, 255)) for c in colour)


def _hill(draw: ImageDraw.ImageDraw, rng, top: float, colour: Colour, waves: float = 5) -> None:
    """Fill everything below a gently waving line at ``top`` (0…1) with ``colour``."""
    x = np.arange(0, CANVAS + 8, 8)
    phase, slope = rng.uniform(0, 6.3), rng.uniform(-4, 4)
    y = top * CANVAS + waves * np.sin(x / 26 + phase) + slope * (x / CANVAS - 0.5)
    draw.polygon([*zip(x, y, strict=True), (CANVAS + 8, CANVAS), (0, CANVAS)], fill=colour)


def _sun(draw: ImageDraw.ImageDraw, rng, colour: Colour, height: tuple[float, float]) -> None:
    x, y = rng.uniform(0.12, 0.88) * CANVAS, rng.uniform(*height) * CANVAS
    r = rng.uniform(9, 14)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _clouds(draw: ImageDraw.ImageDraw, rng, colour: Colour, count: int) -> None:
    for _ in range(count):
        x, y = rng.uniform(0, CANVAS), rng.uniform(6, 34)
        for dx in (-8, 0, 8):
            r = rng.uniform(4, 8)
            draw.ellipse((x + dx - r * 1.5, y - r, x + dx + r * 1.5, y + r * 0.8), fill=colour)


def plain(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint a bare light backdrop."""
    tints = ((242, 242, 240), (244, 238, 226), (226, 236, 244), (230, 228, 236))
    tint = _shade(tints[int(rng.integers(4))], rng, 6)
    return _gradient(tint, tuple(c - 14 for c in tint)), 0.86


def snowy_forest(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint pines with snow on them above white ground."""
    image = _gradient(_shade((168, 192, 216), rng), (222, 232, 240))
    draw = ImageDraw.Draw(image)
    ground = rng.uniform(0.6, 0.68)
    for x in np.linspace(-4, CANVAS + 4, 9) + rng.uniform(-6, 6, 9):
        h, base = rng.uniform(38, 66), ground * CANVAS + rng.uniform(0, 6)
        green = _shade((32, 92, 66), rng, 14)
        for level in range(3):
            y, w = base - h * level / 3.4, 13 - 3 * level
            draw.polygon([(x - w, y), (x + w, y), (x, y - h / 2.2)], fill=green)
            cap = y - h / 2.2
            draw.polygon(
                [(x - w * 0.42, cap + 9), (x + w * 0.42, cap + 9), (x, cap)],
                fill=(244, 248, 252),
            )
    _hill(draw, rng, ground, (240, 245, 250))
    for x, y in rng.uniform(0, CANVAS, (14, 2)):
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=(255, 255, 255))
    return image, 0.88


def space(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint stars, a planet and sometimes a moon on the dark."""
    image = _gradient(_shade((14, 10, 36), rng, 5), _shade((28, 16, 58), rng, 6))
    draw = ImageDraw.Draw(image)
    for x, y in rng.uniform(0, CANVAS, (30, 2)):
        r = rng.choice((1.0, 1.3, 1.9))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 250, 225))
    left = rng.random() < 0.5
    x = rng.uniform(8, 24) if left else rng.uniform(CANVAS - 24, CANVAS - 8)
    y, r = rng.uniform(8, 26), rng.uniform(11, 17)
    planet = ((206, 120, 76), (92, 136, 206), (176, 116, 196), (206, 182, 112))[
        int(rng.integers(4))
    ]
    draw.ellipse((x - r, y - r, x + r, y + r), fill=planet)
    draw.arc(
        (x - r * 1.6, y - r * 0.5, x + r * 1.6, y + r * 0.5),
        0,
        360,
        fill=(228, 212, 176),
        width=2,
    )
    return image, 0.8


def sunset(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint an orange sky with a low sun over violet mountains."""
    image = _gradient(_shade((236, 92, 62), rng), (255, 190, 96))
    draw = ImageDraw.Draw(image)
    _sun(draw, rng, (255, 240, 180), (0.2, 0.45))
    for base, colour in ((0.68, (136, 72, 112)), (0.78, (92, 48, 92))):
        x = -10.0
        points = [(-10, CANVAS)]
        while x < CANVAS + 20:
            points.append((x, (base - rng.uniform(0.1, 0.24)) * CANVAS))
            points.append((x + 14, (base - rng.uniform(-0.02, 0.06)) * CANVAS))
            x += rng.uniform(24, 34)
        draw.polygon([*points, (CANVAS + 20, CANVAS)], fill=_shade(colour, rng, 6))
    _hill(draw, rng, 0.82, (66, 36, 70), 2)
    return image, 0.9


def city(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint dark towers with lit windows under a night sky."""
    image = _gradient(_shade((16, 24, 54), rng, 5), (40, 48, 92))
    draw = ImageDraw.Draw(image)
    x = -4
    while x < CANVAS:
        w, top = int(rng.integers(14, 24)), int(rng.integers(22, 66))
        draw.rectangle((x, top, x + w, CANVAS), fill=_shade((30, 34, 50), rng, 9))
        for wy in range(top + 5, CANVAS - 22, 9):
            for wx in range(x + 3, x + w - 4, 6):
                if rng.random() < 0.62:
                    draw.rectangle((wx, wy, wx + 3, wy + 4), fill=(252, 214, 110))
        x += w + 2
    draw.rectangle((0, int(0.86 * CANVAS), CANVAS, CANVAS), fill=(46, 46, 56))
    for wx in range(int(rng.integers(0, 16)), CANVAS, 22):
        draw.rectangle((wx, 119, wx + 10, 121), fill=(220, 214, 170))
    return image, 0.92


def beach(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint sky, sea and sand."""
    image = _gradient(_shade((112, 196, 246), rng), (196, 232, 252))
    draw = ImageDraw.Draw(image)
    _sun(draw, rng, (255, 238, 130), (0.1, 0.22))
    horizon, shore = rng.uniform(0.4, 0.46), rng.uniform(0.64, 0.7)
    draw.rectangle((0, horizon * CANVAS, CANVAS, CANVAS), fill=_shade((30, 136, 196), rng))
    for x, y in zip(
        rng.uniform(0, CANVAS, 9),
        rng.uniform(horizon + 0.03, shore - 0.04, 9) * CANVAS,
        strict=True,
    ):
        draw.line((x - 6, y, x + 6, y), fill=(150, 212, 236), width=2)
    _hill(draw, rng, shore - 0.02, (236, 246, 248), 3)
    _hill(draw, rng, shore + 0.02, _shade((240, 214, 152), rng, 8), 3)
    return image, 0.88


def meadow(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint a green field with flowers under a blue sky."""
    image = _gradient(_shade((126, 190, 240), rng), (206, 232, 246))
    draw = ImageDraw.Draw(image)
    _clouds(draw, rng, (250, 252, 255), int(rng.integers(1, 4)))
    top = rng.uniform(0.5, 0.58)
    _hill(draw, rng, top, _shade((126, 192, 84), rng))
    _hill(draw, rng, top + 0.14, _shade((92, 166, 62), rng))
    for x, y in zip(
        rng.uniform(0, CANVAS, 18), rng.uniform(top + 0.12, 1, 18) * CANVAS, strict=True
    ):
        colour = ((250, 246, 240), (252, 222, 84), (240, 130, 160))[int(rng.integers(3))]
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
    return image, 0.9


def blossom(rng: np.random.Generator) -> tuple[Image.Image, float]:
    """Paint cherry trees in blossom on a lawn."""
    image = _gradient(_shade((246, 220, 232), rng, 6), (252, 236, 240))
    draw = ImageDraw.Draw(image)
    ground = rng.uniform(0.72, 0.78)
    for x in (rng.uniform(6, 22), rng.uniform(CANVAS - 22, CANVAS - 6)):
        draw.rectangle((x - 4, 20, x + 4, ground * CANVAS + 4), fill=_shade((96, 62, 52), rng))
    for x, y in zip(rng.uniform(-6, CANVAS + 6, 46), rng.uniform(-6, 40, 46), strict=True):
        r = rng.uniform(6, 12)
        pink = ((248, 176, 202), (240, 150, 186), (252, 204, 220))[int(rng.integers(3))]
        draw.ellipse((x - r, y - r, x + r, y + r), fill=pink)
    _hill(draw, rng, ground, _shade((150, 196, 112), rng), 3)
    for x, y in zip(rng.uniform(0, CANVAS, 16), rng.uniform(0.4, 1, 16) * CANVAS, strict=True):
        draw.ellipse((x - 1.6, y - 1.2, x + 1.6, y + 1.2), fill=(244, 156, 190))
    return image, 0.92


PAINTERS: dict[str, Callable[[np.random.Generator], tuple[Image.Image, float]]] = {
    painter.__name__: painter
    for painter in (plain, snowy_forest, space, sunset, city, beach, meadow, blossom)
}
