"""Execute one notebook without a browser: its own kernel, a time limit, no hidden errors."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....words.errors import KandiError, line_of
from ....words.files import write
from ..reading.files import number, read_notebook
from ..reading.hidden_errors import (
    failing_line,
    first_error,
    hidden_error,
    lack_of,
    without_marks,
)
from ..reading.parameters import with_parameters
from . import kernels

if TYPE_CHECKING:
    from nbformat import NotebookNode

OUTPUT = 60  # seconds for what a cell printed to arrive after it: other programs may be busy
WIDGET = "application/vnd.jupyter.widget-view+json"
NO_LIMIT = 1e8  # seconds: three years; clocks and sockets cannot count to infinity


@dataclass
class NotebookRun:
    """Say how one notebook went: `print` it for one line, look at `ok`, open `executed`.

    `status` is "ok", "failed", or "skipped" where the model that was given lacks what the
    notebook is about: it ended there, and `reason` says what. `cell` counts from 1 in the
    notebook as written; `seconds` is wall time with the kernel's start; `saved` lists the PNG
    files this run wrote, `pictures` counts the gallery's. `line` is the line of that cell which
    raised, such as "line 2: x = 1 / 0", if it is known.
    `executed` is None when the executed copy could not be written.
    """

    notebook: str
    status: str = "failed"
    seconds: float = 0.0
    pictures: int = 0
    error: str | None = None
    cell: int | None = None
    line: str | None = None
    executed: Path | None = None
    saved: list[Path] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status != "failed"

    @property
    def skipped(self) -> bool:
        return self.status == "skipped"

    @property
    def verdict(self) -> str:
        """Return the status, with what the model lacks: "skipped: tiny/ has no prior"."""
        return f"{self.status}: {self.error}" if self.skipped else self.status

    def __str__(self) -> str:
        seconds, pictures = f"{self.seconds:.1f} s", f"{self.pictures} pictures"
        line = f"{self.notebook}  {self.verdict}  {seconds}  {pictures}"
        return line if self.ok else f"{line}  {self.reason}{self.where_to_look}"

    @property
    def reason(self) -> str:
        """Return what went wrong and where, in one line; empty when nothing did."""
        where = f"cell {self.cell}: " if self.cell else ""
        return f"{where}{self.error}" if self.error else ""

    @property
    def where_to_look(self) -> str:
        """Return the words to add to `reason`: the executed copy, and the line that raised."""
        look = f"; look into {self.executed}" if self.executed else ""
        return f"{look}, {self.line}" if self.line else look


class NotebookFailed(KandiError):
    """A notebook stopped with an error; `run` tells everything that is known of it."""

    def __init__(self, run: NotebookRun) -> None:
        super().__init__(f"{run.notebook} failed in {run.reason}{run.where_to_look}")
        self.run = run


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    name: str,
    timeout: float,
    threads: int | None = None,
    may_lack: bool = False,
    on_cell: Callable[[int, int], None] | None = None,
) -> NotebookRun:
    """Run a notebook and write the executed copy to `target`, also when it fails.

    `timeout` is in seconds for each cell. `threads` limits the kernel's PyTorch threads. Where
    the model `may_lack` what a notebook is about, the run is skipped there instead of failing.
    `on_cell(i, n)` hears that cell i of n begins. Never raises for what the notebook does,
    nor for a full disk.
    """
    run = NotebookRun(name)
    start = time.perf_counter()
    try:
        notebook = with_parameters(read_notebook(source), parameters)
        execution = _Execution(notebook, source.parent, timeout, threads, on_cell)
        run.cell, run.error = execution.run()
        run.line = failing_line(execution.notebook) if run.error else None
        lack = lack_of(run.error) if may_lack else None
        if lack is not None:
            run.status, run.error, run.line = "skipped", lack, None
            without_marks(execution.notebook)
        execution.notebook.metadata.setdefault("papermill", {})["input_path"] = str(source)
        _leave_out_unseen_widgets(execution.notebook)
        run.executed = _write_copy(execution.notebook, target)
    except Exception as error:  # whatever it is, it ends this run only
        run.error = run.error or line_of(error)
    if not run.skipped:
        run.status = "failed" if run.error else "ok"
    run.seconds = time.perf_counter() - start
    return run


def _leave_out_unseen_widgets(notebook: NotebookNode) -> None:
    """Take the state of widgets out, often megabytes, where no output shows any of them."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    if not any(WIDGET in output.get("data", {}) for output in outputs):
        notebook.metadata.pop("widgets", None)


