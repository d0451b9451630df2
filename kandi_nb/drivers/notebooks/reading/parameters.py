"""The parameters of a notebook: read their defaults, check values against them, set them.

Papermill reads a default with `=` in it wrongly or not at all, and turns a tuple into text; so
the cell is read as the Python that it is, and values are written as Python, too.
"""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....words.errors import KandiError, did_you_mean, quote, warn
from .files import INJECTED, cells_tagged, read_notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

# What the parser of Python raises for text that is no literal, or too deep or long to be one.
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def defaults(path: Path) -> dict[str, Any]:
    """Return name → default of a notebook's parameters, in their order.

    Raises KandiError when the notebook cannot be read or a default is no literal.
    """
    cells = cells_tagged(read_notebook(path), "parameters")
    if len(cells) > 1:
        raise KandiError(f"{path} has {len(cells)} cells tagged parameters; keep one")
    source = cells[0].source if cells else ""
    try:
        statements = ast.parse(_without_magic(source)).body
    except _NO_LITERAL as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise KandiError(
            f"the parameters of {path} are no Python ({reason}); mend that cell"
        ) from None
    values = {}
    for name, value in _assignments(statements):
        try:
            values[name] = ast.literal_eval(value)
        except _NO_LITERAL:
            raise KandiError(
                f"the parameter {name} of {path} is computed; give it a plain value in the "
                "cell tagged parameters, and compute in the next cell"
            ) from None
    return values


def check_parameters(
    path: Path, parameters: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters as the notebook's own defaults are; `known` is `defaults(path)`.

    Raises KandiError for a name or a type that the notebook does not have.
    """
    if not isinstance(parameters, Mapping):
        raise KandiError(
            f'parameters go by name, such as {{"SEED": 7}}, not {quote(parameters)}'
        )
    return {name: _check_value(path, name, value, known) for name, value in parameters.items()}


def parameters_of_each(
    paths: Sequence[Path], parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return for each notebook what it has of the parameters; warn of those that lack some.

    Raises KandiError for what no notebook has, and for parameters that are no mapping.
    """
    known = {path: defaults(path) for path in paths}
    if len(known) < 2 or not isinstance(parameters, Mapping):  # `check_parameters` says it all
        return [parameters for _ in paths]
    for name in parameters:
        lacking = [path.stem for path in known if name not in known[path]]
        if len(lacking) == len(known):
            names = {each: None for has in known.values() for each in has}
            raise KandiError(
                f"these notebooks have no parameter {quote(name)}; "
                f"{did_you_mean(name, names)}known: {', '.join(names) or 'none'}"
            )
        if lacking:
            warn(f"no {name} in {', '.join(lacking)}: they run with what they have")
    return [{n: v for n, v in parameters.items() if n in known[path]} for path in paths]


def from_pairs(pairs: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters from words such as "SEED=7", typed as the `known` defaults are."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise KandiError(f"write parameters as NAME=value, not {quote(pair)}")
        values[name] = text
        if not isinstance(known.get(name), str):
            # What is no literal stays text: the type check says what is wrong with it.
            with suppress(*_NO_LITERAL):
                values[name] = ast.literal_eval(text.strip())
    return values


def with_parameters(notebook: NotebookNode, values: Mapping[str, Any]) -> NotebookNode:
    """Add a cell that sets the values, right behind the one tagged parameters."""
    from nbformat.v4 import new_code_cell

    # A notebook that is itself an executed copy holds the values of that run.
    cells = [c for c in notebook.cells if INJECTED not in c.metadata.get("tags", ())]
    if values:
        source = "\n".join(f"{name} = {_python(value)}" for name, value in values.items())
        cell = new_code_cell(f"# Parameters\n{source}", metadata={"tags": [INJECTED]})
        marked = [i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", ())]
        cells.insert(marked[0] + 1 if marked else 0, cell)
    notebook.cells = cells
    return notebook


def _without_magic(source: str) -> str:
    """Return a cell's source without the marks that only IPython knows, such as %magic."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def _assignments(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            yield from _assignment(target, value)


def _assignment(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for one, its_value in zip(target.elts, value.elts, strict=False):
            yield from _assignment(one, its_value)


def _check_value(path: Path, name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """Return the value if the notebook has such a parameter of such a type."""
    if name not in known:
        hint = did_you_mean(name, known)
        names = ", ".join(known) or "none"
        raise KandiError(f"{path.stem} has no parameter {quote(name)}; {hint}known: {names}")
    default, value = known[name], _as_python(value)
    if not _fits(value, default):
        raise KandiError(
            f"{name} of {path.stem} must be like {quote(default)}, not {quote(value)}"
        )
    if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
        value = type(default)(value)
    _check_literal(f"{name} of {path.stem}", value)
    return value


def _as_python(value: Any) -> Any:
    """Return NumPy's numbers and arrays, and paths, as what notebooks are written in."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(value, (list, tuple, set)):
        return type(value)(map(_as_python, value))
    if isinstance(value, dict):
        return {_as_python(name): _as_python(one) for name, one in value.items()}
    return value


def _fits(value: Any, default: Any) -> bool:
    if default is None or value is None:
        return default is None
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, (list, tuple)):
        return isinstance(value, (list, tuple))
    # type() and not isinstance: True is no whole number here.
    return type(value) is type(default)


def _check_literal(what: str, value: Any) -> None:
    """Raise KandiError for a value that cannot be written into a notebook as Python."""
    try:
        ast.parse(_python(value), mode="eval")
    except UnicodeEncodeError:
        raise KandiError(f"{what} holds bytes that are no text; write it in UTF-8") from None
    except _NO_LITERAL:
        raise KandiError(
            f"{what} must be numbers, text or lists of moderate length, not {quote(value)}"
        ) from None


def _python(value: Any) -> str:
    """Return the Python that makes a literal; raise TypeError for any other value."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    # The plain types: NumPy's numbers and text look different when printed.
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f'float("{float(value)}")'
    if isinstance(value, str):
        value.encode("utf-8")  # repr would hide what is no text
        return repr(str(value))
    if isinstance(value, bytes):
        return repr(bytes(value))
    if isinstance(value, dict):
        pairs = (f"{_python(key)}: {_python(one)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    items = ", ".join(map(_python, value)) if isinstance(value, (list, tuple, set)) else None
    if items is None:
        raise TypeError(f"{type(value).__name__} is no literal")
    if isinstance(value, list):
        return f"[{items}]"
    if isinstance(value, tuple):
        return f"({items},)" if len(value) == 1 else f"({items})"
    return f"{{{items}}}" if value else "set()"
