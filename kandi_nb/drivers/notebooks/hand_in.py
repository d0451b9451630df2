"""A folder of notebooks that were handed in: run each with our checks, and make a table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ...words.errors import KandiError, line_of, quote, shorten
from ...words.files import expand_path, refuse_device
from ...words.tables import Table
from .run import find, run_notebooks

_NUMBER = re.compile(r"(\d\d)_\w*\.ipynb")
CHECK, EXERCISE = "check", "exercise"


def hand_in(
    folder: str | os.PathLike,
    *,
    out: str | os.PathLike = "outputs/handed-in",
    timeout: float = 600.0,
) -> Table:
    """Run notebooks that learners handed in; return a table, a row each.

    In `folder` lies a folder a learner with notebooks of the workbook, known by their numbers
    (or notebooks called 03_multilingual_prompts_anna.ipynb). Each runs on a copy in whose
    place of the check cell stands our own. `passed` says whether it ran through, `exercises`
    how many of its exercises differ from their start, `why` which check failed. The code runs
    here, with your rights: take a container for those whom you do not know. Raises KandiError.
    """
    root = expand_path(folder)
    if not root.is_dir():
        raise KandiError(f"{quote(folder)} is no folder of notebooks that were handed in")
    given = [path for path in sorted(root.rglob("*.ipynb")) if _NUMBER.fullmatch(path.name)]
    given = [path for path in given if ".ipynb_checkpoints" not in path.parts]
    made = expand_path(out).resolve()  # may lie inside, with the copies of an earlier call
    given = [path for path in given if made not in path.resolve().parents]
    if not given:
        raise KandiError(
            f"{root} has no notebooks whose names begin with a number, such as 03_….ipynb"
        )
    rows = []
    for path in given:
        learner = path.parent.relative_to(root).as_posix() if path.parent != root else path.stem
        row = {"learner": learner, "notebook": path.name[:2]}
        rows.append({**row, **_verdict(path, learner, out, timeout)})
    return Table(rows, note=f"{sum(row['passed'] for row in rows)} of {len(rows)} passed")


def _verdict(path: Path, learner: str, out: Any, timeout: float) -> dict[str, Any]:
    import nbformat

    place = expand_path(out) / learner
    place.mkdir(parents=True, exist_ok=True)
    copy = place / f"{path.stem}.ipynb"
    try:
        own = nbformat.read(find(path.name[:2]), as_version=4)
        refuse_device(path, path.name, "a notebook")
        theirs = nbformat.read(path, as_version=4)
        changed, count = exercises(own, theirs)
        nbformat.write(with_own_checks(own, theirs), copy)
    except Exception as error:  # of theirs, which may hold anything: others go on
        why = shorten(f"no notebook: {line_of(error)}", 200)
        return {"passed": False, "exercises": "", "why": why}
    (run,) = run_notebooks([copy], out=place / "run", timeout=timeout)
    why = "" if run.ok else " ".join(str(run.error or "").split())[:200]
    return {"passed": run.ok, "exercises": f"{changed} of {count}", "why": why}


def cells_with(notebook: Any, tag: str) -> list[Any]:
    """Return the cells of a notebook that have a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


def exercises(own: Any, theirs: Any) -> tuple[int, int]:
    """Return how many exercises differ from how they start, and how many there are."""
    starts = {cell.source.strip() for cell in cells_with(own, EXERCISE)}
    left = starts & {cell.source.strip() for cell in theirs.cells}
    return len(starts) - len(left), len(starts)


def with_own_checks(own: Any, theirs: Any) -> Any:
    """Return a learner's notebook with our check cell, whatever they made of theirs."""
    kept = [cell for cell in theirs.cells if CHECK not in cell.metadata.get("tags", ())]
    theirs.cells = [*kept, *cells_with(own, CHECK)]
    return theirs
