"""A page of a batch's latest pictures, beside them; it needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....words.fields import FIELDS
from ....words.files import write
from ...notebooks.runs.gallery import SHOWN_AT_LEAST, STYLE
from .index import latest, names

PAGE = "index.html"
MOST = 1000  # pictures on the page: beyond that browsers grow slow
# Nothing runs, and no picture comes from elsewhere, whatever a prompt may have smuggled in.
POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"


def write_page(folder: Path) -> Path:
    """Write the page of a folder's latest pictures, newest first; return its path."""
    shown = latest(folder, MOST)
    count = sum(1 for _ in names(folder))
    more = "" if count <= len(shown) else f" The latest {len(shown)} of {count} are here."
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{count} pictures</title><style>{STYLE}</style></head>\n"
        f"<body><header><h1>{count} pictures</h1>\n<p>Click a picture for its file, in which "
        f"its recipe is.{more}</p></header>\n"
        f'<main class="pictures">\n{chr(10).join(map(_figure, shown))}\n</main></body></html>\n'
    )
    data = page.encode("utf-8", "xmlcharrefreplace")
    return write(folder / PAGE, data, overwrite=True)


def _figure(entry: Mapping[str, Any]) -> str:
    file, prompt = entry["file"], str(entry.get("prompt") or entry["task"])
    side = max(entry.get("width") or 512, entry.get("height") or 512)
    large = ' class="large"' if side > SHOWN_AT_LEAST else ""
    width = f' width="{SHOWN_AT_LEAST}"'
    return (
        f'<figure><a href="{file}"><img{large} src="{file}" loading="lazy"{width} '
        f'alt="drawn by {html.escape(str(entry["model"]))}"></a>'
        f'<figcaption dir="auto">{html.escape(prompt)}{html.escape(_settings(entry))}'
        "</figcaption></figure>"
    )


def _settings(entry: Mapping[str, Any]) -> str:
    """Return the seed, and the settings that are not the usual ones."""
    changed = [
        f"{name.replace('_', ' ')} {entry[name]}"
        for name, setting in FIELDS.items()
        if name not in ("prompt", "seed", "width", "height")
        and entry.get(name, setting.default) != setting.default
    ]
    return " · ".join(["", f"seed {entry.get('seed')}", *changed])
