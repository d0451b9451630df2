"""What is forked for a test ends as any process does, and with the one that stands in front."""

from __future__ import annotations

import signal
import subprocess

import psutil
import pytest

from kandi_nb.drivers.notebooks.runs.fork_server import FORKS

pytestmark = pytest.mark.skipif(not FORKS, reason="processes are forked on Linux only")
WAITS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_it_has_its_words_streams_and_exit_code(quick_python):
    code = "import sys; print('torch' in sys.modules, sys.argv[1:], input()); sys.exit(3)"
    done = subprocess.run(
        [*quick_python, "-c", code, "a"], input="b\n", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "True ['a'] b\n"), done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_both(quick_python, number):
    with subprocess.Popen([*quick_python, "-c", WAITS], stdout=subprocess.PIPE) as process:
        forked = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        assert process.wait(60) == -number
    assert not psutil.wait_procs([forked], timeout=60)[1]
