"""Collect the pictures that a notebook run saved and showed, with what is known of each."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....pictures.recipe import CHUNK
from ....words.errors import KandiError
from ....words.fields import FIELDS
from ..reading.files import read_notebook

if TYPE_CHECKING:
    from .headless import NotebookRun

# A larger picture, or one that unpacks to more, would make a page that no browser opens.
LARGEST_FILE = 32 * 2**20  # bytes
LARGEST_PICTURE = 36_000_000  # pixels: 6000 × 6000


@dataclass(frozen=True)
class Picture:
    """Hold one picture of a run as a PNG file's bytes, with its size and what to say of it.

    `alt` describes it to who cannot see it, beside the caption. `recipe` is None for what no
    model drew; `file` for what was shown only.
    """

    png: bytes
    width: int
    height: int
    caption: str
    alt: str = ""
    recipe: Mapping[str, Any] | None = None
    file: Path | None = None


def pictures(run: NotebookRun) -> list[Picture]:
    """Return the pictures a run saved and showed, each once: same pixels are one picture.

    Saved files come first, because they can be opened and drawn again. Damaged files, and
    those too large for a page, are left out. Never raises.
    """
    kept: dict[str, Picture] = {}
    for data, caption, alt, file in [*_saved_files(run), *_output_pictures(run)]:
        pixels, picture = _read_picture(data, caption, alt, file)
        if picture is not None:
            kept.setdefault(pixels, picture)
    return list(kept.values())


def _saved_files(run: NotebookRun) -> Iterator[tuple[bytes, str, str, Path]]:
    for path in run.saved:
        try:
            if path.stat().st_size <= LARGEST_FILE:
                yield path.read_bytes(), path.stem, "", path
        except OSError:
            continue  # gone since the run


def _output_pictures(run: NotebookRun) -> Iterator[tuple[bytes, str, str, None]]:
    """Yield the pictures in the outputs of the executed copy, with their captions."""
    if run.executed is None or not run.executed.is_file():
        return
    heading = run.notebook
    try:
        cells = read_notebook(run.executed).cells
    except KandiError:  # damaged since the run
        return
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ +(.+)$", cell.source, re.MULTILINE)
            heading = headings[-1] if headings else heading
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                finder = _Images()
                finder.feed(str(data["text/html"]))
                for png, label in finder.found:
                    yield png, label or heading, "", None
            elif "image/png" in data:
                last = [line for line in cell.source.splitlines() if line.strip()][-1:]
                alt = f"plot or picture that {last[0].strip()} shows" if last else ""
                yield _bytes(str(data["image/png"])), heading, alt, None


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


def _read_picture(
    data: bytes, caption: str, alt: str, file: Path | None
) -> tuple[str, Picture | None]:
    """Return a key made of size and pixels, and the picture, or None for a damaged one."""
    from PIL import Image

    size = _size(data)
    if size is None:
        return "", None
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            pixels = image.convert("RGBA").tobytes()
            made = _recipe(image.info.get(CHUNK) or image.text.get(CHUNK))
    except Exception:  # Pillow's readers fail on damaged data in many ways
        return "", None
    key = hashlib.sha256(f"{size} ".encode() + pixels).hexdigest()
    if made is not None:
        caption = _caption(made["params"])
        alt = f"drawn by {made['model']}"
    return key, Picture(data, *size, caption, alt or "painted or computed picture", made, file)


def _size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that a PNG says it has, or None if it cannot be shown."""
    # Before Pillow sees it: what it says of bombs would go to the others' run.
    if len(data) < 24 or not data.startswith(b"\x89PNG"):
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if 0 < width * height <= LARGEST_PICTURE else None


def _caption(params: Mapping[str, Any]) -> str:
    """Return prompt and seed, and which other settings are not the usual ones."""
    changed = [
        f"{name.replace('_', ' ')} {params[name]}"
        for name, setting in FIELDS.items()
        if name not in ("prompt", "seed", "count")
        and params.get(name, setting.default) != setting.default
    ]
    return " · ".join([params["prompt"], f"seed {params['seed']}", *changed])


def _recipe(text: str | None) -> Mapping[str, Any] | None:
    """Return what a picture says of itself, as far as the page needs it, or None."""
    try:
        made = json.loads(text or "null")
        known = isinstance(made["params"]["prompt"], str) and isinstance(made["model"], str)
        return made if known and isinstance(made["params"]["seed"], int) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
