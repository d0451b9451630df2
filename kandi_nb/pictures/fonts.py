"""Fonts that can draw a text: Pillow and matplotlib draw boxes where a font has no glyph."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..words.extras import is_installed

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

BUILT_IN = "Aileron"  # Pillow's own, the only one without matplotlib: ASCII and a few signs
SANS = "DejaVu Sans"  # comes with matplotlib: Latin, Cyrillic, Greek and many signs

# "Last Resort", which matplotlib brings, has a glyph for everything: a box. Emoji fonts hold
# pictures of one size.
_UNFIT = ("Last Resort", "LastResort", "Emoji")


def family_for(text: str) -> str | None:
    """Return the name of an installed font family with every glyph of the text, or None."""
    needed = frozenset(ord(c) for c in text if not c.isspace())
    return next((family for family, path in _fonts() if needed <= _glyphs(path)), None)


def font_for(text: str, size: int) -> FreeTypeFont | None:
    """Return a Pillow font of `size` pixels with every glyph of the text, or None."""
    from PIL import ImageFont

    family = family_for(text)
    if family == BUILT_IN and not dict(_fonts())[family]:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    try:
        return ImageFont.truetype(dict(_fonts())[family], size) if family else None
    except OSError:
        return None


def drawable(text: str) -> str:
    """Return the text if a font can draw it, else what ASCII keeps of it (perhaps nothing)."""
    if family_for(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = [word for word in plain.split() if any(c.isalnum() for c in word)]
    return " ".join(words)


@functools.lru_cache(maxsize=1)
def _fonts() -> tuple[tuple[str, str], ...]:
    """Return (family, path) of every upright, regular font, the best known first."""
    if not is_installed("matplotlib"):
        return ((BUILT_IN, ""),)
    from matplotlib import font_manager

    upright = [
        font
        for font in font_manager.fontManager.ttflist
        if font.style == "normal"
        and str(font.weight) in {"400", "normal", "regular", "book"}
        and not any(word in font.name for word in _UNFIT)
    ]
    # Sans serif first, then by name, so that the same machine always takes the same font.
    upright.sort(key=lambda f: (f.name != SANS, "sans" not in f.name.lower(), f.name, f.fname))
    return tuple({font.name: font.fname for font in reversed(upright)}.items())[::-1]


@functools.lru_cache(maxsize=256)
def _glyphs(path: str) -> frozenset[int]:
    if not path:
        return frozenset(range(32, 127))
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # removed since matplotlib listed it, or damaged
        return frozenset()


def name_offsets(spots: Any, points: Sequence[tuple[float, float, str]]) -> list[Any]:
    """Return where names go, in points from their dots at `spots`, none over another."""
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in spots]
    chosen: list[tuple[int, int]] = []
    for (x, y), (_, up, name) in zip(spots, points, strict=True):
        wide = 5 * len(name)
        ways = [(right, high) for high in (5, -12, 15, -22) for right in (5, -wide)]
        boxes = {
            way: (x + way[0], y + way[1], x + way[0] + wide, y + way[1] + 9) for way in ways
        }
        able = [way for way in ways if up > 0 or way[1] > 0]  # not under the axis
        crowded = {way: sum(_overlap(boxes[way], box) for box in taken) for way in able}
        best = min(able, key=crowded.__getitem__)
        taken.append(boxes[best])
        chosen.append(best)
    return chosen


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
