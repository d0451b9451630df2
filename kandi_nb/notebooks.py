"""Find the workbook's notebooks, check their parameters and run them, one or all."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import gallery
from .errors import KandiError, nearest, shown
from .headless import NotebookFailed, NotebookRun, execute, stop_kernels
from .registry import SPECS
from .writing import expanded, writable

__all__ = ["NotebookFailed", "NotebookRun", "find", "listed", "run_notebook", "run_notebooks"]

CELL_TIMEOUT = 600.0  # seconds
AT_ONCE = 2  # notebooks: each keeps about one core busy


def folder() -> Path:
    """Return the notebooks folder: the one in the working directory, or the clone's own."""
    clone = Path(__file__).resolve().parent.parent
    for place in (Path.cwd() / "notebooks", clone / "notebooks"):
        if place.is_dir():
            return place.resolve()
    raise KandiError("there is no folder notebooks here; go to your clone of the workbook")


def listed() -> list[Path]:
    """Return the notebooks in teaching order, without the solutions."""
    return sorted(folder().glob("[0-9][0-9]_*.ipynb"))


def find(which: str | os.PathLike | int) -> Path:
    """Return the path of a notebook named by path, name or number: "03", 3, "solutions/03".

    Raises KandiError that lists the notebooks.
    """
    if not isinstance(which, (int, str, os.PathLike)):
        raise KandiError(
            f'name a notebook by number, name or path, such as "03", not {which!r}'
        )
    text = str(which) if isinstance(which, int) else os.fspath(which)
    given = expanded(text)
    if given.suffix == ".ipynb" and given.is_file():
        return given.resolve()
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
    known = [path.stem for path in listed()]
    close = nearest(last, known)
    hint = f"did you mean {close}? " if close else ""
    problem = "fits several notebooks" if found else "is no notebook"
    raise KandiError(f"{text!r} {problem}; {hint}known: {', '.join(known) or 'none'}")


def defaults(path: Path) -> dict[str, Any]:
    """Return name → default of a notebook's parameters, in their order.

    Raises KandiError when the notebook cannot be read or a default is no literal.
    """
    import nbformat
    import papermill

    try:
        # Papermill's own reading: what it does not find here, it would not replace either.
        names = list(papermill.inspect_notebook(str(path))) if _tagged(path) else []
        source = "\n".join(_tagged(path))
        tree = ast.parse(source)
        values = {
            statement.targets[0].id: ast.literal_eval(statement.value)
            for statement in tree.body
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        }
    except (SyntaxError, ValueError, nbformat.reader.NotJSONError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise KandiError(f"{path} has no readable parameters ({reason})") from None
    return {name: values.get(name) for name in names}


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

    `progress` hears, about five times a second, one line on what is being done. Failures do
    not stop the others and are not raised. Raises KandiError for bad input before any runs.
    """
    paths = [find(one) for one in which] if which is not None else listed()
    if not paths:
        raise KandiError(f"there are no notebooks in {folder()}; check out the clone again")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise KandiError(f"timeout must be seconds above 0, not {shown(timeout)}")
    jobs = [_Job(path, parameters or {}, expanded(out).resolve()) for path in paths]
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        waiting = {pool.submit(job.run, timeout) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if progress:
                    progress(_summary(jobs))
        except BaseException:  # most of all a keyboard interrupt
            pool.shutdown(wait=False, cancel_futures=True)
            stop_kernels()
            raise
    return [job.result for job in jobs]


class _Job:
    """One notebook on its way; made, and so checked, before any notebook runs."""

    def __init__(self, path: Path, parameters: Mapping[str, Any], out: Path) -> None:
        self.path = path
        self.name = _key(path)
        known = defaults(path)
        self.parameters = {
            name: _checked(path, name, value, known) for name, value in parameters.items()
        }
        self.folder = writable(out / self.name)
        if "OUT" in known and "OUT" not in self.parameters:
            self.parameters["OUT"] = str(self.folder)
        model = {**known, **self.parameters}.get("MODEL")
        # A second thread slows the small bundled model down; a published one needs them all.
        self.threads = 1 if model in SPECS and SPECS[model].bundled else None
        self.state = "waits"
        self.result = NotebookRun(self.name)

    def run(self, timeout: float) -> None:
        before = set(self.folder.rglob("*.png"))
        self.state = "starts"
        self.result = execute(
            self.path,
            self.folder / self.path.name,
            self.parameters,
            name=self.name,
            timeout=timeout,
            threads=self.threads,
            on_cell=self._note,
        )
        new = set(self.folder.rglob("*.png")) - before
        self.result.saved = sorted(new, key=lambda path: (path.stat().st_mtime_ns, path))
        self.result.pictures = len(gallery.pictures(self.result))
        self.state = self.result.status

    def _note(self, cell: int, cells: int) -> None:
        self.state = f"{cell}/{cells}"


def _summary(jobs: list[_Job]) -> str:
    """Return one line: how many are done, and where the running ones are."""
    done = sum(job.state in ("ok", "failed") for job in jobs)
    active = [
        f"{job.name} {job.state}" for job in jobs if job.state not in ("waits", "ok", "failed")
    ]
    return " · ".join([f"{done}/{len(jobs)} done", *active])


def _key(path: Path) -> str:
    """Return a notebook's name in the outputs folder: solutions keep their own sub-folder."""
    return f"solutions/{path.stem}" if path.parent.name == "solutions" else path.stem


def _tagged(path: Path) -> list[str]:
    import nbformat

    cells = nbformat.read(path, as_version=4).cells
    return [c.source for c in cells if "parameters" in c.metadata.get("tags", ())]


def _checked(path: Path, name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """Return the value if the notebook has such a parameter of such a type."""
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean {close}? " if close else ""
        names = ", ".join(known) or "none"
        raise KandiError(f"{path.stem} has no parameter {name!r}; {hint}known: {names}")
    default = known[name]
    if default is None or value is None:
        fits = default is None or default == value
    elif isinstance(default, float):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif isinstance(default, (list, tuple)):
        fits = isinstance(value, (list, tuple))
    else:
        # type() and not isinstance: True is no whole number here.
        fits = type(value) is type(default)
    if not fits:
        raise KandiError(
            f"{name} of {path.stem} must be like {shown(default)}, not {shown(value)}"
        )
    return value


def from_text(which: str | os.PathLike | int, pairs: Sequence[str]) -> dict[str, Any]:
    """Return parameters from words such as "SEED=7", typed as the notebook's defaults are."""
    known = defaults(find(which))
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise KandiError(f"write parameters as NAME=value, not {shown(pair)}")
        name = name.strip()
        values[name] = text
        if not isinstance(known.get(name), str):
            # What is no literal stays text: the type check says what is wrong with it.
            with suppress(ValueError, SyntaxError):
                values[name] = ast.literal_eval(text)
    return values
