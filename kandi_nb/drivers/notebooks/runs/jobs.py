"""One notebook on its way through a run: checked first, alone in its folder, then counted."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....words.errors import KandiError, line_of
from ....words.files import writable
from ....words.models import SPECS
from ..reading.parameters import check_parameters, defaults
from .gallery import pictures
from .headless import NotebookRun, execute

if TYPE_CHECKING:
    from filelock import FileLock

ENDS = ("ok", "skipped", "failed")
GALLERY = "gallery.html"  # stands beside the folders of the notebooks


class Job:
    """One notebook on its way; made, and so checked, before any notebook runs."""

    def __init__(self, path: Path, parameters: Mapping[str, Any], root: Path) -> None:
        self.path = path
        self.name = _key(path)
        known = defaults(path)
        self.parameters = check_parameters(path, parameters, known)
        self.folder = root / self.name
        self.watched = [self.folder]
        if "OUT" in self.parameters:  # as the notebook sees it: from where it lies
            self.watched.append(path.parent / str(self.parameters["OUT"]))
        elif "OUT" in known:
            self.parameters["OUT"] = str(self.folder)
        self.parameters |= _absolute(self.parameters)
        model = self.parameters.get("MODEL", known.get("MODEL"))
        # With its own model a notebook lacks nothing: what says so then is a defect.
        self.may_lack = model != known.get("MODEL")
        # A second thread slows the small bundled model down; a published one needs them all.
        small = isinstance(model, str) and model in SPECS and SPECS[model].bundled
        self.threads = 1 if small else None
        self.state = "waits"
        self.result = NotebookRun(self.name)
        self.lock: FileLock | None = None

    def prepare(self) -> None:
        """Make sure that its files can be written, and keep other runs from its folder."""
        from filelock import FileLock, Timeout

        writable(self.folder)
        key = hashlib.sha256(self.name.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        # Beside the folder, which holds only what the notebook made.
        self.lock = FileLock(self.folder.parent / f".{key}.lock", thread_local=False)
        try:
            self.lock.acquire(timeout=0)
        except (Timeout, OSError):
            raise KandiError(
                f"another run of {self.name} writes to {self.folder}; wait for it, or choose "
                "another folder with out"
            ) from None

    def release(self) -> None:
        if self.lock is not None:
            self.lock.release()

    def run(self, timeout: float) -> None:
        """Execute the notebook and count its pictures; never raises."""
        self.state = "starts"
        try:
            self._run(timeout)
        except Exception as error:  # others are running: whatever it is, it is this one's fault
            self.result.status = "failed"
            self.result.error = self.result.error or line_of(error)
        self.state = self.result.status

    def _run(self, timeout: float) -> None:
        before = self._pictures()
        self.result = execute(
            self.path,
            self.folder / self.path.name,
            self.parameters,
            name=self.name,
            timeout=timeout,
            threads=self.threads,
            may_lack=self.may_lack,
            on_cell=self._note,
        )
        after = self._pictures()
        written = [path for path in after if after[path] != before.get(path)]
        self.result.saved = sorted(written, key=lambda path: (after[path], path))
        self.result.pictures = len(pictures(self.result))

    def _pictures(self) -> dict[Path, tuple[int, ...]]:
        """Return the PNG files in its folders, each with what changes when it is written."""
        signs = {}
        for folder in self.watched:
            for path in folder.rglob("*.png"):
                with suppress(OSError):  # gone, or a link that leads nowhere
                    state = path.stat()
                    if stat.S_ISREG(state.st_mode):
                        signs[path] = (state.st_mtime_ns, state.st_ino, state.st_size)
        return signs

    def _note(self, cell: int, cells: int) -> None:
        self.state = f"{cell}/{cells}"


def _absolute(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the folders of models, as seen from here, for kernels that work elsewhere."""

    def seen(model: Any) -> Any:
        is_folder = isinstance(model, str) and model not in SPECS and os.path.isdir(model)
        return os.path.abspath(model) if is_folder else model

    folders = {name: parameters[name] for name in ("MODEL", "MODELS") if name in parameters}
    return {
        name: [*map(seen, value)] if isinstance(value, list) else seen(value)
        for name, value in folders.items()
    }


def summary(jobs: list[Job]) -> str:
    """Return one line: how many are done, and where the running ones are."""
    done = sum(job.state in ENDS for job in jobs)
    active = [f"{job.name} {job.state}" for job in jobs if job.state not in ("waits", *ENDS)]
    return " · ".join([f"{done}/{len(jobs)} done", *active])


def _key(path: Path) -> str:
    """Return a notebook's name in the outputs folder: solutions keep their own sub-folder."""
    stem = path.stem
    if not stem.strip(". "):
        raise KandiError(f"{path} cannot give its name to a folder of outputs; rename it")
    if stem.casefold() == GALLERY:
        raise KandiError(f"{path} would take the place of the gallery; rename it")
    return f"solutions/{stem}" if path.parent.name == "solutions" else stem


def check_folders(jobs: list[Job]) -> None:
    """Raise KandiError for two notebooks that would write into one folder."""
    for job, other in itertools.combinations(jobs, 2):
        if job.path == other.path:
            raise KandiError(f"{job.name} is named twice; name each notebook once")
        # Without regard to case, as the file systems of Windows and macOS see it.
        one, two = sorted(f"{name.casefold()}/" for name in (job.name, other.name))
        if two.startswith(one):
            raise KandiError(
                f"{job.path} and {other.path} would write to the same folder {job.name}; "
                "run one after the other, each with an out of its own"
            )
