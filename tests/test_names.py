"""Functions are named by what they do or hold: no lone participles, no name in many modules."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kandi_nb"

IRREGULAR = """
begun born bound broken brought built chosen drawn found given gone grown heard held hidden
kept known laid left lost made meant met paid said seen sent shown spent spoken taken told
thrown worn written
"""
NOT_PARTICIPLES = {"embed", "feed", "seed", "speed"}  # though they end so
# Public names that say what they give back, as str.removeprefix does not, but sorted does.
ALLOWED = {"Adapter.renamed", "Forecast.drawn", "State.locked", "Studio.opened"}
# What every module of a kind has under one name: that is how it is called.
INTERFACES = {
    "main": "an entry point",
    "add_options": "a command",
    "run": "a command, and what each driver does",
    "grammar": "a language of the captions",
    "_scenery": "a language of the captions",
}
MOST_MODULES = 3


def functions(path: Path) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Return ("name" or "Class.name", node) of functions of modules and of classes."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                found.append((prefix + inner.name, inner))
    return found


def is_participle(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a name is a lone participle; those that tell yes or no may be."""
    word = name.rpartition(".")[2].strip("_")
    if isinstance(node.returns, ast.Name) and node.returns.id == "bool":
        return False
    if "_" in word or word in NOT_PARTICIPLES:
        return False
    return word.endswith("ed") or word in IRREGULAR.split()


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def drawn(): ...", True),
        ("def _listed(): ...", True),
        ("class A:\n    def joined(self): ...", True),
        ("def visited() -> bool: ...", False),
        ("def embed(): ...", False),
        ("def draw(): ...", False),
        ("def cached_folder(): ...", False),
    ],
)
def test_a_lone_participle_is_found(tmp_path, source, found):
    path = tmp_path / "module.py"
    path.write_text(source)
    ((name, node),) = functions(path)
    assert is_participle(name, node) is found


def test_no_functions_name_is_a_lone_participle():
    assert len(MODULES) > 100, "the modules are found"
    named = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in MODULES
        for name, node in functions(path)
        if is_participle(name, node) and name not in ALLOWED
    ]
    assert not named, "say what it does or holds"


def test_no_bare_name_stands_in_many_modules():
    modules = defaultdict(set)
    for path in MODULES:
        for name, _ in functions(path):
            if "." not in name and name not in INTERFACES:
                modules[name].add(str(path.relative_to(PACKAGE)))
    many = {name: sorted(where) for name, where in modules.items() if len(where) > MOST_MODULES}
    assert not many, "a name that says more tells them apart"
