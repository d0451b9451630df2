"""Choosing device and number format, and measuring memory."""

from __future__ import annotations

import gc
import sys
import types

import pytest

from kandi_nb.model.machine import device, peak
from kandi_nb.words.errors import KandiError


def test_device_takes_the_first_at_hand(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.device() == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.device() == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.device() == "cuda"
    assert device.device("cpu") == device.device(" CPU ") == "cpu"


def test_device_refuses_what_is_not_there(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(KandiError, match=r"device cuda is not at hand .*cpu"):
        device.device("cuda")
    with pytest.raises(KandiError, match=r"did you mean cuda\? known: cuda, mps, cpu"):
        device.device("cudaa")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.device("cuda:1") == "cuda:1"
    with pytest.raises(KandiError, match="cuda:0 to cuda:1"):
        device.device("cuda:2")


def test_dtype_follows_the_device_and_takes_names():
    import torch

    assert device.dtype("cuda:1") is torch.float16
    assert device.dtype("cpu") is device.dtype("mps") is torch.float32
    for name in ("fp16", "half", "float16", "torch.float16", torch.float16):
        assert device.dtype("cpu", name) is torch.float16
    for wrong in ("int8", 16, torch.int8, ""):
        with pytest.raises(KandiError, match="known: float32, float16, bfloat16"):
            device.dtype("cpu", wrong)


def test_track_peak_sees_what_the_block_needed():
    gc.collect()  # what other tests left would go during the block, and count against it
    with peak.track_peak() as small:
        pass
    with peak.track_peak() as large:
        block = bytearray(256 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        del block
    assert 240 < large.peak_mb < 320
    assert large.held_mb > 10
    if sys.platform == "linux":  # elsewhere the highest value ever is all the system tells
        with peak.track_peak() as after:
            pass
        assert small.peak_mb < 20
        assert after.peak_mb < 20


def test_a_block_inside_hides_nothing_from_the_one_around_it():
    with peak.track_peak() as outer:
        block = bytearray(200_000_000)
        del block
        with peak.track_peak() as inner:
            pass
    assert outer.peak_mb > 160 > 20 > inner.peak_mb


def test_track_peak_reads_after_an_error_too():
    with pytest.raises(ZeroDivisionError), peak.track_peak() as found:
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
    with peak.track_peak("cuda:0") as found:
        pass
    assert (found.held_mb, found.peak_mb) == (100, 50)


def test_free_is_harmless():
    device.free()