class _Execution:
    """One notebook in its kernel; `notebook` holds what came of it so far."""

    def __init__(
        self,
        notebook: NotebookNode,
        folder: Path,
        timeout: float,
        threads: int | None,
        on_cell: Callable[[int, int], None] | None,
    ) -> None:
        self.source = notebook
        self.notebook = copy.deepcopy(notebook)
        self.folder = folder
        self.timeout = min(timeout, NO_LIMIT)
        self.threads = threads
        self.on_cell = on_cell
        self.begun = 0
        self.manager: Any = None

    def run(self) -> tuple[int | None, str | None]:
        """Run every cell and return (cell number, message) of what failed; else Nones."""
        import papermill

        for attempt in range(1, kernels.STARTS + 1):
            try:
                self._papermill()
            except papermill.PapermillExecutionError:
                if said := first_error(self.notebook):
                    return said
                # All errors are expected ones: the cells behind them were run, too.
                without_marks(self.notebook)
                break
            except Exception as error:  # dead kernel, time-out: all end this run only
                if self.begun:
                    return number(self.notebook, self.begun), self._explain(error)
                # Nothing was run yet, so that a second try repeats nothing.
                again = isinstance(error, RuntimeError) and not self.manager.stopped
                if not again or attempt == kernels.STARTS:
                    return None, self._explain(error)
            else:
                break
        return hidden_error(self.notebook) or (None, None)

    def _papermill(self) -> None:
        import papermill

        # Papermill says on the log what the returned run says better.
        if not logging.getLogger("papermill").handlers:
            logging.getLogger("papermill").addHandler(logging.NullHandler())
        papermill.execute_notebook(
            self.source,
            None,  # it would save after every cell; half a run is of no use to anybody
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=kernels.START,
            execution_timeout=math.ceil(self.timeout),
            timeout_func=lambda cell: self.timeout,  # takes parts of seconds, too
            kernel_manager_class=self._manage_kernel(),
            iopub_timeout=OUTPUT,
            resources={"metadata": {"path": str(self.folder)}},
            on_notebook_start=self._notebook_starts,
            on_cell_start=self._cell_starts,
            on_cell_execute=lambda **_: self._busy(True),
            on_cell_executed=lambda **_: self._busy(False),
        )

    def _manage_kernel(self) -> type:
        execution = self

        class Remembered(kernels.kernel_class(self.threads)):
            def __init__(self, **settings: Any) -> None:
                super().__init__(**settings)
                execution.manager = self

        return Remembered

    def _notebook_starts(self, notebook: NotebookNode) -> None:
        self.notebook = notebook  # papermill's own copy, which it fills from now on

    def _cell_starts(self, cell: NotebookNode, cell_index: int) -> None:
        self.begun = cell_index + 1
        if self.on_cell:
            self.on_cell(self.begun, len(self.source.cells))

    def _busy(self, busy: bool) -> None:
        self.manager.busy = busy

    def _explain(self, error: Exception) -> str:
        from nbclient.exceptions import CellTimeoutError, DeadKernelError

        if isinstance(error, CellTimeoutError) and "IOPub" in str(error):
            return f"what it printed did not arrive in {OUTPUT} s; close other programs"
        if isinstance(error, CellTimeoutError):
            return f"it ran longer than {self.timeout:g} s; make it smaller or raise timeout"
        if isinstance(error, DeadKernelError):
            return kernels.death(self.manager)
        if isinstance(error, RuntimeError) and not self.begun:
            if "died" in str(error):
                return "the kernel died while it started; look at kandi-nb check"
            return (
                f"no kernel started in {kernels.STARTS} times {kernels.START} s; "
                "close other programs, or look at kandi-nb check"
            )
        return line_of(error)


def _write_copy(notebook: NotebookNode, target: Path) -> Path:
    import nbformat

    # A lone surrogate that the notebook printed becomes its escape, which JSON reads back.
    data = nbformat.writes(notebook).encode("utf-8", "backslashreplace")
    return write(target, data, overwrite=True)
