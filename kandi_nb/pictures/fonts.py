"""Fonts that can draw a text: Pillow and matplotlib draw boxes where a font has no glyph."""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

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
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # removed since matplotlib listed it, or damaged
        return frozenset()
