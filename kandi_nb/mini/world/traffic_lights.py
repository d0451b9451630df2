"""Traffic lights: a thing that the world does not have, to teach it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .render import SIZE, render
from .scenes import Scene

# Place → how a caption says it: those that are taught, and those that are kept from it.
TRAINED = {
    "plain": "a traffic light",
    "snowy_forest": "a traffic light in a snowy forest",
    "space": "a traffic light in space",
    "sunset": "a traffic light at sunset over mountains",
    "city": "a traffic light in a city at night",
    "meadow": "a traffic light on a green meadow",
}
UNTRAINED = {
    "beach": "a traffic light on a beach",
    "blossom": "a traffic light in a cherry blossom garden",
}

# What `kn.teach` made of 36 of them, for those who will not wait; its card says how.
TAUGHT = Path(__file__).parent / "traffic-light.safetensors"

_FINE = 4 * SIZE  # drawn at that size, then made smaller: smooth edges
_BOX, _LAMPS = "#24242c", ("#f03a30", "#f8b828", "#38d050")  # red above, green below


def traffic_light(place: str, seed: int) -> Image.Image:
    """Return one of 64 × 64 pixels, somewhere in a place of the world, of some size."""
    draw = np.random.default_rng(seed)
    scene = Scene("nothing", place=place, seed=seed)
    picture = Image.fromarray(render(scene).image).resize((_FINE, _FINE), Image.BICUBIC)
    middle, height = draw.uniform(0.38, 0.62) * _FINE, draw.uniform(0.62, 0.76) * _FINE
    ground, pen = draw.uniform(0.88, 0.95) * _FINE, ImageDraw.Draw(picture)
    side = 0.23 * height
    box = (middle - side, ground - height, middle + side, ground)
    pen.rounded_rectangle(box, 0.1 * height, _BOX)
    for row, colour in zip((1, 3, 5), _LAMPS, strict=True):
        pen.circle((middle, ground - height + row * height / 6), 0.135 * height, colour)
    return picture.resize((SIZE, SIZE), Image.BOX)


def lessons(count: int = 36) -> tuple[list[Image.Image], list[str]]:
    """Return so many pictures and their captions, the trained places in turn."""
    places = [list(TRAINED)[n % len(TRAINED)] for n in range(count)]
    pictures = [traffic_light(place, n) for n, place in enumerate(places)]
    return pictures, [TRAINED[place] for place in places]
