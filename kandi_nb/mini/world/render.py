"""Turn a scene of the drawn world into a picture, and into a depth map."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from .places import CANVAS, PAINTERS
from .scenes import Scene

SPRITES = Path(__file__).parent / "sprites"
SIZE = 64

# The tint of each named colour, as (shadow, middle, light) in RGB.
TINTS = {
    "red": ((70, 0, 6), (222, 30, 34), (255, 170, 164)),
    "blue": ((4, 14, 84), (38, 98, 226), (170, 208, 255)),
    "green": ((0, 48, 12), (34, 164, 52), (176, 238, 164)),
    "purple": ((42, 2, 72), (136, 44, 190), (224, 176, 246)),
    "golden": ((92, 52, 0), (238, 186, 20), (255, 242, 156)),
    "white": ((96, 98, 108), (226, 228, 234), (255, 255, 255)),
}

# Where a hat rests: middle and height of the crown of the head and the head's width there, as
# fractions of the sprite.
HEADS = {
    "fox": (0.50, 0.28, 0.44),
    "cat": (0.50, 0.24, 0.46),
    "dog": (0.50, 0.20, 0.50),
    "frog": (0.50, 0.24, 0.46),
    "lion": (0.50, 0.17, 0.50),
    "bear": (0.50, 0.22, 0.52),
    "rabbit": (0.47, 0.46, 0.44),
    "owl": (0.50, 0.17, 0.46),
}


@dataclass(frozen=True)
class Render:
    """A drawn scene.

    ``image``: uint8 (size, size, 3). ``depth``: uint8 (size, size), 0 far … 255 near.
    ``silhouette``: uint8 (size, size), 255 where the object (with its headwear) covers the
    pixel. ``box``: left, top, right, bottom of the object in pixels. ``head``: the same for the
    place of the headwear, whether worn or not (an empty box for things without a head).
    """

    image: np.ndarray
    depth: np.ndarray
    silhouette: np.ndarray
    box: tuple[int, int, int, int]
    head: tuple[int, int, int, int]


@cache
def _sprite(name: str, colour: str) -> Image.Image:
    """Load a sprite and dye it: the luminance stays, the hue is the tint's."""
    image = Image.open(SPRITES / f"{name}.png").convert("RGBA")
    if colour == "natural":
        return _with_outline(image)
    rgba = np.asarray(image, np.float32)
    light = rgba[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    solid = rgba[..., 3] > 128
    middle = np.median(light[solid])
    # A gamma that puts the median luminance at one half, so that dark and light things take the
    # tint alike while eyes stay dark and highlights light.
    light = light ** (np.log(0.5) / np.log(np.clip(middle, 0.15, 0.85)))
    stops = np.array(TINTS[colour], np.float32)
    dyed = np.stack([np.interp(light, (0.0, 0.5, 1.0), stops[:, c]) for c in range(3)], -1)
    rgba = np.dstack([dyed, rgba[..., 3]])
    return _with_outline(Image.fromarray(rgba.astype(np.uint8), "RGBA"))


def _with_outline(image: Image.Image) -> Image.Image:
    """Put a thin dark rim behind a sprite, so that it stands out from a like-coloured place."""
    padded = ImageOps.expand(image, 3, (0, 0, 0, 0))
    rim = padded.getchannel("A").filter(ImageFilter.MaxFilter(5)).point(lambda a: a * 0.62)
    back = Image.new("RGBA", padded.size, (30, 24, 34, 0))
    back.putalpha(rim)
    return Image.alpha_composite(back, padded)


def _stylise(image: Image.Image, style: str, rng: np.random.Generator) -> Image.Image:
    if style == "pencil":
        grey = ImageOps.grayscale(image)
        # The filter takes the picture's border for an edge, so that frame is cut off and made
        # good.
        frame = ImageOps.expand(ImageOps.crop(grey.filter(ImageFilter.FIND_EDGES), 1), 1)
        edges = ImageOps.invert(frame).filter(ImageFilter.SMOOTH)
        paper = Image.blend(image, Image.new("RGB", image.size, (250, 248, 242)), 0.42)
        lines = Image.merge(
            "RGB", [edges.point(lambda v: max(0, 255 - int(2.2 * (255 - v))))] * 3
        )
        sketch = np.minimum(np.asarray(paper, np.float32), np.asarray(lines, np.float32) + 40)
        grain = rng.normal(0, 4, (CANVAS // 2, CANVAS // 2)).repeat(2, 0).repeat(2, 1)
        return Image.fromarray(np.clip(sketch + grain[..., None], 0, 255).astype(np.uint8))
    if style == "oil":
        daubed = image.filter(ImageFilter.ModeFilter(7))
        strokes = rng.normal(0, 7, (CANVAS // 4, CANVAS // 8)).repeat(4, 0).repeat(8, 1)
        strokes = np.asarray(daubed, np.float32) + strokes[..., None]
        daubed = Image.fromarray(np.clip(strokes, 0, 255).astype(np.uint8))
        return ImageEnhance.Color(daubed).enhance(1.25)
    return image


def render(scene: Scene, size: int = SIZE) -> Render:
    """Draw a scene as a picture of ``size`` x ``size`` pixels, the same one every time."""
    rng = np.random.default_rng(scene.seed)
    image, ground = PAINTERS[scene.place](rng)
    ramp = np.clip((np.arange(CANVAS) / CANVAS - 0.45) / 0.55, 0, 1) * 130
    depth = np.broadcast_to(ramp[:, None], (CANVAS, CANVAS)).astype(np.float32)
    cover = Image.new("L", image.size)
    box = head = (0, 0, 0, 0)
    if scene.object != "nothing":
        side = int(rng.uniform(0.54, 0.72) * CANVAS)
        hat = _sprite(scene.headwear, "natural") if scene.headwear != "none" else None
        tall = int(side * 0.30) if scene.object in HEADS else 0
        left = int(rng.uniform(0.04, 0.96) * (CANVAS - side))
        low = max(tall + 2, int(ground * CANVAS) - side)
        top = int(
            rng.uniform(max(tall + 2, low - 16), max(tall + 3, min(CANVAS - side - 1, low + 6)))
        )
        sprite = _sprite(scene.object, scene.colour).resize((side, side), Image.LANCZOS)
        mirrored = rng.random() < 0.5
        if mirrored:
            sprite = ImageOps.mirror(sprite)
        image.paste(sprite, (left, top), sprite)
        cover.paste(255, (left, top), sprite.getchannel("A"))
        box = (left, top, left + side, top + side)
        if scene.object in HEADS:
            x, y, width = HEADS[scene.object]
            x = 1 - x if mirrored else x
            wide = int(width * side * 1.08)
            centre, rest = left + x * side, top + y * side
            corner = (int(centre - wide / 2), int(rest - wide * 0.74))
            head = (*corner, corner[0] + wide, corner[1] + wide)
            if hat is not None:
                worn = hat.resize((wide, wide), Image.LANCZOS)
                image.paste(worn, corner, worn)
                cover.paste(255, corner, worn.getchannel("A"))
    image = _stylise(image, scene.style, rng)
    solid = np.asarray(cover, np.float32) / 255
    depth = depth * (1 - solid) + solid * 225
    scale = size / CANVAS
    return Render(
        np.asarray(image.resize((size, size), Image.BOX if size < CANVAS else Image.BICUBIC)),
        np.asarray(Image.fromarray(depth.astype(np.uint8)).resize((size, size), Image.BOX)),
        np.asarray(cover.resize((size, size), Image.BOX)),
        tuple(round(v * scale) for v in box),
        tuple(round(v * scale) for v in head),
    )


def _pictures(scenes: Sequence[Scene], size: int) -> np.ndarray:
    return np.stack([render(scene, size).image for scene in scenes])


def render_many(scenes: Sequence[Scene], size: int = SIZE, workers: int = 1) -> np.ndarray:
    """Draw many scenes: uint8 (n, size, size, 3), in their order, on ``workers`` processes."""
    if workers <= 1:
        return _pictures(scenes, size)
    chunks = [scenes[i : i + 500] for i in range(0, len(scenes), 500)]
    with ProcessPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(_pictures, chunks, [size] * len(chunks))))
