"""Find the errors in an executed notebook that neither stopped the run nor raised anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....words.errors import Unsupported
from .files import number

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXPECTED, MARK = "raises-exception", "papermill-error-cell-tag"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

# How Python, asyncio and multiprocessing begin when nobody caught an exception. A traceback
# without such a line was printed by code that did catch it.
UNHANDLED = re.compile(
    r"(?:Exception in thread |Exception ignored |Exception in callback |^Process \S+:$|"
    r"(?:Task|Future) exception was never retrieved)"
    r".*\n(?:.*\n)??(?:.*\n)??\s*Traceback \(most recent call last\):\n(?:[ \t|+].*\n|\n)*(.*)",
    re.MULTILINE,
)

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(r"^\s*Cell(?: In\[\d+\])?, line (\d+)", re.MULTILINE)


def hidden_error(notebook: NotebookNode) -> tuple[int | None, str] | None:
    """Return (cell number, message) of an error that a green run hides, or None.

    Output widgets (interact, `with Output()`, button handlers) keep errors in the widget
    state, and a background thread's traceback goes to stderr: neither stops the run. Leaving
    with `SystemExit` stops it, and counts as success elsewhere.
    """
    return _in_widgets(notebook) or _on_stderr(notebook) or _unrun(notebook)


def first_error(notebook: NotebookNode) -> tuple[int | None, str] | None:
    """Return (cell number, message) of the first error that stopped a run, None without one.

    What cells tagged raises-exception raise stops none, as with nbclient and nbconvert. A line
    of magic that IPython does not know is said on standard error alone.
    """
    for position, cell in _failing(notebook):
        where = number(notebook, position)
        for output in cell.outputs:
            if output.output_type == "error":
                return where, one_line(f"{output.ename}: {output.evalue}")
        said = [o.text.strip() for o in cell.outputs if o.get("name") == "stderr"]
        return where, one_line(_COLOUR.sub("", said[-1]) if said else "IPython refuses it")
    return None


def lack_of(message: str | None) -> str | None:
    """Return what the model lacks, by the message of an `Unsupported`; None for any other.

    >>> lack_of("Unsupported: tiny/ has no prior; models that have one: kandinsky-2.2")
    'tiny/ has no prior'
    """
    name, _, said = (message or "").partition(": ")
    return re.split(r"[;:] ", said)[0] if name == Unsupported.__name__ else None


def _failing(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Yield place and cell of those that failed and were not expected to."""
    for position, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code" or EXPECTED in cell.metadata.get("tags", ()):
            continue
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised or cell.metadata.get("papermill", {}).get("exception"):
            yield position, cell


def without_marks(notebook: NotebookNode) -> None:
    """Take out the cells by which papermill shows where a notebook failed."""
    notebook.cells = [
        cell for cell in notebook.cells if MARK not in cell.metadata.get("tags", ())
    ]


def failing_line(notebook: NotebookNode) -> str | None:
    """Return the line that raised in the first cell with an error, such as "line 2: x = y"."""
    for _, cell in _failing(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                trace = _COLOUR.sub("", "\n".join(output.get("traceback", ())))
                line = _LINE.search(trace)  # the cell's own frame stands first
                source = cell.source.splitlines()
                if line is None or not 0 < int(line[1]) <= len(source):
                    return None
                return one_line(f"line {line[1]}: {source[int(line[1]) - 1]}")
    return None


def one_line(text: str) -> str:
    """Return a text on one line of at most 300 characters.

    >>> one_line("two\\n  lines")
    'two lines'
    """
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"


def _in_widgets(notebook: NotebookNode) -> tuple[int | None, str] | None:
    states = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for model, state in states.items():
        for output in state.get("state", {}).get("outputs") or ():
            if output.get("output_type") == "error":
                message = f"{output.get('ename')}: {output.get('evalue')} (inside a widget)"
                return _cell_that_shows(notebook, model), one_line(message)
    return None


def _on_stderr(notebook: NotebookNode) -> tuple[int, str] | None:
    for position, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", ()):
            text = output.get("text", "") if output.get("name") == "stderr" else ""
            unhandled = UNHANDLED.search(text)
            if unhandled:
                message = f"{unhandled[1]} (printed, not raised)"
                return number(notebook, position), one_line(message)
    return None


def _unrun(notebook: NotebookNode) -> tuple[int | None, str] | None:
    code = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code"
        and cell.source.strip()
        and "skip-execution" not in cell.metadata.get("tags", ())
    ]
    left = sum(cell.get("execution_count") is None for cell in code)
    if not left:
        return None
    cells = "1 cell" if left == 1 else f"{left} cells"
    return _left_at(notebook), f"it left the notebook (SystemExit); {cells} did not run"


def _left_at(notebook: NotebookNode) -> int | None:
    """Return the number of the cell that raised SystemExit, if it is known."""
    return next((number(notebook, position) for position, _ in _failing(notebook)), None)


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
            return number(notebook, position)
    return None
