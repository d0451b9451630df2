"""Fork kernels from a process that has imported PyTorch and diffusers: seven seconds each.

`python -m kandi_nb.drivers.notebooks.runs.fork_server` imports, computes nothing, and forks a
kernel for each request. Such a kernel is a process of its own; it shares with the others what
was imported, and nothing else. The first kernel of a program, and all where forking is not safe
(anywhere but on Linux), start as Jupyter starts them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ....model.quiet import quiet
from ....words.models import SPECS

FORKS = sys.platform == "linux"
READY = 120  # seconds for the imports on a busy machine; a kernel of its own starts after that
MOST = 2  # processes that fork, of half a gigabyte each
LAUNCHER = ["-m", "ipykernel_launcher"]
# Not matplotlib, which asks at its import where figures are to appear.
IMPORTS = ["ipykernel.kernelapp", "ipywidgets", "torch"]
# Variables that differ from kernel to kernel, and that no import reads.
OWN = ("JPY_", "PYTEST_")
KNOWN = {"env", "cwd"}  # of Jupyter's settings of a process


class ForkServer:
    """Hold the process that forks kernels, as the program sees it that wants them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the program, which then ends its kernels
        )
        theirs.close()
        self._asking = threading.Lock()
        self._news = threading.Condition()
        self._number = 0  # of the last request
        self._forked: dict[int, int] = {}  # number → process
        self._codes: dict[int, int] = {}
        self._gone = False
        threading.Thread(target=self._listen, daemon=True).start()

    def fork(self, words: Sequence[str], folder: str, environment: Mapping[str, str]) -> Forked:
        """Return a kernel with these words, folder and variables; OSError if none came."""
        request = {"words": list(words), "folder": folder, "environment": dict(environment)}
        with self._asking:
            self._number = number = self._number + 1
            self._channel.sendall(json.dumps(request | {"number": number}).encode() + b"\n")
            with self._news:
                self._news.wait_for(lambda: number in self._forked or self._gone, READY)
                if number not in self._forked:
                    self._number += 1  # whatever comes late is nobody's
                    raise OSError("no kernel was forked")
                return Forked(self, self._forked.pop(number))

    def code(self, pid: int) -> int | None:
        """Return the exit code of a kernel, negative for a signal; None while it runs."""
        with self._news:
            # Kernels end by themselves once the process that forked them is gone.
            return self._codes.get(pid, -signal.SIGKILL if self._gone else None)

    def close(self) -> None:
        """End the process; its kernels end within a second."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._channel.makefile("rb") as answers:
            for line in answers:
                answer = json.loads(line)
                with self._news:
                    if "ended" not in answer:
                        self._arrives(answer["number"], answer["forked"])
                    else:
                        self._codes[answer["ended"]] = answer["code"]
                    self._news.notify_all()
        with self._news:
            self._gone = True
            self._news.notify_all()

    def _arrives(self, number: int, pid: int) -> None:
        """Give a kernel to whoever waits for it; end one that came too late."""
        if number == self._number:
            self._forked[number] = pid
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Forked:
    """A forked kernel, with what Jupyter uses of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(LAUNCHER, timeout)
            time.sleep(0.05)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_lock = threading.Lock()
_launched: Counter[frozenset] = Counter()  # kernels by their variables
_servers: dict[frozenset, ForkServer] = {}


def kernel(command: Sequence[str], **settings: Any) -> Forked | None:
    """Return a forked kernel for Jupyter's command and settings, or None: start it as usual.

    So it is for the first kernel of a program, or of other environment variables, which may
    stay the only one; and for a command that is no plain kernel of this Python.
    """
    plain = list(command[:3]) == [sys.executable, *LAUNCHER]
    if not FORKS or not plain or any(settings[name] for name in settings.keys() - KNOWN):
        return None
    environment = settings.get("env") or dict(os.environ)
    server = _server(environment)
    if server is None:
        return None
    try:
        return server.fork(command[3:], str(settings.get("cwd") or os.getcwd()), environment)
    except OSError:
        return None


def _server(environment: Mapping[str, str]) -> ForkServer | None:
    """Return the process whose imports saw these variables; None the first time."""
    read = frozenset(
        (name, value) for name, value in environment.items() if not name.startswith(OWN)
    )
    with _lock:
        _launched[read] += 1
        if _launched[read] > 1 and read not in _servers and len(_servers) < MOST:
            _servers[read] = ForkServer(environment)
        return _servers.get(read)


def main() -> None:
    """Import, then fork a kernel for each request that comes through the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # a kernel has its own folder there
    _import()
    gc.collect()
    gc.freeze()  # pages that the collector leaves alone stay shared
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request:
        _become_a_kernel(request)


def _import() -> None:
    """Import what notebooks do. What fails fails in the notebook again, where it is read."""
    with contextlib.suppress(Exception), quiet():
        import diffusers

        for spec in SPECS.values():
            for role in spec.roles.values():
                getattr(diffusers, role.pipeline)
        for name in IMPORTS:
            importlib.import_module(name)


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork until the program is gone: None here, and its request in each forked process."""
    # Without a buffer: what was not read yet waits where select sees it.
    requests = channel.makefile("rb", buffering=0)
    children: set[int] = set()

    def answer(**fields: int) -> None:
        channel.sendall(json.dumps(fields).encode() + b"\n")

    with contextlib.suppress(OSError):
        while True:
            if select.select([channel], [], [], 0.1 if children else None)[0]:
                line = requests.readline()
                if not line:
                    return None
                request = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    requests.close()
                    channel.close()
                    return request
                children.add(pid)
                answer(number=request["number"], forked=pid)
            for pid in sorted(children):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    children.remove(pid)
                    answer(ended=pid, code=os.waitstatus_to_exitcode(status))
    return None


def _become_a_kernel(request: Mapping[str, Any]) -> None:
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(ImportError):
        import numpy as np

        np.random.seed()  # Python's own generator does so by itself after a fork
    # A kernel ends when its parent does, and its parent is not the program.
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"
    sys.argv = ["ipykernel_launcher", *request["words"], parent]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
