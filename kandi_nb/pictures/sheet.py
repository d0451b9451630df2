"""A grid of pictures and its two faces: an HTML table for notebooks, one picture for files."""

from __future__ import annotations

import base64
import html
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..words.errors import KandiError, quote
from ..words.files import write
from .fonts import drawable, font_for
from .pixels import MOST_PIXELS, PAPER, rgb
from .recipe import png_bytes, recipe_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

PAGE = 960  # pixels that a notebook is wide
TALL = 768  # pixels that the rows of a grid of small pictures share
SMALL = 256  # pictures with a longer side below this are shown enlarged
LEAST = 128  # pixels: pictures shrink to this before a row of them wraps
_CELL = "text-align:center;vertical-align:top;background:none;border:none;padding:4px"
_LABEL = "margin:auto;overflow-wrap:anywhere"
_GAP = 8  # pixels between the pictures of a composed grid
_INK = (34, 34, 34)


@dataclass(repr=False)
class Grid:
    """Hold pictures in rows with a label each; None is an empty cell.

    Shows itself in a notebook; `.image` is the whole as one picture and `save` writes it.
    `scale` is the factor of enlargement, None for one that suits size and number. `wraps` says
    that the rows mean nothing, so that a narrow page may break them elsewhere.
    """

    cells: list[list[Image | None]]
    labels: list[list[str | None]]
    rows: list[str] | None = None
    cols: list[str] | None = None
    caption: str | None = None
    scale: float | None = None
    wraps: bool = False

    def __len__(self) -> int:
        return sum(cell is not None for row in self.cells for cell in row)

    def __repr__(self) -> str:
        return f"Grid({len(self.cells)} × {len(self.cells[0])}, {len(self)} pictures)"

    @property
    def factor(self) -> float:
        """Return by how much the pictures are shown enlarged (or reduced, below 1)."""
        if self.scale is not None:
            return self.scale
        pictures = [cell for row in self.cells for cell in row if cell is not None]
        side = max(max(picture.size) for picture in pictures)
        room = PAGE // len(self.cells[0])
        if side < SMALL:
            # Whole factors keep the pixels of a small picture square and equal; many rows are
            # shown smaller, so that the grid fits a screen.
            limit = min(SMALL, room, max(SMALL // 2, TALL // len(self.cells)))
            return max(2 if side < SMALL // 2 else 1, limit // side)
        return min(1.0, room / side)

    def _repr_html_(self) -> str:
        return to_html(self)

    @property
    def image(self) -> Image:
        """Return the grid as one RGB picture, labels included where a font can draw them."""
        return to_image(self)

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the grid as one picture; KandiError if the file exists and not `overwrite`."""
        return write(path, encode(self.image, path), overwrite=overwrite)


def to_html(grid: Grid) -> str:
    """Return an HTML table with the pictures inside; labels use the browser's fonts.

    It never grows wider than the page. Where styles are taken away, as on some sites that show
    notebooks, it is a plain table with the same rows.
    """
    factor = grid.factor
    wide = max(
        max(_size_on_page(picture, factor)[0], 96)
        for row in grid.cells
        for picture in row
        if picture
    )
    # Lab's stripes are for tables of words.
    row_style = "background:none" + (";display:contents" if grid.wraps else "")
    lines = []
    if grid.cols:
        corner = f'<td style="{_CELL}"></td>' if grid.rows else ""
        heads = "".join(_head(text, "col", f"{wide}px") for text in grid.cols)
        lines.append(f'<tr style="{row_style}">{corner}{heads}</tr>')
    for i, (pictures, labels) in enumerate(zip(grid.cells, grid.labels, strict=True)):
        head = _head(grid.rows[i], "row", "14em") if grid.rows else ""
        cells = "".join(
            _cell(picture, label, _alt(grid, i, j), factor, grid.wraps)
            for j, (picture, label) in enumerate(zip(pictures, labels, strict=True))
        )
        lines.append(f'<tr style="{row_style}">{head}{cells}</tr>')
    outer, inner = _wrapping(len(grid.cells[0]), wide) if grid.wraps else (_TABLE, "")
    above = "display:block;text-align:center" if grid.wraps else ""
    caption = html.escape(grid.caption or "")
    caption = f'<caption dir="auto" style="{above}">{caption}</caption>' if caption else ""
    body = "".join(lines)
    return f'<table style="{outer}">{caption}<tbody style="{inner}">{body}</tbody></table>'


_TABLE = "border:none;width:auto;max-width:100%"


def _wrapping(columns: int, wide: int) -> tuple[str, str]:
    """Return the styles of a table and its body whose rows shrink, then wrap.

    As many columns as asked for where each has `LEAST` pixels, fewer where not, all equal.
    """
    gaps = (columns - 1) * _GAP
    # Half a pixel less, so that rounding never costs a column.
    share = f"calc((100% - {gaps}px) / {columns} - .5px)"
    track = f"minmax(max({min(LEAST, wide)}px,{share}),1fr)"
    outer = f"display:block;border:none;max-width:{columns * wide + gaps}px;margin-left:0"
    return outer, f"display:grid;gap:{_GAP}px;grid-template-columns:repeat(auto-fill,{track})"


def _head(text: str, scope: str, most: str) -> str:
    inner = f'<div style="max-width:{most};margin:auto">{html.escape(text)}</div>'
    return f'<th scope="{scope}" dir="auto" style="text-align:center">{inner}</th>'


def _alt(grid: Grid, row: int, column: int) -> str:
    sides = [side[n] for side, n in ((grid.rows, row), (grid.cols, column)) if side]
    words = [*sides, grid.labels[row][column]]
    number = row * len(grid.cells[0]) + column + 1
    return ", ".join(word for word in words if word) or grid.caption or f"picture {number}"


def _cell(
    picture: Image | None, label: str | None, alt: str, factor: float, wraps: bool
) -> str:
    if picture is None:
        return f'<td style="{"display:none" if wraps else _CELL}"></td>'
    width, height = _size_on_page(picture, factor)
    # Enlarged pixels stay square: blur would hide what a 64-pixel model really draws.
    pixelated = ";image-rendering:pixelated" if factor > 1 else ""
    # A picture that a task drew tells its recipe wherever it is shown.
    source = base64.b64encode(png_bytes(picture, recipe_of(picture))).decode()
    below = ""
    if label:
        room = f"max-width:{max(width, 96)}px;{_LABEL}"
        below = f'<div dir="auto" style="{room}">{html.escape(label)}</div>'
    style = f"{_CELL};display:block;padding:0" if wraps else _CELL
    return (
        f'<td style="{style}"><img src="data:image/png;base64,{source}" '
        f'alt="{html.escape(alt)}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto{pixelated}">{below}</td>'
    )


def _size_on_page(picture: Image, factor: float) -> tuple[int, int]:
    """Return the size in which a page shows a picture where there is room for it."""
    width, height = picture.size
    return max(1, round(width * factor)), max(1, round(height * factor))


def encode(picture: Image, path: str | os.PathLike) -> bytes:
    """Return the picture as a file of the kind that the ending of the path names."""
    from PIL import Image

    try:
        suffix = Path(path).suffix.lower()
    except TypeError:
        raise KandiError(f"expected a path such as grid.png, not {quote(path)}") from None
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    if suffix not in kinds:
        raise KandiError(f"{quote(str(path))} must end in one of {', '.join(kinds)}")
    Image.init()
    buffer = io.BytesIO()
    try:
        picture.save(buffer, kinds[suffix], quality=92)
    except (OSError, ValueError) as error:  # WebP ends at 16383 pixels, JPEG at 65535
        raise KandiError(
            f"{kinds[suffix]} cannot hold {picture.width} × {picture.height} pixels; "
            "save it as a .png file"
        ) from error
    return buffer.getvalue()


def to_image(grid: Grid) -> Image:
    """Return the grid as one RGB picture; never reduced unless `scale` asks for it."""
    from PIL import Image, ImageDraw

    factor = grid.factor if grid.scale is not None else max(1, grid.factor)
    pictures = [picture for row in grid.cells for picture in row if picture]
    most = [max(round(picture.size[side] * factor) for picture in pictures) for side in (0, 1)]
    _check_size((most[0] * len(grid.cells[0]), most[1] * len(grid.cells)))
    cells = [[_scale(picture, factor) for picture in row] for row in grid.cells]
    sizes = [picture.size for row in cells for picture in row if picture]
    wide, high = max(w for w, _ in sizes), max(h for _, h in sizes)
    letter = min(40, max(12, wide // 14))

    labels = [[_Text(text, letter, wide) for text in row] for row in grid.labels]
    tops = [_Text(text, letter, wide) for text in grid.cols or []]
    sides = [_Text(text, letter, max(wide, 8 * letter)) for text in grid.rows or []]
    columns = len(cells[0])
    left = max((side.width for side in sides), default=0)
    left += _GAP if left else 0
    total = left + columns * (wide + _GAP) + _GAP
    title = _Text(grid.caption, letter, total - 2 * _GAP)
    # A row is as high as its pictures and its tallest label need.
    below = [max(text.height for text in row) for row in labels]
    above = max((top.height for top in tops), default=0)
    start = _GAP + title.height + above

    size = (total, start + sum(below) + len(cells) * (high + _GAP))
    _check_size(size)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    title.draw(draw, total // 2, _GAP)
    x_of = [left + _GAP + column * (wide + _GAP) for column in range(columns)]
    for x, top in zip(x_of, tops, strict=False):
        top.draw(draw, x + wide // 2, start - above)
    y = start
    for i, row in enumerate(cells):
        if sides:
            sides[i].draw(draw, _GAP + left // 2, y + (high - sides[i].height) // 2)
        for x, picture, label in zip(x_of, row, labels[i], strict=True):
            if picture:
                place = (x + (wide - picture.width) // 2, y + high - picture.height)
                sheet.paste(picture, place)
            label.draw(draw, x + wide // 2, y + high)
        y += high + below[i] + _GAP
    return sheet


def _scale(picture: Image | None, factor: float) -> Image | None:
    from PIL import Image

    if picture is None:
        return None
    wide, high = (max(1, round(side * factor)) for side in picture.size)
    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    return rgb(picture).resize((wide, high), how)


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise KandiError(
            f"as one picture the grid would have {size[0]} × {size[1]} pixels; take a smaller "
            "scale or fewer pictures"
        )


class _Text:
    """Hold one label, folded to a width, with a font that has all its glyphs."""

    def __init__(self, text: str | None, letter: int, room: int) -> None:
        self.text = drawable(text or "")
        self.font = font_for(self.text, letter) if self.text else None
        self.lines = _fold(self.text, self.font, room) if self.font else []
        self.step = round(letter * 1.4)
        self.height = len(self.lines) * self.step + (letter // 3 if self.lines else 0)
        self.width = 0
        if self.font:
            self.width = max((round(self.font.getlength(n)) for n in self.lines), default=0)

    def draw(self, draw, centre: int, top: int) -> None:
        for n, line in enumerate(self.lines):
            place = (centre, top + n * self.step + self.step // 8)
            draw.text(place, line, _INK, self.font, anchor="ma")


def _fold(text: str, font: FreeTypeFont, room: int) -> list[str]:
    """Cut text into at most four lines that fit, at spaces where there are any."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= room:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and font.getlength(lines[-1] + character) > room:
                lines.append("")
            lines[-1] += character
    if len(lines) > 4:
        lines = [*lines[:3], lines[3].rstrip(" .,")[:-2] + "..."]
    return lines
