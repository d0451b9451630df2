"""What a caller has switched on reaches no pixel, in any task, and is on again afterwards."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch

import kandi_nb as kn

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = kn.Params("a red fox", steps=2, prior_steps=2, seed=7, width=64, height=64)
FAMILIES = ["tiny_roles_folder", "tiny21_folder", "tiny3_folder"]


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)


@contextmanager
def precision():
    torch.set_float32_matmul_precision("medium")
    yield
    assert torch.get_float32_matmul_precision() == "medium"
    torch.set_float32_matmul_precision("highest")


@contextmanager
def default_device():
    torch.set_default_device("meta")
    yield
    assert torch.zeros(1).is_meta
    torch.set_default_device(None)


SWITCHES = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "autocast on a card": lambda: torch.autocast("cuda", dtype=torch.float16),
    "default device": default_device,
    "device block": lambda: torch.device("meta"),
    "default dtype": default_dtype,
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
    "deterministic": deterministic,
    "precision": precision,
    "numpy's errors": lambda: np.errstate(all="raise"),
}


def calls(k):
    """Name → what draws: each task that the model can do, and mixing."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    depth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (64, 1))
    half = QUICK.replace(strength=0.6, steps=4)
    grown = QUICK.replace(width=None, height=None)
    quiet = {"progress": False}
    able = {
        "generate": lambda: kn.generate(k, QUICK, **quiet),
        "edit": lambda: kn.edit(k, half, image=image, **quiet),
        "inpaint": lambda: kn.inpaint(k, QUICK, image=image, mask=mask, **quiet),
        "outpaint": lambda: kn.outpaint(k, grown, image=image, right=64, **quiet),
        "upscale": lambda: kn.upscale(k, half, image=image, **quiet),
    }
    if "inpaint" not in k.spec.roles and k.prior is not None:
        able.pop("inpaint"), able.pop("outpaint")  # the folder of 2.1 has a decoder alone
    if k.prior is not None:
        able["mix"] = lambda: kn.mix(k, QUICK, ["a cat", image], how="slerp", **quiet)
    if "depth" in k.spec.roles:
        able["depth"] = lambda: kn.generate(k, QUICK, depth=depth, **quiet)
    return able


def pixels(call):
    return np.concatenate([np.asarray(image, int) for image in call().images])


@pytest.fixture(params=FAMILIES, scope="module")
def k(request):
    k = kn.load(request.getfixturevalue(request.param), device="cpu")
    k.spec = dataclasses.replace(k.spec, native_size=64)  # the tiny 3 does not say it
    return k


def test_every_task_draws_the_same_with_all_of_them_on(k):
    able = calls(k)
    expected = {name: pixels(call) for name, call in able.items()}
    with ExitStack() as stack:
        for switch in SWITCHES.values():
            stack.enter_context(switch())
        k.forget()
        drawn = {name: pixels(call) for name, call in able.items()}
    for name, seen in drawn.items():
        assert np.abs(seen - expected[name]).max() == 0, name


def test_each_alone_changes_nothing_and_is_on_again(tiny):
    def draw():
        tiny.forget()
        return pixels(lambda: kn.generate(tiny, QUICK, progress=False))

    expected = draw()
    for name, switch in SWITCHES.items():
        with switch():
            assert (draw() == expected).all(), name
            on = name in ("autocast", "autocast float16")
            assert torch.is_autocast_enabled("cpu") == on, name
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tiny.forget()
        drawn = kn.generate(tiny, QUICK, progress=False)
        assert kn.recipe(drawn[0])["options"]["dtype"] == "float32"
        again = kn.replay(drawn[0], tiny)
    assert (np.asarray(again[0], int) == expected).all()


def test_a_model_is_loaded_as_without_them(tiny_folder, tiny):
    expected = pixels(lambda: kn.generate(tiny, QUICK, progress=False))
    with ExitStack() as stack:
        for switch in SWITCHES.values():
            stack.enter_context(switch())
        k = kn.load(tiny_folder, device="cpu")
    assert k.decoder.unet.dtype == torch.float32 and k.decoder.device.type == "cpu"
    assert (pixels(lambda: kn.generate(k, QUICK, progress=False)) == expected).all()


def test_what_is_the_whole_processs_stays_off_until_the_last_task_ends():
    from kandi_nb.model.machine.switches import usual_switches

    inside, leave = threading.Event(), threading.Event()

    def task():
        with usual_switches():
            inside.set()
            leave.wait(10)

    with default_dtype():
        thread = threading.Thread(target=task)
        thread.start()
        assert inside.wait(10)
        with usual_switches():
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float32, "the other one is still drawing"
        leave.set()
        thread.join()
