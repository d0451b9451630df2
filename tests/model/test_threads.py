"""PyTorch's CPU threads: chosen by a model's size, and left alone where the user chose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kandi_nb import cli
from kandi_nb.drivers.commands.notebooks import lab
from kandi_nb.drivers.notebooks.runs.kernels import kernel_class
from kandi_nb.model.check import check
from kandi_nb.model.machine import threads

ROOT = Path(__file__).parents[2]
OWN = 6  # what the pretended machine's PyTorch begins with


class Counter:
    """Stand for PyTorch's number of threads."""

    def __init__(self):
        self.number = OWN

    def set(self, number):
        self.number = number


@pytest.fixture
def torch_threads(monkeypatch):
    """Pretend a machine of six cores on which nobody has set anything yet."""
    import threading

    import torch

    counter = Counter()
    monkeypatch.setattr(torch, "get_num_threads", lambda: counter.number)
    monkeypatch.setattr(torch, "set_num_threads", counter.set)
    monkeypatch.setattr(threads, "_usual", lambda: {OWN})
    for name, value in {
        "_mine": threading.local(),
        "_chosen": set(),
        "_own": None,
        "_large": False,
    }.items():
        monkeypatch.setattr(threads, name, value)
    for name in threads.USERS:
        monkeypatch.delenv(name, raising=False)
    return counter


@pytest.fixture
def folder(tmp_path):
    """Make a folder with weights of so many bytes, without writing them: folder(size)."""

    def _folder(size):
        place = tmp_path / str(size) / "unet"
        place.mkdir(parents=True, exist_ok=True)
        with open(place / "weights.safetensors", "wb") as file:
            file.truncate(size)
        return place.parent

    return _folder


def test_a_small_model_takes_one_thread(torch_threads, folder):
    threads.choose([folder(50 * 2**20)])
    assert torch_threads.number == 1


def test_a_large_model_takes_pytorchs_own_number(torch_threads, folder):
    threads.choose([folder(3 * 2**30)])
    assert torch_threads.number == OWN


def test_a_large_model_gets_all_threads_back_and_keeps_them(torch_threads, folder):
    small, large = [folder(2**20)], [folder(2**20), folder(2**30)]
    threads.choose(small)
    threads.choose(large)
    assert torch_threads.number == OWN
    threads.choose(small)
    assert torch_threads.number == OWN, "the large model is still in use"


def test_a_gpus_model_changes_nothing(torch_threads, folder):
    threads.choose([folder(2**20)], "cuda:0")
    assert torch_threads.number == OWN


@pytest.mark.parametrize("variable", threads.USERS)
def test_a_variable_of_the_user_stays(torch_threads, folder, monkeypatch, variable):
    monkeypatch.setenv(variable, "6")
    threads.choose([folder(2**20)])
    assert torch_threads.number == OWN
    assert threads.describe_threads() == f"6, set by {variable}"


def test_a_number_set_before_the_first_model_stays(torch_threads, folder):
    torch_threads.set(3)
    threads.choose([folder(2**20)])
    threads.choose([folder(2**30)])
    assert torch_threads.number == 3
    assert threads.describe_threads() == "3, set by torch.set_num_threads"


@pytest.mark.parametrize("number", [2, OWN])
def test_a_number_set_after_the_first_model_stays(torch_threads, folder, number):
    threads.choose([folder(2**20)])
    torch_threads.set(number)
    threads.choose([folder(2**20)])
    assert torch_threads.number == number


def test_another_thread_may_load_the_next_model(torch_threads, folder):
    from threading import Thread

    threads.choose([folder(2**20)])  # a thread that begins now begins with 1
    later = Thread(target=threads.choose, args=([folder(2**30)],))
    later.start()
    later.join()
    assert torch_threads.number == OWN


def test_check_says_the_numbers(torch_threads, folder, monkeypatch):
    monkeypatch.setattr("kandi_nb.model.machine.device.device", lambda: "cpu")
    sentence = f"1 for small models, {OWN} for large ones"
    for _ in range(2):
        rows = {row["what"]: row for row in check()}
        assert rows["threads"]["found"] == sentence and not rows["threads"]["remedy"]
        threads.choose([folder(2**20)])


def test_pytorch_begins_with_a_number_that_is_known_as_its_own():
    """Ask a fresh Python what a plain user meets: before, with the bundled model, and after."""
    code = (
        "import json, torch, kandi_nb as kn\n"
        "from kandi_nb.model.machine import threads\n"
        "before = torch.get_num_threads(), threads.users_own()\n"
        "kn.load('mini-2.2', device='cpu')\n"
        "loaded = torch.get_num_threads()\n"
        "torch.set_num_threads(2)\n"
        "kn.load('mini-2.2', device='cpu')\n"
        "print(json.dumps([before, loaded, torch.get_num_threads()]))"
    )
    plain = {name: text for name, text in os.environ.items() if name not in threads.USERS}
    environment = plain | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    (_, setting), loaded, after = json.loads(done.stdout)
    assert setting == "" and loaded == 1 and after == 2


# --- threads that wait ---


def test_waiting_threads_sleep_in_a_new_process():
    environment = {}
    threads.wait_passively(environment)
    assert environment == {"OMP_WAIT_POLICY": "PASSIVE"}


def test_a_policy_of_the_user_stays():
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    threads.wait_passively(environment)
    assert environment == {"OMP_WAIT_POLICY": "ACTIVE"}


def test_a_process_with_torch_in_it_is_left_as_it_is(monkeypatch):
    import torch  # noqa: F401

    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    threads.wait_passively(os.environ)
    assert "OMP_WAIT_POLICY" not in os.environ


def test_the_command_and_lab_wait_passively(monkeypatch):
    """The command sets the policy before torch is there; JupyterLab and kernels inherit it."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "to be restored")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    environments = []

    class Lab:
        def __init__(self, command, env):
            environments.append(env)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return 0

    monkeypatch.setattr(lab.subprocess, "Popen", Lab)
    assert cli.main(["lab", "--no-browser"]) == 0
    assert environments[0]["OMP_WAIT_POLICY"] == "PASSIVE"


def test_kernels_without_a_browser_wait_passively(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert kernel_class(1)().kernel_spec.env["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert "OMP_WAIT_POLICY" not in kernel_class(1)().kernel_spec.env
