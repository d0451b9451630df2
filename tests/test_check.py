"""The check of the machine: what it finds, and that each remedy can be typed."""

from __future__ import annotations

import sys

import pytest

from kandi_nb import memory, registry
from kandi_nb.check import check

look = sys.modules["kandi_nb.check"]  # in the package the function has this name


def rows(**changes):
    return {row["what"]: row for row in check()}


def test_check_names_what_matters():
    found = rows()
    assert {"Python", "torch", "diffusers", "device", "memory", "hub cache"} <= set(found)
    assert set(registry.SPECS) <= set(found)
    assert "torch" in repr(check())
    assert "<table" in check()._repr_html_()


def test_check_says_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    versions = {
        "torch": "2.13.0+cpu",
        "torchvision": "0.28.0",
        "transformers": "5.1.0",
        "psutil": "7.0",
        "diffusers": None,
    }
    needs = {
        "torchvision": ["numpy", "torch==2.13.0"],
        "kandi_nb": ["torch>=2.6,<3", "diffusers>=0.41", "pytest>=8; extra == 'dev'"],
    }
    monkeypatch.setattr(look, "_version", versions.get)
    monkeypatch.setattr(look.importlib.metadata, "requires", needs.get)
    monkeypatch.setattr(memory, "available_mb", lambda device="cpu": 100.0)
    found = rows()
    assert "different devices" in found["torchvision"]["found"]
    assert found["torchvision"]["remedy"].startswith("pip uninstall -y torchvision")
    assert found["diffusers"]["found"] == "not installed"
    assert found["diffusers"]["remedy"] == 'pip install "diffusers>=0.41"'
    assert found["torch"]["remedy"] == ""
    assert "pytest" not in found
    assert "close other programs" in found["memory"]["remedy"]
    assert "model_index.json is missing" in found["mini-2.2"]["found"]
    assert found["mini-2.2"]["remedy"].startswith("restore it with: git checkout --")
    assert check().note == "4 things to mend"


@pytest.mark.parametrize(
    ("vision", "torch", "expected"),
    [
        (None, "2.13.0", ""),
        ("0.28.0", "2.13.0", ""),
        ("0.28.0+cpu", "2.13.0+cpu", ""),
        ("0.28.0+cpu", "2.12.0+cpu", "wants torch==2.13.0"),
        ("0.28.0+cu128", "2.13.0+cpu", "different devices"),
    ],
)
def test_torchvision_mismatch(monkeypatch, vision, torch, expected):
    monkeypatch.setattr(look, "_version", {"torchvision": vision, "torch": torch}.get)
    monkeypatch.setattr(look.importlib.metadata, "requires", lambda name: ["torch==2.13.0"])
    found = look._torchvision_mismatch()
    assert expected in found
    assert bool(found) == bool(expected)
