"""Start kernels of this very Python, know how they ended, and leave none behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import weakref
from typing import Any

from ...model.threads import WAITING, wait_passively
from ...words.errors import HEADLESS
from . import warm

START = 60  # seconds: a cold disk and two kernels at once can take half a minute
STARTS = 2  # a kernel that did not start is tried once more: its ports may have been taken

# Level 40 keeps quiet about TCP without encryption: the kernel listens on loopback only.
COMMAND = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40"]

_kernels: weakref.WeakSet = weakref.WeakSet()


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
        popen: subprocess.Popen | warm.Forked | None = None

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
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
            forked = await asyncio.to_thread(warm.kernel, kernel_cmd, **kw)
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
