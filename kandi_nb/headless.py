"""Execute one notebook without a browser: its own kernel, a time limit, no hidden errors."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import KandiError
from .progress import HEADLESS
from .threads import WAITING, wait_passively

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNEL_START = 120  # seconds: a cold disk and two kernels at once can take half a minute

_kernels: weakref.WeakSet = weakref.WeakSet()


@dataclass
class NotebookRun:
    """Say how one notebook went: `print` it for one line, look at `ok`, open `executed`.

    `cell` counts from 1 in the notebook as written; `seconds` is wall time with the kernel's
    start; `saved` lists the PNG files this run wrote, `pictures` counts the gallery's.
    """

    notebook: str
    status: str = "failed"
    seconds: float = 0.0
    pictures: int = 0
    error: str | None = None
    cell: int | None = None
    executed: Path | None = None
    saved: list[Path] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def __str__(self) -> str:
        line = f"{self.notebook}  {self.status}  {self.seconds:.1f} s  {self.pictures} pictures"
        return line if self.ok else f"{line}  {self.reason}"

    @property
    def reason(self) -> str:
        """Return what went wrong and where, in one line; empty when nothing did."""
        where = f"cell {self.cell}: " if self.cell else ""
        return f"{where}{self.error}" if self.error else ""


class NotebookFailed(KandiError):
    """A notebook stopped with an error; `run` tells everything that is known of it."""

    def __init__(self, run: NotebookRun) -> None:
        super().__init__(f"{run.notebook} failed in {run.reason}; look into {run.executed}")
        self.run = run


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    name: str,
    timeout: float,
    threads: int | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> NotebookRun:
    """Run a notebook and write the executed copy to `target`, also when it fails.

    `timeout` is in seconds for each cell. `threads` limits the kernel's PyTorch threads.
    `on_cell(i, n)` hears that cell i of n begins. Never raises for what the notebook does.
    """
    import papermill

    # Papermill says on the log what the returned run says better.
    if not logging.getLogger("papermill").handlers:
        logging.getLogger("papermill").addHandler(logging.NullHandler())

    run = NotebookRun(name, executed=target)
    # Papermill saves after every cell; a reader of the target must not meet half a run.
    part = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
    begun: list[int] = []
    total = _cells(source) + bool(parameters)  # papermill adds a cell with the parameters

    def cell_starts(cell: NotebookNode, cell_index: int) -> None:
        begun.append(cell_index + 1)
        if on_cell:
            on_cell(cell_index + 1, total)

    start = time.perf_counter()
    try:
        papermill.execute_notebook(
            _literally(source),
            _literally(part),
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=KERNEL_START,
            execution_timeout=timeout,
            kernel_manager_class=_kernel_class(threads),
            resources={"metadata": {"path": str(source.parent)}},
            on_cell_start=cell_starts,
        )
    except papermill.PapermillExecutionError as error:
        run.cell = _number_of_error(_read(part))
        run.error = _one_line(f"{error.ename}: {error.evalue}")
    except Exception as error:  # dead kernel, time-out, damaged file: all end this run only
        run.cell = _number(_read(part), begun[-1]) if begun and part.exists() else None
        run.error = _explained(error, timeout)
    else:
        run.cell, run.error = hidden_error(_read(part)) or (None, None)
        run.status = "failed" if run.error else "ok"
    finally:
        run.seconds = time.perf_counter() - start
        if part.exists():
            os.replace(part, target)
    return run


def hidden_error(notebook: NotebookNode) -> tuple[int | None, str] | None:
    """Return (cell number, message) of an error that a green run hides, or None.

    Output widgets (interact, `with Output()`, button handlers) keep errors in the widget
    state, and a background thread's traceback goes to stderr: neither stops the run.
    """
    states = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for model, state in states.items():
        for output in state.get("state", {}).get("outputs") or ():
            if output.get("output_type") == "error":
                number = _cell_that_shows(notebook, model)
                message = f"{output.get('ename')}: {output.get('evalue')}"
                return number, _one_line(f"{message} (inside a widget)")
    for position, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", ()):
            text = output.get("text", "") if output.get("name") == "stderr" else ""
            if "Traceback (most recent call last)" in text:
                last = text.strip().splitlines()[-1]
                return _number(notebook, position), _one_line(f"{last} (printed, not raised)")
    return None


def stop_kernels() -> None:
    """End the kernels that this process started and that still run."""
    for manager in list(_kernels):
        process = getattr(manager.provisioner, "process", None)
        if process is not None and process.poll() is None:
            process.kill()


def _kernel_class(threads: int | None) -> type:
    """Return a kernel manager that starts this very Python, whatever "python3" is elsewhere."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    environment = {HEADLESS: "1"}  # no bars, no buttons
    if WAITING not in os.environ:
        wait_passively(environment)
    if threads is not None and "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = str(threads)
    # Level 40 keeps quiet about TCP without encryption: the kernel listens on loopback only.
    command = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40"]

    class ThisPython(AsyncKernelManager):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            _kernels.add(self)

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[*command, "-f", "{connection_file}"],
                display_name="Python",
                language="python",
                env=environment,
            )

    return ThisPython


def _read(path: Path) -> NotebookNode:
    import nbformat

    return nbformat.read(path, as_version=4)


def _cells(path: Path) -> int:
    return len(_read(path).cells)


def _number(notebook: NotebookNode, position: int) -> int:
    """Return the number, from 1, that the cell at a position has in the notebook as written."""
    # Papermill adds a cell with the parameters and, after an error, two that point at it.
    added = {"injected-parameters", "papermill-error-cell-tag"}
    before = notebook.cells[:position]
    return sum(not added & set(cell.metadata.get("tags", ())) for cell in before)


def _number_of_error(notebook: NotebookNode) -> int | None:
    for position, cell in enumerate(notebook.cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return _number(notebook, position)
    return None


def _cell_that_shows(notebook: NotebookNode, model: str) -> int | None:
    """Return which cell's output holds the widget, or a widget around it."""
    states = notebook.metadata["widgets"][WIDGET_STATE]["state"]
    wanted = {model}
    for _ in states:  # climb from child to parents until nothing is added
        parents = {
            other
            for other, state in states.items()
            if other not in wanted
            and any(f"IPY_MODEL_{known}" in str(state.get("state")) for known in wanted)
        }
        if not parents:
            break
        wanted |= parents
    for position, cell in enumerate(notebook.cells, start=1):
        if any(name in str(cell.get("outputs", "")) for name in wanted):
            return _number(notebook, position)
    return None


def _explained(error: Exception, timeout: float) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(error, CellTimeoutError):
        return f"it ran longer than {timeout:g} s; make it smaller or raise timeout"
    if isinstance(error, DeadKernelError):
        return "the kernel died, most often for want of memory; make the pictures smaller"
    return _one_line(f"{type(error).__name__}: {error}")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"


def _literally(path: Path) -> str:
    # Papermill fills {names} in paths with parameters.
    return str(path).replace("{", "{{").replace("}", "}}")
