"""What is installed only on request, and what to type where it is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path

from .errors import KandiError

_CLONE = Path(__file__).resolve().parents[2]


def check_extra(extra: str, what: str, *modules: str, otherwise: str = "") -> None:
    """Raise KandiError unless the modules of an extra are installed; `what` needs them.

    The line names the command that installs them here; `otherwise` says what does without.
    """
    if missing := [name for name in modules if not is_installed(name)]:
        raise KandiError(
            f"{what} needs the extra {extra} ({missing[0]} is not installed); type: "
            f"{install_command(extra)}{otherwise and f'; {otherwise}'}"
        )


def is_installed(module: str) -> bool:
    """Return whether a module can be found; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a stand-in without a specification
        return False


def install_command(extra: str) -> str:
    """Return what installs an extra where this package stands: in a clone, or from a wheel.

    The package is on no index, so outside a clone the extra's own packages are named.
    """
    if (_CLONE / "pyproject.toml").is_file():
        here = "." if Path.cwd() == _CLONE else str(_CLONE)
        return f'{pip()} install -e "{here}[{extra}]"'
    return pip_install(*requirements(extra))


def pip_install(*packages: str) -> str:
    """Return the command that installs packages for the Python that runs."""
    return " ".join([pip(), "install", *(f'"{name}"' for name in packages)])


def pip() -> str:
    """Return how pip of the Python that runs is called."""
    python = Path(sys.executable or "python")
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f'"{python}" -m pip' if " " in str(python) else f"{python} -m pip"


def requirements(extra: str) -> list[str]:
    """Return what an extra asks for, as the metadata of this package say."""
    try:
        lines = importlib.metadata.requires("kandi_nb") or []
    except importlib.metadata.PackageNotFoundError:  # a bare source folder
        lines = []
    asked: list[str] = []
    for line in lines:
        name, _, marker = line.partition(";")
        if not re.search(rf"""extra == ['"]{extra}['"]""", marker):
            continue
        inner = re.match(r"kandi[_-]nb\[([a-z]+)\]", name)
        asked += requirements(inner[1]) if inner else [name.strip().replace(" ", "")]
    return asked or [f"kandi_nb[{extra}]"]
