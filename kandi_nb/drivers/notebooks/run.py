"""Find the workbook's notebooks, check their parameters and run them, one or all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...words.bounds import whole
from ...words.errors import KandiError, did_you_mean, quote, warn
from ...words.extras import check_extra
from ...words.files import expand_path
from .reading.parameters import defaults, from_pairs, parameters_of_each
from .runs.headless import NotebookFailed, NotebookRun
from .runs.jobs import Job, check_folders, summary
from .runs.kernels import stop_kernels

__all__ = [
    "NotebookFailed", "NotebookRun", "defaults", "find", "from_text", "notebook_paths",
    "run_notebook", "run_notebooks",
]  # fmt: skip

CELL_TIMEOUT = 600.0  # seconds
AT_ONCE = 2  # notebooks: each keeps about one core busy


def own_folder() -> Path:
    """Return where the workbook's own notebooks are: in a clone, or in an installed package."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def work_root() -> Path:
    """Return where the folder of working copies stands: beside the notebooks in a clone."""
    place = folder()
    installed = place.samefile(own_folder()) and place.parent.name == "kandi_nb"
    return Path.cwd() if installed and (place.parent / "cli.py").is_file() else place.parent


def folder() -> Path:
    """Return the notebooks folder: the one in the working directory, or the clone's own."""
    for place in (Path.cwd() / "notebooks", own_folder()):
        if place.is_dir():
            return place.resolve()
    raise KandiError("there is no folder notebooks here; go to your clone of the workbook")


def foreign() -> str:
    """Return which folder is in use when the workbook's own is not it, else nothing."""
    used, own = folder(), own_folder()
    if not own.is_dir() or used.samefile(own):
        return ""
    return f"the notebooks are those in {used}, not the workbook's own in {own}"


def notebook_paths() -> list[Path]:
    """Return the notebooks in teaching order, without the solutions."""
    return sorted(folder().glob("[0-9][0-9]_*.ipynb"))


def find(which: str | os.PathLike | int) -> Path:
    """Return the path of a notebook named by path, name or number: "03", 3, "solutions/03".

    Raises KandiError that lists the notebooks.
    """
    if not isinstance(which, (int, str, os.PathLike)):
        raise KandiError(
            f'name a notebook by number, name or path, such as "03", not {quote(which)}'
        )
    text = os.fsdecode(str(which) if isinstance(which, int) else which)
    # What is no path at all, such as ~nobody or a name of 300 letters, is no notebook either.
    with suppress(KandiError, OSError):
        path = expand_path(text)
        if path.suffix == ".ipynb" and path.is_file():
            return path.resolve()
    stem = text.removesuffix(".ipynb")
    head, _, last = stem.rpartition("/")
    group = folder() / "solutions" if head == "solutions" else folder()
    numbered = bool(re.fullmatch(r"[0-9]{1,2}", last))
    found = [
        path
        for path in sorted(group.glob("[0-9][0-9]_*.ipynb"))
        if head in ("", "solutions")
        and (path.name.startswith(f"{last:0>2}_") if numbered else path.stem == last)
    ]
    if len(found) == 1:
        return found[0]
    known = [path.stem for path in notebook_paths()]
    hint = did_you_mean(last, known)
    problem = "fits several notebooks" if found else "is no notebook"
    where = f" in {folder()}" if foreign() else ""
    names = ", ".join(known) or "none"
    raise KandiError(f"{quote(text)} {problem}; {hint}known{where}: {names}")


def run_notebook(
    which: str | os.PathLike | int,
    parameters: Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike = "outputs",
    timeout: float = CELL_TIMEOUT,
) -> NotebookRun:
    """Run one notebook without a browser and return how it went.

    `which` is a path, a name or a number ("03"). `parameters` replace values of the cell
    tagged parameters; their names and types are checked first. The executed copy is
    `<out>/<notebook>/<notebook>.ipynb`, also after an error, and pictures go beside it.
    `timeout` is in seconds for each cell. Raises KandiError for bad input and NotebookFailed
    when a cell fails, also where a widget or a thread hides the error.
    """
    run = run_notebooks([which], parameters, out=out, timeout=timeout)[0]
    if not run.ok:
        raise NotebookFailed(run)
    return run


def run_notebooks(
    which: Sequence[str | os.PathLike | int] | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike = "outputs",
    timeout: float = CELL_TIMEOUT,
    at_once: int = AT_ONCE,
    progress: Callable[[str], None] | None = None,
) -> list[NotebookRun]:
    """Run several notebooks (default: all), `at_once` at a time, each in its own kernel.

    Each takes of the `parameters` what it has, and a warning says which lack one; a name that
    none has is an error. `progress` hears, about five times a second, one line on what is being
    done. Failures do not stop the others and are not raised. Raises KandiError for bad input
    before any runs.
    """
    check_extra("notebook", "running notebooks", "papermill", "jupyter_client", "ipykernel")
    if isinstance(which, (int, str, os.PathLike)):
        which = [which]
    paths = [find(one) for one in which] if which is not None else notebook_paths()
    if not paths:
        raise KandiError(f"there are no notebooks in {folder()}; check out the clone again")
    whole("at_once", at_once, 1, says="at_once must be a whole number from 1")
    # No limit is a limit, too: infinity, and numbers that no float holds.
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise KandiError(f"timeout must be seconds above 0, not {quote(timeout)}")
    root = output_folder(out)
    each = parameters_of_each(paths, {} if parameters is None else parameters)
    jobs = [Job(path, values, root) for path, values in zip(paths, each, strict=True)]
    check_folders(jobs)
    if len(jobs) > 1 and "OUT" in (parameters or {}):
        raise KandiError("OUT can be given to one notebook only; choose their folder with out")
    try:
        for job in jobs:
            job.prepare()
        by_name = which is None or not all(str(one).endswith(".ipynb") for one in which)
        if by_name and foreign():
            warn(foreign())
        _run_all(jobs, timeout, at_once, progress)
    finally:
        for job in jobs:
            job.release()
    return [job.result for job in jobs]


def output_folder(out: str | os.PathLike) -> Path:
    """Return the absolute path of a folder for outputs; KandiError if none can be there."""
    try:
        return expand_path(out).resolve()
    except (KandiError, OSError) as error:
        raise KandiError(
            f'out must be a folder to write to, such as "outputs": {error}'
        ) from None


def _run_all(
    jobs: list[Job], timeout: float, at_once: int, progress: Callable[[str], None] | None
) -> None:
    with ThreadPoolExecutor(at_once) as pool:
        waiting = {pool.submit(job.run, timeout) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if progress:
                    progress(summary(jobs))
        except BaseException:  # most of all a keyboard interrupt
            pool.shutdown(wait=False, cancel_futures=True)
            stop_kernels()
            raise


def from_text(which: str | os.PathLike | int, pairs: Sequence[str]) -> dict[str, Any]:
    """Return parameters from words such as "SEED=7", typed as the notebook's defaults are."""
    return from_pairs(pairs, defaults(find(which)))
