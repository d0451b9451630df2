"""Start kernels of this very Python, hear them out, and leave none behind."""

from __future__ import annotations

import asyncio
import functools
import math
import os
import signal
import subprocess
import sys
import time
import weakref
from queue import Empty
from typing import Any

from ....model.machine.threads import WAITING, wait_passively
from ....words.errors import HEADLESS, KandiError
from . import fork_server

START = 60  # seconds: a cold disk and two kernels at once can take half a minute
STARTS = 2  # a kernel that did not start is tried once more: its ports may have been taken
LOOK = 0.5  # seconds from one look at a kernel's sockets to the next
ASK = 5.0  # seconds without a reply, after which the kernel is asked whether it is there

# Level 50 keeps quiet about TCP without encryption, as the kernel listens on loopback only, and
# about answers that nobody waits for once a cell ran out of time.
COMMAND = [sys.executable, "-m", "ipykernel_launcher", "--log-level=50"]

_kernels: weakref.WeakSet = weakref.WeakSet()


@functools.cache
def client_class() -> type:
    """Return a kernel client that misses no message, and says so when one was lost.

    ZeroMQ announces messages once. Whoever sends on the socket in that moment, as nbclient
    does for an output widget, takes the announcement away, and the reply lies there unread
    until the cell's time is up. So sockets are looked at twice a second, announced or not.

    A kernel answers in order. When it answers a later question and not the cell, that reply
    is lost: a KandiError instead of a wait for ever.
    """
    from jupyter_client.asynchronous import AsyncKernelClient
    from jupyter_client.channels import AsyncZMQSocketChannel
    from traitlets import Type

    class Channel(AsyncZMQSocketChannel):
        async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
            start = time.monotonic()
            end = math.inf if timeout is None else start + timeout
            while True:
                try:
                    left = max(0, end - time.monotonic())
                    return await super().get_msg(timeout=min(LOOK, left))
                except Empty:
                    if time.monotonic() >= end:
                        raise
                    self.wait_longer(time.monotonic() - start)

        def wait_longer(self, seconds: float) -> None:
            pass

    class Shell(Channel):
        cell: str | None = None  # message whose reply is waited for …
        question: str | None = None  # … and the one that was sent behind it

        def send(self, msg: dict[str, Any]) -> None:
            if msg["msg_type"] == "execute_request":
                self.cell, self.question = msg["header"]["msg_id"], None
            super().send(msg)

        def wait_longer(self, seconds: float) -> None:
            if seconds >= ASK and self.cell and not self.question:
                message = self.session.msg("kernel_info_request")
                self.question = message["header"]["msg_id"]
                self.send(message)

        async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
            message = await super().get_msg(timeout)
            parent = message["parent_header"].get("msg_id")
            if parent == self.cell:
                self.cell = self.question = None
            elif self.question and parent == self.question:
                raise KandiError("the kernel's reply was lost; run the notebook again")
            return message

    class Client(AsyncKernelClient):
        shell_channel_class = Type(Shell)
        iopub_channel_class = control_channel_class = stdin_channel_class = Type(Channel)

    return Client


def kernel_class(threads: int | None) -> type:
    """Return a kernel manager that starts this very Python, whatever "python3" is elsewhere.

    `threads` limits PyTorch's threads. Its `busy` says whether a cell is being run.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    environment = {HEADLESS: "1"}  # no bars, no buttons
    if WAITING not in os.environ:
        wait_passively(environment)
    if threads is not None and "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = str(threads)

    class ThisPython(AsyncKernelManager):
        busy = False
        stopped = False  # on purpose
        popen: subprocess.Popen | fork_server.Forked | None = None

        def __init__(self, **settings: Any) -> None:
            super().__init__(**{"client_factory": client_class(), **settings})
            _kernels.add(self)

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[*COMMAND, "-f", "{connection_file}"],
                display_name="Python",
                language="python",
                env=environment,
            )

        async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
            forked = await asyncio.to_thread(fork_server.kernel, kernel_cmd, **kw)
            if forked is None:
                await super()._async_launch_kernel(kernel_cmd, **kw)
            else:
                self.provisioner.process = forked
                self.provisioner.pid = self.provisioner.pgid = forked.pid
                self._reconcile_connection_info(self.provisioner.connection_info)
            # The provisioner forgets a process that has ended, and with it the exit code.
            self.popen = getattr(self.provisioner, "process", None)

        async def _async_interrupt_kernel(self) -> None:
            # Shutting down interrupts first: an idle kernel then logs a KeyboardInterrupt.
            if self.busy:
                await super()._async_interrupt_kernel()

    return ThisPython


def stop_kernels() -> None:
    """End the kernels that this process started and that still run."""
    for manager in list(_kernels):
        manager.stopped = True
        process = manager.popen
        if process is not None and process.poll() is None:
            process.kill()


def death(manager: Any) -> str:
    """Return how the kernel of a manager ended, and what to do about it, in one line."""
    process = getattr(manager, "popen", None)
    code = process.poll() if process is not None else None
    if code is None:
        return "the kernel died without a word; run it again"
    if code >= 0:
        return f"the kernel died: it ended itself with exit code {code}, as exit() does"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
    if name == "SIGKILL":
        return (
            "the kernel died: the system ended it, most often for want of memory; "
            "make the pictures smaller"
        )
    return f"the kernel died: it crashed ({name}), most often in a library; run it again"
