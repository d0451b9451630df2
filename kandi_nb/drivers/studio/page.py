"""The page that Voilà serves: the cells of the studio, with what the command says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "page"
NAME = "studio.ipynb"
# The cells of notebook 17, too: a test compares them.
CELLS = (
    "import kandi_nb as kn",
    "k = kn.Client(SERVICE) if SERVICE else kn.load(MODEL)",
    "studio = kn.studio(k, folder=OUT)\nstudio",
)
# What takes a kernel long is done before its visitor comes: two thirds of it is importing.
WARM = """
import kandi_nb.drivers.studio.studio, kandi_nb.drivers.panels.view, ipywidgets, anywidget
"""
WARM_MODEL = "import torch, diffusers, transformers\n"


def page(folder: Path, parameters: Mapping[str, Any]) -> Path:
    """Write the page as a notebook into a folder; return its path."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    first, *others = CELLS
    values = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in (first, values, *others)])
    notebook.metadata.title = "Kandinsky studio"
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, folder / NAME)
    return folder / NAME
