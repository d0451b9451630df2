"""Choosing device and number format, measuring memory, and the check of the machine."""

from __future__ import annotations

import gc
import sys
import types

import pytest

from kandi_nb import memory, peak, registry
from kandi_nb.errors import KandiError


def test_device_takes_the_first_at_hand(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert memory.device() == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert memory.device() == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert memory.device() == "cuda"
    assert memory.device("cpu") == memory.device(" CPU ") == "cpu"


def test_device_refuses_what_is_not_there(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(KandiError, match=r"device cuda is not at hand .*cpu"):
        memory.device("cuda")
    with pytest.raises(KandiError, match=r"did you mean cuda\? known: cuda, mps, cpu"):
        memory.device("cudaa")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert memory.device("cuda:1") == "cuda:1"
    with pytest.raises(KandiError, match="cuda:0 to cuda:1"):
        memory.device("cuda:2")


def test_dtype_follows_the_device_and_takes_names():
    import torch

    assert memory.dtype("cuda:1") is torch.float16
    assert memory.dtype("cpu") is memory.dtype("mps") is torch.float32
    for name in ("fp16", "half", "float16", "torch.float16", torch.float16):
        assert memory.dtype("cpu", name) is torch.float16
    for wrong in ("int8", 16, torch.int8, ""):
        with pytest.raises(KandiError, match="known: float32, float16, bfloat16"):
            memory.dtype("cpu", wrong)


def test_track_peak_sees_what_the_block_needed():
    gc.collect()  # what other tests left would go during the block, and count against it
    with memory.track_peak() as small:
        pass
    with memory.track_peak() as large:
        block = bytearray(256 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        del block
    assert 240 < large.peak_mb < 320
    assert large.held_mb > 10
    if sys.platform == "linux":  # elsewhere the highest value ever is all the system tells
        with memory.track_peak() as after:
            pass
        assert small.peak_mb < 20
        assert after.peak_mb < 20


def test_track_peak_reads_after_an_error_too():
    with pytest.raises(ZeroDivisionError), memory.track_peak() as found:
        1 / 0  # noqa: B018
    assert found.peak_mb is not None


def test_track_peak_on_cuda_asks_torch(monkeypatch):
    import torch

    fake = types.SimpleNamespace(
        synchronize=lambda device: None,
        reset_peak_memory_stats=lambda device: None,
        memory_allocated=lambda device: 100 * peak.MIB,
        max_memory_allocated=lambda device: 150 * peak.MIB,
    )
    monkeypatch.setattr(torch, "cuda", fake)
    with memory.track_peak("cuda:0") as found:
        pass
    assert (found.held_mb, found.peak_mb) == (100, 50)


def test_free_is_harmless():
    memory.free()


def rows(**changes):
    return {row["what"]: row for row in memory.check()}


def test_check_names_what_matters():
    found = rows()
    assert {"Python", "torch", "diffusers", "device", "memory", "hub cache"} <= set(found)
    assert set(registry.SPECS) <= set(found)
    assert "torch" in repr(memory.check())
    assert "<table" in memory.check()._repr_html_()


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
    monkeypatch.setattr(memory, "_version", versions.get)
    monkeypatch.setattr(memory.importlib.metadata, "requires", needs.get)
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
    assert memory.check().note == "4 things to mend"


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
    monkeypatch.setattr(memory, "_version", {"torchvision": vision, "torch": torch}.get)
    monkeypatch.setattr(memory.importlib.metadata, "requires", lambda name: ["torch==2.13.0"])
    found = memory._torchvision_mismatch()
    assert expected in found
    assert bool(found) == bool(expected)
