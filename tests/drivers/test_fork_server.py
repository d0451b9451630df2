"""Kernels that are forked: processes of their own, known and ended like any other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from kandi_nb.drivers.notebooks.run import run_notebooks
from kandi_nb.drivers.notebooks.runs import fork_server, kernels

pytestmark = [
    pytest.mark.filterwarnings("ignore:the notebooks are those"),
    pytest.mark.skipif(not fork_server.FORKS, reason="kernels are forked on Linux only"),
]

TELLS = """\
import json, os, random, sys
import numpy as np
drawn = [random.random(), float(np.random.rand())]
print(json.dumps([os.getpid(), os.getppid(), "torch" in sys.modules, os.getcwd(), drawn]))
"""
PLOTS = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"


def end(variable):
    """End the process that forks for these tests, as if none had been launched."""
    for key in [key for key in fork_server._launched if variable in key]:
        del fork_server._launched[key]
        if key in fork_server._servers:
            fork_server._servers.pop(key).close()


@pytest.fixture(scope="module")
def variable(tmp_path_factory):
    """A variable of these tests alone: no process of others forks here, and one for all."""
    made = "KANDI_NB_TEST", str(tmp_path_factory.mktemp("alone"))
    yield made
    end(made)


@pytest.fixture
def write(tmp_path, monkeypatch, variable):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv(*variable)

    def _write(name, *cells):
        first = new_code_cell("SEED = 7", metadata={"tags": ["parameters"]})
        cells = [new_markdown_cell("# Title"), first, *map(new_code_cell, cells)]
        nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb")

    return _write


def told(run):
    (output,) = nbformat.read(run.executed, as_version=4).cells[2].outputs
    return output.text


def test_from_the_second_on_kernels_share_imports_and_nothing_else(write, tmp_path, variable):
    end(variable)
    for number in range(3):
        write(f"0{number}_x", TELLS)
    first, *rest = [json.loads(told(run)) for run in run_notebooks(at_once=1)]
    assert first[1] == os.getpid() and not first[2]
    pids, parents, imported, folders, drawn = zip(*rest, strict=True)
    assert len({first[0], *pids, *parents, os.getpid()}) == 5
    assert parents[0] == parents[1] and all(imported)
    assert set(folders) == {first[3]} == {str(tmp_path / "notebooks")}
    assert not set(drawn[0]) & set(drawn[1])
    time.sleep(0.3)
    assert not any(map(psutil.pid_exists, pids)), "a kernel was left behind"


def test_a_figure_of_matplotlib_appears_by_itself_as_ever(write):
    for number in range(2):
        write(f"0{number}_x", PLOTS)
    for run in run_notebooks(at_once=1):
        outputs = nbformat.read(run.executed, as_version=4).cells[2].outputs
        assert ["image/png" in output.get("data", {}) for output in outputs] == [True]


def test_how_a_forked_kernel_ended_is_known(write):
    write("00_x", "pass")
    write("01_exits", "import os; os._exit(3)")
    write("02_killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    write("03_late", "import time; time.sleep(60)")
    write("04_y", "pass")
    good, exits, killed, late, last = run_notebooks(at_once=1, timeout=3)
    assert good.ok and last.ok
    assert "exit code 3" in exits.reason
    assert "the system ended it" in killed.reason
    assert "ran longer than 3 s" in late.reason and late.seconds < 40


def test_a_kernel_starts_by_itself_where_none_can_be_forked(write, monkeypatch):
    def fails(*_):
        raise OSError("no")

    monkeypatch.setattr(fork_server.ForkServer, "fork", fails)
    for number in range(2):
        write(f"0{number}_x", TELLS)
    assert all(run.ok and f", {os.getpid()}, false" in told(run) for run in run_notebooks())


def test_a_kernel_that_comes_too_late_is_ended_and_given_to_nobody(monkeypatch):
    def start(command, pass_fds, **_):
        theirs.append(socket.socket(fileno=os.dup(pass_fds[0])))
        return None

    theirs = []
    monkeypatch.setattr(fork_server.subprocess, "Popen", start)
    server = fork_server.ForkServer({})
    monkeypatch.undo()
    monkeypatch.setattr(fork_server, "READY", 0.2)
    with pytest.raises(OSError, match="no kernel was forked"):
        server.fork([], "/", {})
    monkeypatch.setattr(fork_server, "READY", 60)
    late = subprocess.Popen(["sleep", "600"])
    with theirs[0], theirs[0].makefile("r") as requests, ThreadPoolExecutor() as pool:
        second = pool.submit(server.fork, [], "/", {})
        numbers = [json.loads(requests.readline())["number"] for _ in range(2)]
        for number, pid in zip(numbers, (late.pid, 4321), strict=True):
            theirs[0].sendall(json.dumps({"number": number, "forked": pid}).encode() + b"\n")
        assert second.result().pid == 4321
        assert late.wait(30) == -signal.SIGKILL


def test_another_command_is_left_to_jupyter():
    other = [sys.executable, "-c", "pass", "-f", "x"]
    assert all(fork_server.kernel(other, env={}, cwd=None) is None for _ in range(3))
    plain = [*kernels.COMMAND, "-f", "x"]
    assert all(fork_server.kernel(plain, env={}, stdout=1) is None for _ in range(3))


def test_no_kernel_outlives_a_program_that_was_killed(write, tmp_path):
    for number in range(2):
        write(f"0{number}_x", f"import os, time; open('pid{number}', 'w').write("
              "f'{os.getpid()} {os.getppid()}'); time.sleep(300 * %d)" % number)  # fmt: skip
    code = "from kandi_nb.drivers.notebooks.run import run_notebooks; run_notebooks(at_once=1)"
    program = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    noted = tmp_path / "notebooks" / "pid1"
    deadline = time.monotonic() + 120
    while not (noted.exists() and noted.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    program.kill()
    program.wait()
    left = list(map(int, noted.read_text().split()))
    while any(map(psutil.pid_exists, left)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, left))
