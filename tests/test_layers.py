"""Folders are layers: imports go one way, and importing the package loads nothing heavy."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "kandi_nb"

# Folder → modules. A module may import those of its own folder, without a circle, and of the
# folders above it.
TABLE = {
    "words": "errors extras bounds families fields params models tables tasks files embedding "
    "cosines",
    "pictures.reading": "formats levels profiles plain_yaml rows",
    "pictures": "pixels images masks inputs recipe diff result sheet fonts charts grid",
    "pictures.editing": "canvas join colours shapes lettering",
    "model.machine": "device peak threads switches out_of_memory",
    "model": "caches pipelines bundled find hub trust integrity match finite check progress "
    "quiet",
    "model.speed": "convolutions attention conditioning_cache networks norms prior_kv_cache "
    "padding traced",
    "model.plan": "architecture footprint stores fit placement options names",
    "model.adapters": "layouts alphas adapter scales active finding lora",
    "model.schedulers": "classes trial table",
    "model.loading": "assemble locks kandinsky load description speeds",
    "model.anatomy": "pieces diagram anatomy",
    "tasks.loop": "dry_run texts windows latents start conditions denoise",
    "tasks": "checks prior job steering decoder run depth sources generate edit inpaint "
    "outpaint upscale replay tokens versus",
    "tasks.embeddings": "items clip search embed mixtures mixing",
    "tasks.teaching": "losses dataset prepared training preservation limits trainer teach "
    "checker",
    "drivers.notebooks.reading": "files parameters hidden_errors messages",
    "drivers.notebooks.runs": "fork_server kernels headless pictures gallery jobs",
    "drivers.notebooks": "run new copies kit hand_in",
    "drivers.queue": "limits metrics effort watch orders waiting worker",
    "drivers.service.requests": "settings bodies uploads openai_requests receiving",
    "drivers.service": "answers guard journal events drawing openai schemas pages app "
    "server serving",
    "drivers.batches.folder": "claims hashes index page",
    "drivers.batches.rows": "templates runs",
    "drivers.batches": "worker queue engines cluster progress forecast loop batch",
    "drivers.widgets": "place classes translation runner encoding painter painter_widget frame "
    "mixing mixer mixer_widget parts",
    "drivers.panels.state": "settings calls examples wording uploads history state runs",
    "drivers.panels": "kit brush cells form shown hearing view panel",
    "drivers.studio": "compare gallery tabs mixing bar studio visitors door server",
    "drivers.verify": "rows scenes plain weights memory pictures report verify",
    "drivers.ledger": "claims verdicts judged measures figures reports ledger cost",
    "drivers.remote": "transfer replies tally requests forms client",
    "drivers.measure": "bench trials trial profile",
    "drivers": "abilities animation",
    "drivers.commands": "options terminal parser",
    "drivers.commands.models": "bench check fetch mini models teach verify",
    "drivers.commands.pictures": "targets tasks mix path versus strip batch",
    "drivers.commands.notebooks": "hand_in kit lab new run",
    "drivers.commands.services": "serve studio",
}
FOLDERS = list(TABLE)
LAYERS = {
    f"{folder}.{module}": FOLDERS.index(folder)
    for folder, modules in TABLE.items()
    for module in modules.split()
}
DOORS = {"__init__", "__main__", "cli"}  # they may use everything
MINI_MAY_USE = FOLDERS.index("tasks.teaching")  # the bundled model stands beside

# Who imports what is named elsewhere: in a table, in a folder, in the files of a checkpoint.
BY_NAME = {
    "__init__": "the homes of the public names",
    "words.models": "what a row says that a model brings along",
    "model.loading.assemble": "the class that a checkpoint names",
    "tasks.checks": "every module of its folder, each with its task",
    "drivers.notebooks.runs.fork_server": "what notebooks import",
    "drivers.commands.parser": "every module of its folders, each with its command",
    "drivers.commands.models.mini": "the tools of the bundled model",
}

HEAVY = {"torch", "diffusers", "transformers", "matplotlib"}
HEAVY |= {"ipywidgets", "anywidget", "papermill"}
# Modules of classes that derive from a heavy package's are as heavy as that.
OF_WIDGETS = {
    "drivers.widgets.parts",
    "drivers.widgets.frame",
    "drivers.widgets.painter_widget",
    "drivers.widgets.mixer_widget",
    "drivers.studio.bar",
}
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if "mini" not in path.relative_to(PACKAGE).parts
)
MINI = sorted((PACKAGE / "mini").rglob("*.py"))
# In one folder, its __init__ aside: as many as a reader takes in at a glance.
MOST_MODULES = 12
MORE_MODULES = {"tasks": 16}
SHORT = 60  # lines: a module below that with a single importer is part of that one


def path_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


class Import(NamedTuple):
    """A statement of a module that brings `name`."""

    name: str
    types: bool  # for type checkers alone
    inside: bool  # of a function


@functools.cache
def imports(path: Path) -> list[Import]:
    """Return all that a module imports, inside functions and for type checkers too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(PACKAGE.parent).parent.parts
    types: set[ast.AST] = set()
    inside: set[ast.AST] = set()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            types.update(inner for part in node.body for inner in ast.walk(part))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside.update(ast.walk(node))
        elif isinstance(node, ast.Call):
            found += [(node, name) for name in [named_by(node)] if name]
        elif isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            # `from . import decoder` names the module only behind the import.
            found += [(node, f"{base}.{alias.name}") for alias in node.names]
    return [Import(name, node in types, node in inside) for node, name in found]


