"""Write a notebook that follows the workbook's anatomy, and its solutions, to be filled in.

The templates run as they stand, and their prose says what belongs where.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...words.errors import KandiError, quote
from ...words.files import writable, write
from .run import folder

TEMPLATES = Path(__file__).parent / "templates"
STEM, TITLE, INDEX = "00_new_notebook", "New notebook", "../README.md#notebooks"


def new_notebook(name: str, into: str | os.PathLike | None = None) -> list[Path]:
    """Write `<into>/<name>.ipynb` and `<into>/solutions/<NN>_solutions.ipynb`; return both.

    `into` is the notebooks folder in use by default. Raises KandiError for a name that is not
    like "05_my_masks", and when one of the files exists.
    """
    stem = name.removesuffix(".ipynb") if isinstance(name, str) else ""
    if not re.fullmatch(r"[0-9]{2}(_[a-z0-9]+)+", stem) or len(stem) > 100:
        raise KandiError(
            f"a notebook is called NN_name, such as 05_my_masks, not {quote(name)}"
        )
    place = writable(folder() if into is None else into)
    paths = [place / f"{stem}.ipynb", place / "solutions" / f"{stem[:2]}_solutions.ipynb"]
    for path in paths:
        if path.exists():
            raise KandiError(f"{path} exists; take another number or name")
    return [
        write(path, _fill_in(template, stem, place).encode("utf-8"))
        for path, template in zip(paths, ("notebook", "solutions"), strict=True)
    ]


def _fill_in(template: str, stem: str, place: Path) -> str:
    """Return a template with the new notebook's name, number and title in place of its own."""
    text = (TEMPLATES / f"{template}.ipynb").read_text(encoding="utf-8")
    number, _, words = stem.partition("_")
    title = words.replace("_", " ").capitalize()
    for old, new in (
        (STEM, stem),
        (f"{STEM[:2]}_solutions", f"{number}_solutions"),
        (f"{STEM[:2]} · ", f"{number} · "),
        (TITLE, title),
    ):
        text = text.replace(old, new)
    # Outside a clone there is no index to link to.
    return (
        text if (place.parent / "README.md").is_file() else text.replace(INDEX, f"{stem}.ipynb")
    )
