"""The table of families: what tells generations apart stands there and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kandi_nb
from kandi_nb.words import families, models
from kandi_nb.words.families import FAMILIES, Family, family_of

PACKAGE = Path(kandi_nb.__file__).parent


@pytest.mark.parametrize("key", models.SPECS)
def test_every_pipeline_of_a_model_is_of_its_family(key):
    spec = models.SPECS[key]
    found = {family_of(role.pipeline).key for role in spec.roles.values()}
    assert found == {spec.family}
    assert ("prior" in spec.roles) == FAMILIES[spec.family].has_prior


def test_a_family_is_told_by_its_row_alone(monkeypatch):
    toy = Family("toy", "KandinskyToy", {"decoder": {}}, {}, tokens=9, guidance_offset=2)
    monkeypatch.setitem(families.FAMILIES, "toy", toy)
    assert family_of("KandinskyToyImg2ImgPipeline") is toy
    assert family_of("KandinskyPipeline").key == "2.1" and family_of("FluxPipeline") is None
    assert not toy.has_prior
    spec = models.ModelSpec("a-toy", "toy", {}, native_size=64, languages="", draws="")
    assert spec.tokens == 9


def test_nobody_else_compares_names_of_families():
    compared = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if "mini" not in path.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in FAMILIES
    ]
    assert not compared, "what differs is a field of Family"


def test_nobody_else_names_the_networks_of_a_family():
    """A pipeline's networks are asked for by what they do: `model/pipelines`."""
    names = {row.denoiser for row in FAMILIES.values()}
    names |= {row.picture_decoder for row in FAMILIES.values()}
    lower = [PACKAGE / layer for layer in ("words", "pictures", "model", "tasks")]
    named = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for folder in lower
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.Compare) and _constants(node) & names)
    ]
    assert not named


def _constants(node):
    sides = [node.left, *node.comparators]
    inner = [each for side in sides for each in ast.walk(side)]
    return {n.value for n in inner if isinstance(n, ast.Constant) and isinstance(n.value, str)}
