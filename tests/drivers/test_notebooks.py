"""Every notebook and solution runs on the bundled model; the judge reads the pictures."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from kandi_nb.drivers.notebooks.run import defaults, run_notebook
from kandi_nb.pictures.masks import Mask
from kandi_nb.pictures.recipe import inputs_in, recipe
from kandi_nb.words.errors import KandiError

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
EXPECTED = 19  # notebooks, and as many solutions

# Notebooks sweep settings on purpose; only pictures made with usual ones are judged.
USUAL_STEPS = 20
USUAL_GUIDANCE = (3.0, 6.0)
RIGHT = 0.8  # of what was said: the full sweep asks for more, over many more pictures


def test_the_notebooks_are_all_there():
    assert len(NOTEBOOKS) == len(SOLUTIONS) == EXPECTED


def name_of(path):
    return path.relative_to(FOLDER).with_suffix("").as_posix()


EVERY = [*NOTEBOOKS, *SOLUTIONS]


@pytest.mark.parametrize("path", EVERY, ids=name_of)
def test_it_runs_and_draws_what_was_asked(path, tmp_path):
    model = {"MODEL": "mini-2.2"} if "MODEL" in defaults(path) else {}
    run = run_notebook(path, model, out=tmp_path, timeout=180)
    assert run.ok and run.notebook == name_of(path)

    executed = nbformat.read(run.executed, as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count for cell in code), "every cell was run"
    stored = executed.metadata.get("widgets", {})
    assert not stored, "a progress bar or button was left in the saved notebook"
    if path.parent == FOLDER:
        assert run.pictures > 0, "a notebook without a picture"
        assert run.saved or path.name.startswith("00"), "save one: it holds the recipe"
    judged = assert_right(run.saved)
    assert judged or path.name[:2] not in ("01", "03"), "a picture of usual settings is saved"


def seen_in(path, words):
    """Leave out of a prompt's words what the kept part of a repainted picture answers for."""
    mask = inputs_in(path).get("mask")
    if mask is None:
        return words
    kept = {"object"} if words.get("object") == "nothing" else set()
    if Mask(mask).area < 0.5:
        kept.add("place")  # most of the old place still shows
    return {what: word for what, word in words.items() if what not in kept}


def assert_right(paths):
    """Let the judge compare pictures of usual settings with their prompts; return how many."""
    from PIL import Image

    from kandi_nb.mini import captions, judge

    said, seen = [], []
    for path in paths:
        try:
            params = recipe(path)["params"]
        except KandiError:
            continue  # a plot
        low, high = USUAL_GUIDANCE
        if not params["prompt"]:
            continue  # drawn from an embedding: the notebook's own check looks at it
        if params["steps"] >= USUAL_STEPS and low <= params["guidance"] <= high:
            said.append(seen_in(path, captions.expects(params["prompt"])))
            with Image.open(path) as picture:
                seen.append(picture.convert("RGB"))
    if not seen:
        return 0
    readings = judge.read(seen)
    right = [
        fits
        for reading, words in zip(readings, said, strict=True)
        for fits in reading.agrees(**words).values()
    ]
    assert right, "the prompts of the saved pictures say nothing that the judge knows"
    assert sum(right) / len(right) >= RIGHT, list(zip(said, readings, strict=True))
    return len(seen)
