"""Make the sprites: ``python -m kandi_nb.mini.world.make_sprites FONT [FOLDER]``.

FONT is NotoColorEmoji.ttf with bitmaps, as Linux distributions ship it; version 2.042 gives the
bundled sprites. They are part of the package, so nobody needs this to draw or to train.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...words.errors import KandiError
from ...words.files import expand_path, writable, write
from .render import SPRITES

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

# A word of `vocabulary` → the emoji that it is drawn as.
GLYPHS = {
    "fox": "🦊", "cat": "🐱", "dog": "🐶", "frog": "🐸",
    "lion": "🦁", "bear": "🐻", "rabbit": "🐰", "owl": "🦉",
    "castle": "🏰", "house": "🏠", "car": "🚗", "rocket": "🚀",
    "sailboat": "⛵", "mushroom": "🍄", "apple": "🍎", "butterfly": "🦋",
    "crown": "👑", "hat": "🎩",
}  # fmt: skip
BITMAP = 109  # pixels: the only size in which the font holds its pictures
SIDE = 96  # pixels of a sprite; scenes are painted on a canvas that needs no more
_MARGIN = 10
_CANVAS = 160  # pixels: room for a bitmap, which is 136 wide, and the margin


def make_sprites(
    font: str | Path, folder: str | Path = SPRITES, *, force: bool = False
) -> list[Path]:
    """Render every glyph of `GLYPHS` from a font into ``folder/<word>.png``; return the paths.

    Each picture is RGBA, 96 x 96 pixels, with the glyph as large as fits in its middle. Nothing
    is written unless all glyphs are there. Raises KandiError for a file that is no colour
    bitmap font and, without ``force``, for sprites that exist.
    """
    folder = expand_path(folder)
    paths = {word: folder / f"{word}.png" for word in GLYPHS}
    taken = [path for path in paths.values() if path.exists()]
    if taken and not force:
        raise KandiError(f"{taken[0]} exists; choose another folder or add --force")
    opened = _open_shapes(expand_path(font))
    pictures = {word: sprite(glyph, opened) for word, glyph in GLYPHS.items()}
    writable(folder)
    for word, path in paths.items():
        buffer = io.BytesIO()
        pictures[word].save(buffer, "PNG", optimize=True)
        write(path, buffer.getvalue(), overwrite=force)
    return list(paths.values())


def sprite(glyph: str, font: FreeTypeFont) -> Image:
    """Render one glyph: cropped, centred on a clear square and scaled to 96 x 96 pixels."""
    from PIL import Image, ImageDraw

    drawn = Image.new("RGBA", (_CANVAS, _CANVAS))
    ImageDraw.Draw(drawn).text((_MARGIN, _MARGIN), glyph, font=font, embedded_color=True)
    box = drawn.getbbox()
    if box is None:
        raise KandiError(f"{font.path} has no {glyph}; take a full NotoColorEmoji.ttf")
    cropped = drawn.crop(box)
    saturation = cropped.convert("RGB").convert("HSV").getchannel("S")
    if saturation.getextrema()[1] == 0:
        raise KandiError(f"{font.path} has no colours; take NotoColorEmoji.ttf")
    side = max(cropped.size)
    square = Image.new("RGBA", (side, side))
    square.paste(cropped, ((side - cropped.width) // 2, (side - cropped.height) // 2))
    return square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _open_shapes(font: Path) -> FreeTypeFont:
    from PIL import ImageFont

    if not font.is_file():
        raise KandiError(
            f"there is no font file {font}; on Debian and Ubuntu the package "
            "fonts-noto-color-emoji brings NotoColorEmoji.ttf"
        )
    try:
        return ImageFont.truetype(str(font), BITMAP)
    except OSError as error:
        raise KandiError(
            f"{font} holds no bitmaps of size {BITMAP} ({error}); take NotoColorEmoji.ttf in "
            "its bitmap form"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Make the sprites from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m kandi_nb.mini.world.make_sprites",
        description=__doc__.partition(": ")[0],
    )
    parser.add_argument("font", type=Path, help="NotoColorEmoji.ttf")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=SPRITES, help="default: the package's own"
    )
    parser.add_argument("--force", action="store_true", help="replace sprites that exist")
    options = parser.parse_args(argv)
    try:
        paths = make_sprites(options.font, options.folder, force=options.force)
    except KandiError as error:
        parser.error(str(error))
    print(f"wrote {len(paths)} sprites to {options.folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
