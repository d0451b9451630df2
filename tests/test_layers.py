"""The one direction of imports, and an import of the package that loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kandi_nb"

# layer → modules. A module may import those of lower layers, and of its own without a circle.
TABLE = {
    0: "errors fields params plans registry tables writing",  # words
    1: "recipes results grids fonts plots heatmaps show",  # pictures
    # the model
    2: "quiet peak integrity sources memory convolutions padding norms loading progress "
    "architecture footprint fit options",
    3: "inputs texts stages generate languages likeness",  # tasks
    4: "bench headless gallery notebooks",  # drivers
    5: "commands cli __init__",  # the door
}
LAYERS = {module: layer for layer, modules in TABLE.items() for module in modules.split()}
# The bundled model stands beside: it may use layers 0 to 2, and only the door imports it.
MINI_MAY_USE = 2

HEAVY = {"torch", "diffusers", "transformers", "matplotlib", "ipywidgets", "papermill"}
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
MINI = sorted((PACKAGE / "mini").rglob("*.py"))


def imported(path: Path, *, package: str = "kandi_nb") -> dict[str, list[ast.AST]]:
    """Return module → the import statements that name it, inside functions too.

    Imports for type checkers alone are left out: they do not run.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            # `from . import stages` names the module only behind the import.
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            found.setdefault(name, []).append(node)
    return found


def ours(path: Path, package: str = "kandi_nb") -> set[str]:
    """Return the modules of the package that a file imports: "params", "mini", "__init__"."""
    found = set()
    for name in imported(path, package=package):
        if name == "kandi_nb" or name.startswith("kandi_nb."):
            first = name.split(".")[1:2]
            known = first and (first[0] in LAYERS or first[0] == "mini")
            found.add(first[0] if known else "__init__")
    return found


def test_every_module_has_its_place():
    assert set(MODULES) == set(LAYERS), "write new modules into the table, take old ones out"
    assert len(LAYERS) == sum(len(modules.split()) for modules in TABLE.values())


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module):
    allowed = {other for other, layer in LAYERS.items() if layer <= LAYERS[module]}
    if LAYERS[module] == 5:
        allowed.add("mini")
    else:
        allowed.discard("__init__")
    assert ours(PACKAGE / f"{module}.py") - {module} <= allowed


def test_no_circle_of_imports():
    graph = {module: ours(PACKAGE / f"{module}.py") - {module, "mini"} for module in MODULES}
    graph["__init__"] = {home for home in LAYERS if home not in ("__init__", "cli")}
    graph["cli"] -= {"__init__"}  # asks the package for its version
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {error.args[1]}")
    assert len(order) == len(MODULES)


def test_the_bundled_model_knows_nothing_of_tasks_and_drivers():
    assert MINI, "the bundled model's modules are found"
    allowed = {other for other, layer in LAYERS.items() if layer <= MINI_MAY_USE} | {"mini"}
    for path in MINI:
        package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
        assert ours(path, package) <= allowed, path.name


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_inside_functions(module):
    path = PACKAGE / f"{module}.py"
    inside = {
        (node.lineno, node.col_offset)
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    for name, nodes in imported(path).items():
        if name.partition(".")[0] in HEAVY:
            lines = {(node.lineno, node.col_offset) for node in nodes}
            assert lines <= inside, f"{name} is imported by {module} itself"


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, kandi_nb\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        f"{HEAVY | {'PIL', 'numpy', 'IPython', 'nbformat', 'psutil'}!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_modules_stay_small():
    """Past about 250 lines a module is split by idea; the margin is for tables and blanks."""
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in PACKAGE.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long
