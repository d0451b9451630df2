"""The code that makes a picture, to copy into a cell."""

from __future__ import annotations

import sys
from typing import Any

from ...pictures.pixels import is_picture
from .history import History, Run


def cell(run: Run, history: History, panel: Any) -> str:
    """Return the code that draws a run once more, in the notebook that the panel stands in.

    Models and inputs are called by the notebook's own variables. An input that was drawn by
    this panel is drawn first; one that only the panel has is taken from there.
    """
    if own := getattr(run.call.function, "as_code", None):
        return own(run.params, _name(run.k, "k"))
    before: list[str] = []
    words = [_name(run.k, "k"), f"kn.{run.params!r}"]
    words += [
        f"{name}={_input(name, held, before, history, panel)}"
        for name, held in run.inputs.items()
    ]
    return "\n".join([*before, f"result = {_task(run)}({', '.join(words)})", "result"])


def _task(run: Run) -> str:
    name = run.call.name
    return (
        f"kn.{name}"
        if name in sys.modules["kandi_nb"].__all__
        else _name(run.call.function, name)
    )


def _input(name: str, held: Any, before: list[str], history: History, panel: Any) -> str:
    if isinstance(held, (int, float, str)):
        return repr(held)
    known = _name(held, "")
    if known:
        return known
    for run in history.runs:
        for index, picture in enumerate(run.result.images):
            if held is picture:
                code = cell(run, history, panel).splitlines()
                before += [
                    *code[:-2],
                    code[-2].replace("result = ", f"{name} = ", 1) + f"[{index}]",
                ]
                return name
    if is_picture(held) and "file" in held.info:
        before.append(
            f"{name} = {held.info['file']!r}  # the file that was dropped: say where it lies"
        )
        return name
    return f'{_name(panel, "panel")}.inputs["{name}"]'


def _name(value: Any, otherwise: str) -> str:
    """Return the variable of the notebook that holds a value."""
    variables = vars(sys.modules["__main__"])
    names = [n for n, held in variables.items() if held is value and not n.startswith("_")]
    return names[0] if names else otherwise