def named_by(call: ast.Call) -> str | None:
    """Return what `import_module("…")` or `__import__("…")` imports; "" for a computed name."""
    called = getattr(call.func, "attr", getattr(call.func, "id", None))
    if called not in ("import_module", "__import__"):
        return None
    name = call.args[0] if call.args else call.keywords[0].value
    return str(name.value) if isinstance(name, ast.Constant) else ""


def imported(path: Path) -> set[str]:
    """Return the names that a module brings.

    Imports for type checkers alone count, as whoever reads a module needs what they name.
    """
    return {each.name for each in imports(path)}


@functools.cache
def ours(path: Path) -> frozenset[str]:
    """Return the modules of the package that a file imports: "words.params", "mini", "cli"."""
    modules = set()
    for name in imported(path):
        first, *rest = name.split(".")
        if first != "kandi_nb":
            continue
        module = longest_known(rest, {*LAYERS, *DOORS})
        modules.add(module or ("mini" if rest[:1] == ["mini"] else "__init__"))
    return frozenset(modules)


def test_imports_by_a_name_count_too():
    seen = {
        "importlib.import_module('kandi_nb.mini.shared')": "kandi_nb.mini.shared",
        "import_module(name='torch')": "torch",
        "__import__('torch')": "torch",
        "import_module(f'{__package__}.{name}')": "",
        "load('torch')": None,
    }
    assert {text: named_by(ast.parse(text).body[0].value) for text in seen} == seen


def test_who_imports_what_is_named_elsewhere():
    """No other module hides an arrow: its imports can be read."""
    computed = {
        module
        for module in MODULES
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and named_by(node) == ""
    }
    assert computed == set(BY_NAME)


def longest_known(parts: list[str], modules: Collection[str]) -> str | None:
    """Return the module that a dotted name lies in: "words.params.Params" in "words.params"."""
    heads = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((head for head in heads if head in modules), None)


def test_every_module_has_its_place():
    files = {module for module in MODULES if not module.endswith("__init__")}
    assert files == {*LAYERS, "cli", "__main__"}, (
        "write new modules into the table, take old ones out"
    )
    assert len(LAYERS) == sum(len(modules.split()) for modules in TABLE.values())


def test_no_folder_holds_too_much():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert len(folders) > len(FOLDERS), "the folders of the bundled model are found, too"
    crowds = {
        str(folder.relative_to(PACKAGE)): len(modules)
        for folder in folders
        if len(modules := [p for p in folder.glob("*.py") if p.stem != "__init__"])
        > MORE_MODULES.get(str(folder.relative_to(PACKAGE)), MOST_MODULES)
    }
    assert not crowds


def test_no_room_is_too_small():
    """A short module that one other alone imports is a part of that one; a command is one."""
    importers: dict[str, set[str]] = {}
    for module in LAYERS:
        for other in ours(path_of(module)) - {module}:
            importers.setdefault(other, set()).add(module)
    opened = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    short = {
        module: sorted(by)
        for module, by in importers.items()
        if len(by) == 1
        and not module.startswith("drivers.commands.")
        and module in LAYERS
        and f'"{module}"' not in opened
        and len(path_of(module).read_text(encoding="utf-8").splitlines()) < SHORT
    }
    assert not short


@pytest.mark.parametrize("module", LAYERS)
def test_imports_go_one_way(module):
    allowed = {other for other, layer in LAYERS.items() if layer <= LAYERS[module]}
    allowed |= {"mini"} if LAYERS[module] > MINI_MAY_USE else set()
    assert ours(path_of(module)) - {module} <= allowed


