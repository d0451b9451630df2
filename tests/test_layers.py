"""Folders are layers: imports go one way, and importing the package loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kandi_nb"

# Folder → modules. A module may import those of its own folder, without a circle, and of the
# folders above it.
TABLE = {
    "words": "errors fields params seeds pins models plans tables files leftovers recent "
    "foresight embedding cosines",
    "pictures": "pixels images masks shapes canvas join colours lettering inputs recipe diff "
    "result sheet fonts charts grid",
    "model": "find hub integrity match device threads shortage finite peak check progress "
    "quiet",
    "model.speed": "convolutions attention steps networks norms prefix padding traced modes",
    "model.adapters": "layouts known adapter scales worn finding lora",
    "model.plan": "architecture footprint stores fit placement options",
    "model.schedulers": "classes trial table",
    "model.loading": "assemble kandinsky load",
    "model.anatomy": "pieces diagram anatomy",
    "tasks.loop": "texts windows conditions inpainting",
    "tasks": "checks remembered prior decoder run sources depth generate edit inpaint "
    "outpaint upscale replay tokens versus",
    "tasks.embeddings": "items clip search embed mixtures mixing",
    "tasks.teaching": "losses lessons prepared training courses kept limits school teach "
    "checker",
    "drivers.notebooks": "files parameters warm kernels hidden_errors headless pictures "
    "gallery jobs run junit new copies",
    "drivers.queue": "limits metrics orders line worker",
    "drivers.service": "settings bodies uploads answers guard journal drawing openai schemas "
    "pages app server serving options",
    "drivers.batches": "templates rows runs hashes claims index worker queue engines cluster "
    "progress forecast page loop batch command",
    "drivers.widgets": "place traits runner encoding painter frame mixing mixer",
    "drivers.panels": "settings calls examples history recalled state cells kit controls tray "
    "brush sides trays rows view panel",
    "drivers.studio": "compare gallery choices tabs mixing bar studio page visitors server "
    "command",
    "drivers.ledger": "claims verdicts judged measures figures ledger cost",
    "drivers": "bench spent parcels trials trial animation requests client options commands "
    "painting teaching",
}
FOLDERS = list(TABLE)
LAYERS = {
    f"{folder}.{module}": FOLDERS.index(folder)
    for folder, modules in TABLE.items()
    for module in modules.split()
}
DOORS = {"__init__", "cli"}  # they may use everything
MINI_MAY_USE = FOLDERS.index("tasks.teaching")  # the bundled model stands beside

HEAVY = {"torch", "diffusers", "transformers", "matplotlib"}
HEAVY |= {"ipywidgets", "anywidget", "papermill"}
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if "mini" not in path.relative_to(PACKAGE).parts
)
MINI = sorted((PACKAGE / "mini").rglob("*.py"))
MOST_MODULES = 16  # in one folder: more than a reader takes in at a glance


def path_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def imported(path: Path) -> dict[str, list[ast.AST]]:
    """Return name → the import statements that bring it, inside functions too.

    Imports for type checkers alone are left out: they do not run.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    package = path.relative_to(PACKAGE.parent).parent.parts
    statements: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            # `from . import decoder` names the module only behind the import.
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            statements.setdefault(name, []).append(node)
    return statements


def ours(path: Path) -> set[str]:
    """Return the modules of the package that a file imports: "words.params", "mini", "cli"."""
    modules = set()
    for name in imported(path):
        first, *rest = name.split(".")
        if first != "kandi_nb":
            continue
        longest = [".".join(rest[:n]) for n in range(len(rest), 0, -1)]
        known = [m for m in longest if m in LAYERS or m in DOORS]
        modules.add(known[0] if known else "mini" if rest[:1] == ["mini"] else "__init__")
    return modules


def test_every_module_has_its_place():
    files = {module for module in MODULES if not module.endswith("__init__")}
    assert files == {*LAYERS, "cli"}, "write new modules into the table, take old ones out"
    assert len(LAYERS) == sum(len(modules.split()) for modules in TABLE.values())


def test_no_folder_holds_too_much():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert len(folders) > len(FOLDERS), "the folders of the bundled model are found, too"
    crowds = {
        str(folder.relative_to(PACKAGE)): len(modules)
        for folder in folders
        if len(modules := [p for p in folder.glob("*.py") if p.stem != "__init__"])
        > MOST_MODULES
    }
    assert not crowds


@pytest.mark.parametrize("module", LAYERS)
def test_imports_go_one_way(module):
    allowed = {other for other, layer in LAYERS.items() if layer <= LAYERS[module]}
    if module == "drivers.commands":
        allowed.add("mini")  # it hands words on to the bundled model's own commands
    assert ours(path_of(module)) - {module} <= allowed


@pytest.mark.parametrize("name", ["docs/structure.md", "CONTRIBUTING.md"])
def test_the_rule_is_written_as_it_is_tested(name):
    words = " ".join((PACKAGE.parent / name).read_text(encoding="utf-8").split())
    rule = "module imports only from its own folder and those above it in"
    assert rule in words and "never in a circle" in words


def test_no_circle_of_imports():
    graph = {module: ours(path_of(module)) - {module} for module in LAYERS}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {error.args[1]}")
    assert set(LAYERS) <= set(order)


def test_the_bundled_model_knows_nothing_of_drivers():
    assert MINI, "the bundled model's modules are found"
    allowed = {other for other, layer in LAYERS.items() if layer <= MINI_MAY_USE} | {"mini"}
    for path in MINI:
        assert ours(path) <= allowed, path.name


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_inside_functions(module):
    path = path_of(module)
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
