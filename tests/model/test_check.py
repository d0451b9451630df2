"""The check of the machine: what it finds, and that each remedy can be typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kandi_nb import cli
from kandi_nb.model import check
from kandi_nb.model.machine import device
from kandi_nb.words import models
from kandi_nb.words.errors import KandiError

ROOT = Path(__file__).parents[2]


def rows(**changes):
    return {row["what"]: row for row in check.check()}


def test_check_names_what_matters():
    found = rows()
    assert {"Python", "torch", "diffusers", "device", "memory", "hub cache"} <= set(found)
    assert set(models.SPECS) <= set(found)
    assert "torch" in repr(check.check())
    assert "<table" in check.check()._repr_html_()


def test_a_brief_check_is_one_line_where_all_is_well(monkeypatch):
    for look in ("_look_at_packages", "_look_at_models"):
        monkeypatch.setattr(check, look, lambda: iter([]))
    monkeypatch.setattr(device, "available_mb", lambda device="cpu": 10_000.0)
    brief = check.check(brief=True)
    assert "\n" not in repr(brief) and repr(brief).startswith("all is well (")


def test_check_says_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
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
    monkeypatch.setattr(check, "_version", versions.get)
    monkeypatch.setattr(check.importlib.metadata, "requires", needs.get)
    monkeypatch.setattr(device, "available_mb", lambda device="cpu": 100.0)
    found = rows()
    assert "different devices" in found["torchvision"]["found"]
    assert found["torchvision"]["remedy"].startswith("pip uninstall -y torchvision")
    assert found["diffusers"]["found"] == "not installed"
    assert found["diffusers"]["remedy"].endswith(' -m pip install "diffusers>=0.41"')
    assert found["torch"]["remedy"] == ""
    assert "pytest" not in found
    assert "close other programs" in found["memory"]["remedy"]
    assert "model_index.json is missing" in found["mini-2.2"]["found"]
    assert found["mini-2.2"]["remedy"].startswith("restore it with: git checkout --")
    assert check.check().note == "6 things to mend"
    brief = check.check(brief=True)
    assert len(brief) == 6 and all(row["remedy"] for row in brief), "what is wrong alone"


@pytest.mark.parametrize("below", ["hub", "deeper/hub"])
def test_a_cache_that_is_a_file_is_named_by_check_fetch_and_load(
    tmp_path, below, monkeypatch, capsys
):
    from huggingface_hub import constants

    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / below))
    row = rows()["hub cache"]
    assert row["found"].endswith(f"lies below a file, {tmp_path / 'file'}")
    assert row["remedy"] == "set HF_HOME to a folder that you may write to"
    assert cli.main(["fetch", "kandinsky-2.2"]) == 1
    assert cli.main(["draw", "a fox", "--model", "kandinsky-2.2", "-o", "x.png"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2
    assert all(line.endswith(f"{row['found']}; {row['remedy']}") for line in said)


def test_a_home_of_the_hub_that_is_a_file_ends_in_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = subprocess.run(
        [sys.executable, "-m", "kandi_nb.cli", "fetch", "kandinsky-2.2"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "set HF_HOME to a folder" in done.stderr


def test_a_read_only_cache_is_named_and_its_models_still_load(published, tmp_path, monkeypatch):
    from kandi_nb.model import find, hub
    from kandi_nb.model.loading.load import load

    find.fetch("kandinsky-2.2")
    # The superuser may write everywhere, so the system's answer is replaced.
    monkeypatch.setattr(hub.os, "access", lambda path, mode: not mode & os.W_OK)
    found = rows()
    assert "cannot be written to" in found["hub cache"]["found"]
    assert "set HF_HOME to a folder" in found["hub cache"]["remedy"]
    assert found["kandinsky-2.2"]["found"] == "ready"
    assert len(find.fetch("kandinsky-2.2")) == 2
    assert load("kandinsky-2.2", device="cpu").spec.key == "kandinsky-2.2"
    for task in (find.fetch, load):
        with pytest.raises(KandiError, match=r"cannot be written to; set HF_HOME") as error:
            task("kandinsky-3")
        assert "\n" not in str(error.value)


def test_a_cache_that_cannot_be_read_is_named(published, tmp_path, monkeypatch):
    from kandi_nb.model import hub

    monkeypatch.setattr(hub.os, "access", lambda path, mode: False)
    found = rows()
    assert "cannot be written to" in found["hub cache"]["found"]
    assert found["hub cache"]["remedy"]


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
    monkeypatch.setattr(check, "_version", {"torchvision": vision, "torch": torch}.get)
    monkeypatch.setattr(check.importlib.metadata, "requires", lambda name: ["torch==2.13.0"])
    found = check._torchvision_mismatch()
    assert expected in found
    assert bool(found) == bool(expected)
