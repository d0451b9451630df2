"""Processes that begin with the imports done: forked in a moment instead of five seconds.

A kernel or a command that a test starts spends most of its time on importing PyTorch and
diffusers. `Forking` holds a process that has imported them; its `words` stand before those of
Python, as in `[*forking.words, "-m", "ipykernel_launcher", …]`, or `-c`. What is started so is
a process of its own. Whoever started it sees a small one in front of it, which hands on signals
and takes over the exit code, and with whose end the other one ends.

That a plain process starts as well, other tests see.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path

READY = 300  # seconds for the imports on a busy machine
MOST = 2**20  # bytes of a request


class Forking:
    """Hold the process that forks; end it, and all that it forked, with `close`."""

    def __init__(self, folder: Path) -> None:
        import subprocess

        address = folder / "forks"
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        for name in ("KANDI_NB_HEADLESS", "KANDINSKY_SERVICE_URL"):
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(address)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.words = [sys.executable, "-I", "-S", __file__, str(address)]
        if not select.select([self._process.stdout], [], [], READY)[0]:
            self.close()
            raise TimeoutError("no process that forks")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


# --- the small process ---


def front(address: str, words: list[str]) -> None:
    """Have the words run by a fork; be there in its place until it ends."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(address)
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    data = json.dumps(request).encode()
    streams = array.array("i", [0, 1, 2])
    channel.sendmsg([b"%8d" % len(data)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    channel.sendall(data)
    answers = channel.makefile("r")
    pid = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    code = int(answers.readline() or -signal.SIGKILL)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


# --- the process that forks ---


def serve(address: str) -> None:
    """Import, then fork for each request, until nobody holds the other end of stdin."""
    from kandi_nb.drivers.notebooks.runs.fork_server import _import

    del sys.path[0]  # this folder: what is forked has its own there
    _import()
    import gc

    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
    forked: dict[int, socket.socket] = {}  # process → who waits for it
    while True:
        waiting = [sys.stdin, listener, *forked.values()]
        ready = select.select(waiting, [], [], 0.02 if forked else None)[0]
        if sys.stdin in ready:
            return
        for pid, channel in list(forked.items()):
            if channel in ready:  # it never says anything: its end is gone
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # What was killed has let go of its files and ports before the next one begins.
            done, status = os.waitpid(pid, 0 if channel in ready else os.WNOHANG)
            if done:
                del forked[pid]
                with contextlib.suppress(OSError):
                    channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                channel.close()
        if listener in ready:
            channel, _ = listener.accept()
            request, streams = _received(channel)
            pid = os.fork()
            if pid == 0:
                listener.close()
                for other in (channel, *forked.values()):
                    other.close()
                return _become(request, streams)
            for stream in streams:
                os.close(stream)
            forked[pid] = channel
            channel.sendall(b"%d\n" % pid)


def _received(channel: socket.socket) -> tuple[dict, list[int]]:
    size, streams, *_ = socket.recv_fds(channel, 8, 3)
    data = b""
    while len(data) < int(size):
        data += channel.recv(MOST)
    return json.loads(data), streams


def _become(request: dict, streams: list[int]) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it ends with the process that forked it
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # The streams of Python know by now what kind of file theirs is: these are others.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        errors = "strict" if number < 2 else "backslashreplace"
        mode = "w" if number else "r"
        stream = open(number, mode, 1, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import numpy as np

    np.random.seed()  # Python's own generator does so by itself after a fork
    option, what, *words = request["words"]
    sys.path.insert(0, "")
    if option == "-m":
        sys.argv = [what, *words]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [option, *words]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    else:
        front(sys.argv[1], sys.argv[2:])
