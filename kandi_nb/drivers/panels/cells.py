"""The code that makes a picture: it runs where it is pasted, in a notebook or a file."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.masks import Mask
from ...pictures.pixels import is_picture
from ..widgets.place import is_visited

if TYPE_CHECKING:
    from .state.history import Run

_LONGEST = 60_000  # letters of a picture that is written into the code


def cell(run: Run, runs: Sequence[Run], panel: Any) -> str:
    """Return the code that draws a run once more; `runs` are those that drew its inputs.

    In a notebook models and inputs are called by its own variables; on a page of its own, or
    where none holds the model, the code loads it. A mask is written down as it was then.
    """
    before: list[str] = []
    k = _model(run.k, before)
    if own := getattr(run.call.function, "as_code", None):
        before.append(own(run.params, k).removesuffix("\nresult"))
    else:
        before.append(f"result = {_call(run, k, before, runs, panel)}")
    return "\n".join([*before, "result"])


def _model(k: Any, before: list[str]) -> str:
    """Return what the model is called; write down how it is loaded where it has no name."""
    if known := _variable(k):
        return known
    load = f"kn.Client({k.url!r})" if hasattr(k, "remote") else f"kn.load({k.spec.key!r})"
    before += ["import kandi_nb as kn", "", f"k = {load}"]
    return "k"


def _call(run: Run, k: str, before: list[str], runs: Sequence[Run], panel: Any) -> str:
    words = [k, f"kn.{run.params!r}"]
    for name, held in run.inputs.items():
        words.append(f"{name}={_input(name, held, k, before, runs, panel)}")
    return f"{_task(run)}({', '.join(words)})"


def _task(run: Run) -> str:
    name = run.call.name
    if name in sys.modules["kandi_nb"].__all__:
        return f"kn.{name}"
    return _variable(run.call.function) or name


def _input(
    name: str, held: Any, k: str, before: list[str], runs: Sequence[Run], panel: Any
) -> str:
    if isinstance(held, (int, float, str)):
        return repr(held)
    if known := _variable(held):
        return known
    if isinstance(held, Mask):
        return _write_picture(name, held.image, before)
    for run in runs:
        for index, picture in enumerate(run.result.images if run.result else []):
            if held is picture and not hasattr(run.call.function, "as_code"):
                variable = _free(name, before)
                before.append(f"{variable} = {_call(run, k, before, runs, panel)}[{index}]")
                return variable
    if is_picture(held) and "file" in held.info:
        variable, file = _free(name, before), held.info["file"]
        before.append(f"{variable} = {file!r}  # the file that was dropped: say where it lies")
        return variable
    if is_picture(held):
        return _write_picture(name, held, before)
    return f'{_variable(panel) or "panel"}.inputs["{name}"]'


def _free(name: str, before: list[str]) -> str:
    """Return a variable that the code has not used yet."""
    used = {line.partition(" = ")[0] for line in before}
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 99))) if n not in used)


def _write_picture(name: str, picture: Any, before: list[str]) -> str:
    """Write a small picture down as text; return its variable."""
    buffer = io.BytesIO()
    hard = picture.mode == "L" and not any(picture.histogram()[1:255])
    (picture.convert("1", dither=0) if hard else picture).save(buffer, "PNG", optimize=True)
    text = base64.b64encode(buffer.getvalue()).decode()
    variable = _free(name, before)
    if len(text) > _LONGEST:
        before.append(
            f'{variable} = "{name}.png"  # too large to be written here: save it, and say where'
        )
        return variable
    before += ["import base64", "", f'{variable} = base64.b64decode("{text}")']
    return variable


def _variable(value: Any) -> str:
    """Return the variable of the notebook that holds a value; a page of its own has none."""
    if is_visited():
        return ""
    variables = vars(sys.modules["__main__"])
    names = [n for n, held in variables.items() if held is value and not n.startswith("_")]
    return names[0] if names else ""
