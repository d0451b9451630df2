"""The notebooks' prose in other languages: message files beside them; the code stays as it is.

`notebooks/messages/<language>/<number>.json` maps the mark of an English cell to its
translation. A cell that changed has another mark: it is shown in English until somebody
translates it anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ....words.errors import KandiError, quote

FOLDER = "messages"  # in the folder of notebooks


def mark(source: str) -> str:
    """Return what a cell's English prose is known by."""
    return hashlib.sha256(source.strip().encode()).hexdigest()[:12]


def languages(notebooks: Path) -> list[str]:
    """Return the languages that there are message files for, "en" first."""
    return ["en", *sorted(p.name for p in (notebooks / FOLDER).glob("*") if p.is_dir())]


def messages(notebooks: Path, language: str, number: str) -> dict[str, str]:
    """Return mark → translation for a notebook, nothing where nobody has translated it."""
    file = notebooks / FOLDER / language / f"{number}.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def check_language(notebooks: Path, language: str) -> str:
    """Return a language that there is; raise KandiError for others."""
    known = languages(notebooks)
    if language not in known:
        raise KandiError(f"language is one of {', '.join(known)}, not {quote(language)}")
    return language


def translate(source: Path, notebooks: Path, language: str) -> bytes:
    """Return a file as it reads in a language: of a notebook the prose, nothing of the code."""
    data = source.read_bytes()
    if language == "en" or source.suffix != ".ipynb" or source.parent != notebooks:
        return data
    said = messages(notebooks, language, source.name[:2])
    notebook = json.loads(data)
    for cell in notebook["cells"]:
        if text := said.get(mark(_prose(cell))):
            cell["source"] = text.splitlines(keepends=True)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def state(notebook: Path, language: str) -> tuple[int, int, int]:
    """Return how many cells are translated, how many are missing, how many messages stale."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    marks = {mark(_prose(cell)) for cell in cells} - {mark("")}
    known = messages(notebook.parent, language, notebook.name[:2]).keys()
    return len(marks & known), len(marks - known), len(known - marks)


def _prose(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