@pytest.mark.parametrize("name", ["docs/structure.md", "CONTRIBUTING.md"])
def test_the_rule_is_written_as_it_is_tested(name):
    words = " ".join((PACKAGE.parent / name).read_text(encoding="utf-8").split())
    rule = "module imports only from its own folder and those above it in"
    assert rule in words and "never in a circle" in words


def check_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {error.args[1]}")
    assert set(graph) <= set(order)


def test_no_circle_of_imports():
    graph = {module: ours(path_of(module)) - {module} for module in LAYERS}
    bundled = set().union(*map(ours, MINI)) - {"mini"}
    check_no_circle(graph | {"mini": bundled})


def test_no_circle_inside_the_bundled_model():
    rooms = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in MINI}
    rooms = {name.removesuffix(".__init__"): path for name, path in rooms.items()}
    graph = {
        name: {
            longest
            for brought in imported(path)
            if (parts := brought.split("."))[:2] == ["kandi_nb", "mini"]
            and (longest := longest_known(parts[1:], rooms)) not in (name, None)
        }
        for name, path in rooms.items()
    }
    # A package's door may open onto what is inside of it.
    check_no_circle(
        {
            name: {o for o in others if not name.startswith(f"{o}.")}
            for name, others in graph.items()
        }
    )
    assert any(graph.values())


def test_the_bundled_model_knows_nothing_of_drivers():
    assert MINI, "the bundled model's modules are found"
    allowed = {other for other, layer in LAYERS.items() if layer <= MINI_MAY_USE} | {"mini"}
    for path in MINI:
        assert ours(path) <= allowed, path.name


@pytest.mark.parametrize("module", sorted({*MODULES} - OF_WIDGETS))
def test_heavy_packages_are_imported_inside_functions(module):
    for name, types, inside in imports(path_of(module)):
        part = longest_known(name.split(".")[1:], OF_WIDGETS)
        if name.partition(".")[0] in HEAVY or part:
            assert types or inside, f"{name} is imported by {module} itself"


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


def bound_names(module: ast.Module) -> set[str]:
    """Return the names that the statements of a module bind or read, if and try included."""
    names: set[str] = set()
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for statement in module.body:
        inside = [statement] if isinstance(statement, definitions) else ast.walk(statement)
        for node in inside:
            if isinstance(node, definitions):
                names.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                names |= {(each.asname or each.name).partition(".")[0] for each in node.names}
            elif isinstance(node, ast.Name):
                names.add(node.id)
    return names


def test_what_is_imported_is_there():
    """Of our own modules, inside functions and in tests too, which nothing else looks at."""
    root = PACKAGE.parent
    files = [*PACKAGE.rglob("*.py"), *(root / "tests").rglob("*.py")]
    files += (root / "benchmarks").glob("*.py")
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    dotted = {
        path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for path in files
    }
    names = {dotted[path]: bound_names(tree) for path, tree in trees.items()}
    missing = []
    for path, tree in trees.items():
        package = path.relative_to(root).parent.parts
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            if module.partition(".")[0] != "kandi_nb" or "__getattr__" in names.get(module, ()):
                continue  # another's, or one that finds names when they are asked for
            missing += [
                f"{dotted[path]}:{node.lineno} {module}.{alias.name}"
                for alias in node.names
                if f"{module}.{alias.name}" not in names
                and alias.name not in names.get(module, ())
            ]
    assert not missing, missing


def test_nobody_reaches_into_a_loaded_model():
    """What a model keeps for itself, `k._…`, is used in its own module alone."""
    reached = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        if path != path_of("model.loading.kandinsky")
        if "k._" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
        if ast.unparse(node.value).rpartition(".")[2] == "k" and not node.attr.endswith("__")
    ]
    assert not reached


def test_modules_stay_small():
    """Past about 250 lines a module is split by idea; the margin is for tables and blanks."""
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in PACKAGE.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long


# Python's filters are the whole process's, and another thread's warnings go by them meanwhile:
# our own are kept back by `words.errors.collected_warnings`. Here they are not ours.
FILTERS = {
    "cli.py": "a process of its own",
    "model/schedulers/trial.py": "diffusers' and PyTorch's",
    "model/speed/traced.py": "PyTorch's",
    "pictures/reading/formats.py": "Pillow's",
    "words/errors.py": "in the main thread alone, while it shows one",
}


def test_our_own_warnings_are_kept_back_without_the_filters_of_the_process():
    touched = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "warnings.catch_warnings" in path.read_text(encoding="utf-8")
    }
    assert touched == set(FILTERS)
