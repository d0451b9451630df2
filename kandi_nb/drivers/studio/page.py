"""The page that Voilà serves: the cells of the studio, with what the command says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...words.models import SPECS

TEMPLATES = Path(__file__).parent / "page"
NAME = "studio.ipynb"
# The cells of notebook 17, too: a test compares them.
CELLS = (
    "import kandi_nb as kn",
    "k = kn.Client(SERVICE) if SERVICE else kn.load(MODEL)",
    "studio = kn.studio(k, folder=OUT)\nstudio",
)
# What a visitor would wait for most: imports, and a bundled model read into the system's cache.
WARM = "import kandi_nb.drivers.studio.studio, kandi_nb.drivers.panels.view, anywidget"


def warm_code(parameters: Mapping[str, Any]) -> str:
    """Return what a kernel runs before its visitor comes.

    Published weights are left alone: they would fill the memory for nobody.
    """
    if parameters["SERVICE"]:
        return WARM
    load = f"kandi_nb.load({parameters['MODEL']!r}, **{parameters.get('LOADING', {})!r})"
    known = SPECS.get(parameters["MODEL"])
    return f"{WARM}, torch, diffusers\n{load if known and known.bundled else ''}"


def page(folder: Path, parameters: Mapping[str, Any]) -> Path:
    """Write the page as a notebook into a folder; return its path."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    first, *others = CELLS
    if "LOADING" in parameters:
        others = [cell.replace("load(MODEL)", "load(MODEL, **LOADING)") for cell in others]
    if "OTHERS" in parameters:
        several = "models=[kn.Client(url) for url in OTHERS], folder=OUT"
        others = [cell.replace("folder=OUT", several) for cell in others]
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
