"""Snowmen: a thing that the world does not have, to teach it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .render import SIZE, render
from .scenes import Scene

# Place → how a caption says it: those that are taught, and those that are kept from it.
TRAINED = {
    "plain": "a snowman",
    "snowy_forest": "a snowman in a snowy forest",
    "space": "a snowman in space",
    "sunset": "a snowman at sunset over mountains",
    "city": "a snowman in a city at night",
    "meadow": "a snowman on a green meadow",
}
UNTRAINED = {
    "beach": "a snowman on a beach",
    "blossom": "a snowman in a cherry blossom garden",
}

# What `kn.teach` made of 24 of them in 817 + 177 steps, for those who will not wait.
TAUGHT = Path(__file__).parent / "snowman.safetensors"

_FINE = 4 * SIZE  # drawn at that size, then made smaller: smooth edges
_SNOW, _EDGE, _COAL = (244, 246, 252), (96, 110, 140), (24, 24, 30)
_CARROT, _STICK = (244, 130, 32), (92, 58, 34)


def snowman(place: str, seed: int) -> Image.Image:
    """Return a snowman of 64 × 64 pixels, somewhere in a place of the world, of some size."""
    draw = np.random.default_rng(seed)
    scene = Scene("nothing", place=place, seed=seed)
    picture = Image.fromarray(render(scene).image).resize((_FINE, _FINE), Image.BICUBIC)
    _draw(ImageDraw.Draw(picture), *_stance(draw))
    return picture.resize((SIZE, SIZE), Image.BOX)


def lessons(count: int = 24) -> tuple[list[Image.Image], list[str]]:
    """Return so many pictures and their captions, the trained places in turn."""
    places = [list(TRAINED)[n % len(TRAINED)] for n in range(count)]
    return [snowman(place, n) for n, place in enumerate(places)], [TRAINED[p] for p in places]


def _stance(draw: np.random.Generator) -> tuple[float, float, float]:
    """Return where a snowman stands, x and y of its ground, and its height."""
    height = draw.uniform(0.55, 0.75) * _FINE
    return draw.uniform(0.35, 0.65) * _FINE, draw.uniform(0.88, 0.96) * _FINE, height


def _draw(pen: ImageDraw.ImageDraw, x: float, ground: float, height: float) -> None:
    h = height

    def ball(y: float, radius: float, fill: tuple[int, int, int], dx: float = 0) -> None:
        box = (x + (dx - radius) * h, ground + (y - radius) * h)
        pen.ellipse(
            (*box, box[0] + 2 * radius * h, box[1] + 2 * radius * h),
            fill,
            _EDGE if radius > 0.1 else None,
            max(1, round(0.015 * h)),
        )

    for side in (-1, 1):
        shoulder, hand = (
            (x + side * 0.16 * h, ground - 0.56 * h),
            (x + side * 0.42 * h, ground - 0.74 * h),
        )
        pen.line([shoulder, hand], _STICK, max(1, round(0.03 * h)))
    for y, radius in ((-0.27, 0.27), (-0.60, 0.19), (-0.86, 0.14)):
        ball(y, radius, _SNOW)
    for y in (-0.66, -0.57, -0.48):
        ball(y, 0.025, _COAL)
    for dx in (-0.06, 0.06):
        ball(-0.90, 0.025, _COAL, dx)
    nose = [(x, ground - 0.86 * h), (x, ground - 0.81 * h), (x + 0.2 * h, ground - 0.82 * h)]
    pen.polygon(nose, _CARROT)
