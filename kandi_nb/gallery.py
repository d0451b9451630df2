"""One HTML file of all pictures of a run, with their prompts; it needs nothing beside it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from .notebook_files import read_notebook
from .recipes import recipe
from .writing import write

if TYPE_CHECKING:
    from .headless import NotebookRun

SHOWN_AT_LEAST = 192  # pixels: small pictures are enlarged, pixel by pixel
# A larger picture, or one that unpacks to more, would make a page that no browser opens.
LARGEST_FILE = 32 * 2**20  # bytes
LARGEST_PICTURE = 36_000_000  # pixels: 6000 × 6000

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h2 { border-bottom: 1px solid #8886; margin-top: 2.5rem; }
.failed { color: #c22; }
section > div { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
figcaption { font-size: .8rem; max-width: 16rem; overflow-wrap: anywhere; }
img { max-width: 100%; image-rendering: pixelated; }
img.large { image-rendering: auto; }
"""


@dataclass(frozen=True)
class Picture:
    """Hold one picture of a run as a PNG file's bytes, with its size and what to say of it."""

    png: bytes
    width: int
    height: int
    caption: str


def pictures(run: NotebookRun) -> list[Picture]:
    """Return the pictures a run saved and showed, each once: same pixels are one picture.

    Saved files come first, because their recipe tells the prompt.
    """
    found: dict[str, Picture] = {}
    for data, caption in [*_saved(run), *_shown(run)]:
        pixels, picture = _decoded(data, caption)
        if picture is not None:
            found.setdefault(pixels, picture)
    return list(found.values())


def write_gallery(runs: Sequence[NotebookRun], path: Path) -> Path:
    """Write the pictures of all runs into one HTML file and return its path.

    An older gallery of that name is replaced. Raises KandiError if it cannot be written.
    """
    sections = "\n".join(_section(run) for run in runs)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>kandi_nb gallery</title><style>{STYLE}</style></head>\n"
        f"<body><h1>Pictures of this run</h1>\n{sections}\n</body></html>\n"
    )
    return write(path, page.encode("utf-8"), overwrite=True)


def _section(run: NotebookRun) -> str:
    figures = "\n".join(_figure(picture) for picture in pictures(run))
    state = "" if run.ok else f'<p class="failed">{html.escape(run.reason)}</p>'
    title = html.escape(run.notebook)
    return f'<section id="{title}"><h2>{title}</h2>{state}\n<div>{figures}</div></section>'


def _figure(picture: Picture) -> str:
    scale = max(1, -(-SHOWN_AT_LEAST // max(picture.width, picture.height)))
    large = "" if scale > 1 else ' class="large"'
    caption = html.escape(picture.caption)
    source = base64.b64encode(picture.png).decode("ascii")
    return (
        f'<figure><img{large} src="data:image/png;base64,{source}" alt="{caption}" '
        f'width="{picture.width * scale}"><figcaption>{caption}</figcaption></figure>'
    )


def _saved(run: NotebookRun) -> Iterator[tuple[bytes, str]]:
    for path in run.saved:
        try:
            if path.stat().st_size > LARGEST_FILE:
                continue
            data = path.read_bytes()
        except OSError:
            continue  # gone since the run
        # What Pillow says of bombs would go to the others' run, and nobody sees this one.
        yield data, _caption(path) if _size(data) else path.stem


def _caption(path: Path) -> str:
    try:
        params = recipe(path)["params"]
        return f"{params['prompt']} · seed {params['seed']}"
    except Exception:  # a plot, a damaged recipe, a bomb: no caption is worth the others' run
        return path.stem


def _shown(run: NotebookRun) -> Iterator[tuple[bytes, str]]:
    """Yield the pictures in the outputs of the executed copy, with their alt texts."""
    if run.executed is None or not run.executed.is_file():
        return
    for cell in read_notebook(run.executed).cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                finder = _Images()
                finder.feed(str(data["text/html"]))
                yield from finder.found
            elif "image/png" in data:
                yield _bytes(str(data["image/png"])), ""


class _Images(HTMLParser):
    """Collect the PNG pictures that stand inside an HTML output itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[bytes, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        head, _, data = (values.get("src") or "").partition(",")
        if tag == "img" and head == "data:image/png;base64":
            self.found.append((_bytes(data), values.get("alt") or ""))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _decoded(data: bytes, caption: str) -> tuple[str, Picture | None]:
    """Return a key made of size and pixels, and the picture, or None for a damaged one."""
    from PIL import Image

    try:
        width, height = _size(data) or (0, 0)
        if not width:
            return "", None
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            pixels = image.convert("RGBA").tobytes()
    except Exception:  # Pillow's readers fail on damaged data in many ways
        return "", None
    key = hashlib.sha256(f"{width} {height} ".encode() + pixels).hexdigest()
    return key, Picture(data, width, height, caption)


def _size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that a PNG says it has, or None if it cannot be shown."""
    if len(data) < 24 or not data.startswith(b"\x89PNG"):
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if 0 < width * height <= LARGEST_PICTURE else None
