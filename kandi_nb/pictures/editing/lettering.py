"""Words in a picture, drawn with a font: no Kandinsky model can spell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, quote
from .. import fonts
from ..masks import Mask
from .colours import apply_change
from .shapes import canvas, checked_box, whole_box

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 2048  # pixels of a letter's height
SMALLEST = 6  # below it letters cannot be read
OUTLINE = 1  # pixels


def lettering(
    result_or_image: Any, text: str, box: Any, *, colour: str = "white", outline: str = "black"
) -> Any:
    """Write a text into a box (left, top, right, bottom) of each picture, as large as fits.

    Lines break where the text has "\\n". A Result gives a Result, a picture gives a picture.
    `colour`, `outline`: names or #rrggbb; an outline keeps letters readable on any ground.
    Raises KandiError when no installed font has a letter of the text, or the box is too small.
    """
    sides = list(whole_box(box))
    settings = {"text": text, "box": sides, "colour": colour, "outline": outline}
    fill, edge = _colour("colour", colour), _colour("outline", outline)

    def write(picture: Image) -> Image:
        from PIL import ImageDraw

        picture = picture.copy()
        place, font = _fit_text(picture.size, text, box, OUTLINE)
        ImageDraw.Draw(picture).multiline_text(
            place, text, fill, font, align="center", stroke_width=OUTLINE, stroke_fill=edge
        )
        return picture

    return apply_change(result_or_image, write, "lettering", settings)


def lettering_mask(image_or_size: Any, text: str, box: Any) -> Mask:
    """Return the mask of a text's letters, as large as fits the box; see `rectangle`."""
    from PIL import Image, ImageDraw

    size, picture = canvas(image_or_size)
    place, font = _fit_text(size, text, box, 0)
    letters = Image.new("L", size)
    ImageDraw.Draw(letters).multiline_text(place, text, 255, font, align="center")
    return Mask(letters, picture=picture)


def _fit_text(
    size: tuple[int, int], text: str, box: Any, stroke: int
) -> tuple[tuple[int, int], Any]:
    """Return where to write a text in the middle of a box, and the largest font that fits."""
    if not isinstance(text, str) or not text.strip():
        raise KandiError(f"text is what to write, not {quote(text)}")
    left, top, right, bottom = checked_box(box, size)
    if fonts.family_for(text) is None:
        raise KandiError(f"no installed font can draw {quote(text)}; install one or reword it")
    room = right - left, bottom - top
    font = _largest(text, room, stroke)
    # What a font draws beside and above its starting point is known only now.
    x0, y0, x1, y1 = _extent(text, font, stroke)
    return (left + (room[0] - x1 + x0) // 2 - x0, top + (room[1] - y1 + y0) // 2 - y0), font


def _largest(text: str, room: tuple[int, int], stroke: int) -> Any:
    """Return the largest font with which a text fits into (width, height)."""
    low, high = SMALLEST, max(SMALLEST, min(LARGEST, 2 * room[1]))
    while low < high:  # halving: sizes up to the middle fit
        middle = (low + high + 1) // 2
        x0, y0, x1, y1 = _extent(text, fonts.font_for(text, middle), stroke)
        fits = x1 - x0 <= room[0] and y1 - y0 <= room[1]
        low, high = (middle, high) if fits else (low, middle - 1)
    font = fonts.font_for(text, low)
    x0, y0, x1, y1 = _extent(text, font, stroke)
    if x1 - x0 > room[0] or y1 - y0 > room[1]:
        raise KandiError(
            f"{quote(text)} does not fit into {room[0]} × {room[1]} pixels; take a larger box "
            "or break the text into lines"
        )
    return font


def _extent(text: str, font: Any, stroke: int) -> tuple[int, int, int, int]:
    """Return the box of a text's letters when it is written at (0, 0), end exclusive."""
    import math

    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    x0, y0, x1, y1 = draw.multiline_textbbox(
        (0, 0), text, font, align="center", stroke_width=stroke
    )
    return math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)


def _colour(name: str, value: Any) -> tuple[int, ...]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(value)[:3]
    except (ValueError, AttributeError, TypeError):
        raise KandiError(
            f'{name} is a name such as "white" or a code such as "#ffd700", not {quote(value)}'
        ) from None
