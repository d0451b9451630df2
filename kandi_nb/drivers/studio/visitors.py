"""The kernels behind the page: one a visitor, one warm for the next, and never too many."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError
from traitlets import Integer, Unicode

LOOK = 5.0  # seconds from one look at who is still there to the next
ARRIVE = 120.0  # seconds for a page to connect; a busy machine needs some for its cells
AWAY = 600.0  # seconds that the state of a page without connection is kept: a train's tunnel
CLOSED = 1.5  # the same of a page that was closed, for a page that is loaded anew is, too
RETURN = 20.0  # seconds for the page to come back once its browser has asked for it
BRIEFLY = 30.0  # the same when somebody waits at the door
IDLE = 1800.0  # seconds without a touch, after which an open page gives way to who waits
_PAUSE = 5.0  # seconds that the visitor's own cells have before the next kernel is warmed


class Visitors(AsyncMappingKernelManager):
    """Give each visitor a kernel, at most `most` in all, the warm one included.

    A page that is closed gives its kernel back after a moment, in which it may be loaded anew;
    one that lost its connection after ten minutes. In a full house those go first that are
    not connected, then the page that was longest untouched for half an hour; without any the
    next visitor is told to come again.
    """

    most = Integer(8, config=True, help="kernels at a time")
    warm_code = Unicode("", config=True, help="what a kernel runs before its visitor comes")

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.root_dir = self.parent.root_dir
        self._inside: set[str] = set()  # ids of kernels that have a visitor
        self._coming = 0  # visitors whose kernel is starting
        self._left: dict[str, float] = {}  # id → when its page lost the connection
        self._until: dict[str, float] = {}  # id → when it is ended if nobody connects
        self._warm: asyncio.Task | None = None  # warms a kernel without visitor …
        self._started: asyncio.Future | None = None  # … and gives its id once it is there
        self._owners: dict[str, str] = {}  # id → the browser that its page was sent to
        self._pages: dict[str, str] = {}  # id → its page as it was sent
        self._tasks: set[asyncio.Task] = set()  # asyncio itself would forget them
        self._watch = PeriodicCallback(self.look_around, 1000 * LOOK)
        self._watch.start()

    # --- who comes ---

    async def start_kernel(self, **words: Any) -> str:
        """Return the id of a visitor's kernel; raise an HTTPError of 503 in a full house."""
        if len(self._inside) + self._coming >= self.most and not await self._made_room():
            raise HTTPError(503, f"all {self.most} places are taken")
        self._coming += 1
        try:
            kernel_id = await self._warmed_or_new(words)
            self._inside.add(kernel_id)
            self._until[kernel_id] = time.monotonic() + ARRIVE
        finally:
            self._coming -= 1
        self.warm_up(_PAUSE)
        return kernel_id

    async def _warmed_or_new(self, words: dict[str, Any]) -> str:
        warm, started = self._warm, self._started
        self._warm = self._started = None
        if warm is None:
            return await self._new(words)
        if started is None:  # it would only wait
            warm.cancel()
            return await self._new(words)
        kernel_id = await started  # perhaps not warm yet: its page says what it waits for
        return kernel_id if await self._alive(kernel_id) else await self._new(words)

    async def _new(self, words: dict[str, Any]) -> str:
        # Level 40 keeps quiet about TCP without encryption: it goes no further than loopback.
        words["extra_arguments"] = ["--log-level=40"]
        # Where the command was typed, like all that it was told; the page's folder is ours.
        words.pop("path", None)
        words["cwd"] = os.getcwd()
        return await super().start_kernel(**words)

    async def _alive(self, kernel_id: str) -> bool:
        return kernel_id in self and await ensure_async(self.get_kernel(kernel_id).is_alive())

    # --- the warm one ---

    def warm_up(self, pause: float = 0.0) -> None:
        """Start a kernel for the next visitor, where there is a place left for one."""
        if self._warm is None and self.warm_code:
            self._warm = self._later(self._warm_up(pause))

    async def _warm_up(self, pause: float) -> None:
        """Start a kernel and run the warm code in it."""
        await asyncio.sleep(pause)
        while len(self._inside) + self._coming >= self.most:
            await asyncio.sleep(LOOK)
        started = self._started = asyncio.get_running_loop().create_future()
        try:
            kernel_id = await self._new({"kernel_name": "python3", "env": os.environ})
        except BaseException:
            started.set_result("")
            raise
        started.set_result(kernel_id)
        client = _second_client(self.get_kernel(kernel_id))
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=ARRIVE)
            await client._async_execute_interactive(
                self.warm_code, silent=True, store_history=False, timeout=ARRIVE
            )
        except Exception as error:  # the visitor gets a cold one instead
            self.log.error("a kernel could not be warmed: %s", error)
            if kernel_id not in self._inside:
                await self._end(kernel_id)
        finally:
            client.stop_channels()

    def _later(self, work: Any) -> asyncio.Task:
        """Do something beside; what goes wrong is logged."""
        task = asyncio.get_event_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.log.error("a kernel could not be ended: %s", task.exception())

    # --- who comes back ---

    def keep_page(self, kernel_id: str, owner: str, html: str) -> None:
        """Keep the page of a visitor, to send it again when it is loaded anew."""
        if kernel_id in self._inside:
            self._owners[kernel_id], self._pages[kernel_id] = owner, html

    async def rejoin(self, kernel_id: str, owner: str) -> str | None:
        """Return the page of a kernel to the browser that has it; None: it is gone."""
        page = self._pages.get(kernel_id)
        if page is None or self._owners[kernel_id] != owner or not await self._alive(kernel_id):
            return None
        self._until[kernel_id] = time.monotonic() + ARRIVE
        return page

    def expect(self, owner: str) -> None:
        """Wait a little longer for the pages of a browser that asks for one."""
        for kernel_id, known in self._owners.items():
            if known == owner and kernel_id in self._until:
                soon = time.monotonic() + RETURN
                self._until[kernel_id] = max(soon, self._until[kernel_id])

    # --- who goes ---

    def leave(self, kernel_id: str) -> None:
        """Note that a page was closed: its kernel ends, unless it comes back at once."""
        if kernel_id in self._inside:
            self._until[kernel_id] = time.monotonic() + CLOSED
            self._later(self._end_soon(kernel_id))

    async def _end_soon(self, kernel_id: str) -> None:
        await asyncio.sleep(CLOSED)
        if self._until.get(kernel_id, float("inf")) <= time.monotonic():
            await self._end(kernel_id)

    def notify_connect(self, kernel_id: str) -> None:
        """Note that a page is there."""
        super().notify_connect(kernel_id)
        self._until.pop(kernel_id, None)
        self._left.pop(kernel_id, None)

    def notify_disconnect(self, kernel_id: str) -> None:
        """Note since when nobody is there; for a while the page may come back."""
        super().notify_disconnect(kernel_id)
        if kernel_id in self._inside and not self._kernel_connections.get(kernel_id):
            self._left[kernel_id] = time.monotonic()
            self._until.setdefault(kernel_id, time.monotonic() + AWAY)

    async def look_around(self) -> None:
        """End the kernels that nobody has come back to, and let go of those that died."""
        for kernel_id in list(self._inside):
            if not await self._alive(kernel_id):
                await self._end(kernel_id)
        now = time.monotonic()
        for kernel_id in [n for n, until in self._until.items() if until < now]:
            await self._end(kernel_id)
        self.warm_up()

    async def _made_room(self) -> bool:
        """End the kernel that will be missed least, if there is one; return whether."""
        now = time.monotonic()
        gone = {n: left for n, left in self._left.items() if now - left > BRIEFLY}
        if not gone:
            idle = {n: self._idle_seconds(n) for n in self._inside if n in self}
            gone = {n: -seconds for n, seconds in idle.items() if seconds > IDLE}
        if not gone:
            return False
        await self._end(min(gone, key=gone.__getitem__))
        return True

    def _idle_seconds(self, kernel_id: str) -> float:
        """Return the seconds since a kernel's last message."""
        last = self.get_kernel(kernel_id).last_activity
        return time.time() - last.timestamp()

    async def _end(self, kernel_id: str) -> None:
        self._forget(kernel_id)
        if kernel_id in self:
            await self.shutdown_kernel(kernel_id, now=True)

    def _forget(self, kernel_id: str) -> None:
        self._inside.discard(kernel_id)
        for known in (self._left, self._until, self._owners, self._pages):
            known.pop(kernel_id, None)

    async def shutdown_kernel(self, kernel_id: str, *words: Any, **named: Any) -> None:
        """End a kernel; its place is free at once."""
        self._forget(kernel_id)
        await super().shutdown_kernel(kernel_id, *words, **named)

    async def shutdown_all(self, now: bool = False) -> None:
        """End all kernels, those that are starting included."""
        self._watch.stop()
        self.most, self.warm_code = 0, ""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().shutdown_all(now=now)


def _second_client(kernel: Any) -> Any:
    """Return a client beside the one of the kernel's page, which may come while this one works.

    Clients of one session have one address: the kernel would answer only the first of them.
    """
    session = kernel.session.clone()
    session.session = uuid.uuid4().hex
    return kernel.client(session=session)
