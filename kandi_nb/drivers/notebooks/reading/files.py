"""Read notebook files, whatever is wrong with them, and number their cells as written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ....words.errors import KandiError, line_of, shorten
from ....words.extras import check_extra

if TYPE_CHECKING:
    from nbformat import NotebookNode

INJECTED = "injected-parameters"
# Papermill adds two cells after an error: one on top, one right before the cell that failed.
ADDED = {INJECTED, "papermill-error-cell-tag"}


def read_notebook(path: Path) -> NotebookNode:
    """Return a notebook of any age in today's format.

    Raises KandiError when the file is damaged, empty or written in another language.
    """
    check_extra("notebook", "reading notebooks", "nbformat")
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.cell_type, cell.source.splitlines(), cell.metadata.get("tags", ())
        language = _language(notebook)
    except Exception as error:  # a reader of any JSON fails in any way
        raise KandiError(
            f"{path} is no notebook that can be read ({shorten(line_of(error), 140)}); "
            "restore it, or save it anew in JupyterLab"
        ) from None
    if not notebook.cells:
        raise KandiError(f"{path} has no cells; there is nothing to run")
    if not language.casefold().startswith(("python", "ipython")):
        raise KandiError(f"{path} is written in {language}; only Python notebooks run here")
    return notebook


def _language(notebook: NotebookNode) -> str:
    metadata = notebook.metadata
    return str(
        metadata.get("kernelspec", {}).get("language")
        or metadata.get("language_info", {}).get("name")
        or "python"
    )


def cells_tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """Return the code cells with a tag."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and tag in cell.metadata.get("tags", ())
    ]


def number(notebook: NotebookNode, position: int) -> int:
    """Return the number, from 1, that the cell at a position has in the notebook as written."""
    before = notebook.cells[:position]
    return sum(not ADDED & set(cell.metadata.get("tags", ())) for cell in before)
