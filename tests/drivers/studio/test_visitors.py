"""The kernels of visitors, without any: who gets one, who has to wait, and who goes."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import time
from types import SimpleNamespace

import pytest
from loops import completed

visitors = pytest.importorskip("kandi_nb.drivers.studio.visitors")
from jupyter_server.services.kernels.kernelmanager import (  # noqa: E402
    AsyncMappingKernelManager,
)
from tornado.web import HTTPError  # noqa: E402
from traitlets import Unicode  # noqa: E402
from traitlets.config import Config, Configurable  # noqa: E402

MOST = 3


class House(Configurable):
    root_dir = Unicode("")


class Door(SimpleNamespace):
    """The client of a kernel that has nothing to do."""

    def start_channels(self):
        pass

    stop_channels = start_channels

    async def wait_for_ready(self, timeout):
        pass

    async def _async_execute_interactive(self, code, **named):
        self.ran.append(code)


@pytest.fixture
def house(monkeypatch, tmp_path):
    """Return a function that opens a house; its kernels are names."""
    numbers = itertools.count()
    ran = []

    async def start(self, **words):
        await asyncio.sleep(0)
        kernel_id = f"kernel-{next(numbers)}"
        kernel = SimpleNamespace(
            session=SimpleNamespace(clone=SimpleNamespace),
            client=lambda session: Door(ran=ran),
            last_activity=datetime.datetime.now(datetime.UTC),
            is_alive=lambda: True,
        )
        self._kernels[kernel_id] = kernel
        self._kernel_connections[kernel_id] = 0
        return kernel_id

    async def end(self, kernel_id, **words):
        del self._kernels[kernel_id]
        self._kernel_connections.pop(kernel_id, None)

    async def end_all(self, now=False):
        self._kernels.clear()

    for name, stand_in in {
        "start_kernel": start,
        "shutdown_kernel": end,
        "shutdown_all": end_all,
    }.items():
        monkeypatch.setattr(AsyncMappingKernelManager, name, stand_in)
    monkeypatch.setattr(visitors, "_PAUSE", 0.0)

    def opened(warm_code=""):
        settings = Config()
        settings.Visitors = Config(most=MOST, warm_code=warm_code)
        made = visitors.Visitors(parent=House(root_dir=str(tmp_path), config=settings))
        made.ran = ran
        return made

    return opened


def test_there_are_never_more_kernels_than_places(house):
    async def open_fifty_tabs():
        full = house()
        tries = [full.start_kernel(kernel_name="python3") for _ in range(50)]
        came = await asyncio.gather(*tries, return_exceptions=True)
        refused = [each for each in came if isinstance(each, HTTPError)]
        assert len(refused) == 50 - MOST and {each.status_code for each in refused} == {503}
        assert "all 3 places are taken" in refused[0].log_message
        assert len(full._kernels) == MOST
        await full.shutdown_all()

    completed(open_fifty_tabs())


def test_a_page_that_is_closed_makes_room_at_once(house):
    async def come_and_go():
        full = house()
        ids = [await full.start_kernel() for _ in range(MOST)]
        await full.shutdown_kernel(ids[0])
        assert await full.start_kernel() in full._kernels
        await full.shutdown_all()

    completed(come_and_go())


def test_the_next_visitor_finds_a_warm_kernel_and_places_include_it(house):
    async def warm():
        ready = house(warm_code="import torch")
        ready.warm_up()
        await asyncio.sleep(0.05)
        assert ready.ran == ["import torch"] and list(ready._kernels) == ["kernel-0"]
        assert await ready.start_kernel() == "kernel-0"
        await asyncio.sleep(0.05)
        assert len(ready._kernels) == 2, "and the one after that"
        await asyncio.gather(*[ready.start_kernel() for _ in range(MOST - 1)])
        await asyncio.sleep(0.05)
        assert len(ready._kernels) == MOST, "no warm one beyond the places"
        await ready.shutdown_all()

    completed(warm())


def test_a_visitor_does_not_wait_until_the_kernel_is_warm(house, monkeypatch):
    async def busy(self, code, **named):
        await asyncio.sleep(60)

    async def come():
        ready = house(warm_code="import torch")
        monkeypatch.setattr(Door, "_async_execute_interactive", busy)
        ready.warm_up()
        await asyncio.sleep(0.05)
        came = await asyncio.wait_for(ready.start_kernel(), 5)
        assert came == "kernel-0", "the page says what happens meanwhile"
        await ready.shutdown_all()

    completed(come())


def test_a_page_comes_back_to_its_kernel_and_to_no_other(house):
    async def come():
        open_house = house()
        mine, other = [await open_house.start_kernel() for _ in range(2)]
        open_house.keep_page(mine, "me", "<p>mine")
        assert await open_house.rejoin(mine, "me") == "<p>mine"
        assert await open_house.rejoin(mine, "you") is None, "an id alone opens nothing"
        assert await open_house.rejoin(other, "me") is None, "it was never sent whole"
        assert await open_house.rejoin("../../etc", "me") is None
        open_house._kernels[mine].is_alive = lambda: False
        assert await open_house.rejoin(mine, "me") is None
        await open_house.shutdown_all()

    completed(come())


def test_a_closed_page_ends_its_kernel_in_a_moment_and_a_reload_does_not(house, monkeypatch):
    async def look():
        quiet = house()
        monkeypatch.setattr(visitors, "CLOSED", 0.05)
        gone, back, slow = [await quiet.start_kernel() for _ in range(MOST)]
        for kernel_id in (gone, back, slow):
            quiet.keep_page(kernel_id, kernel_id, "page")
            quiet.notify_connect(kernel_id)
            quiet.leave(kernel_id)
            quiet.notify_disconnect(kernel_id)
        await quiet.rejoin(back, back)
        quiet.expect(slow)  # its browser asks for a page again
        await asyncio.sleep(0.3)
        assert set(quiet._kernels) == {back, slow}
        quiet.leave("nobody")
        await quiet.shutdown_all()

    completed(look())


def test_a_kernel_that_would_not_warm_is_replaced_by_a_cold_one(house, monkeypatch):
    async def broken(self, *words, **named):
        raise RuntimeError("no kernel today")

    async def come():
        cold = house(warm_code="1 / 0")
        monkeypatch.setattr(Door, "wait_for_ready", broken)
        cold.warm_up()
        await asyncio.sleep(0.05)
        assert await cold.start_kernel() in cold._kernels
        await cold.shutdown_all()

    completed(come())


def test_in_a_full_house_who_lost_the_connection_goes_first(house, monkeypatch):
    async def wait_at_the_door():
        full = house()
        here, gone, third = [await full.start_kernel() for _ in range(MOST)]
        for kernel_id in (here, gone, third):
            full.notify_connect(kernel_id)
        full.notify_disconnect(gone)
        with pytest.raises(HTTPError):
            await full.start_kernel()
        assert gone in full._kernels, "a short tunnel ends nobody's session"
        later = time.monotonic() + visitors.BRIEFLY + 1
        monkeypatch.setattr(visitors.time, "monotonic", lambda: later)
        await full.start_kernel()
        assert gone not in full._kernels and {here, third} <= set(full._kernels)
        await full.shutdown_all()

    completed(wait_at_the_door())


def test_a_forgotten_page_gives_way_and_one_in_use_does_not(house):
    async def wait_at_the_door():
        full = house()
        ids = [await full.start_kernel() for _ in range(MOST)]
        for kernel_id in ids:
            full.notify_connect(kernel_id)
        with pytest.raises(HTTPError):
            await full.start_kernel()
        long = datetime.timedelta(seconds=visitors.IDLE + 60)
        full._kernels[ids[1]].last_activity -= long
        full._kernels[ids[2]].last_activity -= 2 * long
        await full.start_kernel()
        assert ids[2] not in full._kernels and set(ids[:2]) <= set(full._kernels)
        await full.shutdown_all()

    completed(wait_at_the_door())


def test_a_kernel_that_died_makes_room_and_none_is_started_in_its_place(house):
    async def look():
        quiet = house()
        dead, here = [await quiet.start_kernel() for _ in range(2)]
        for kernel_id in (dead, here):
            quiet.notify_connect(kernel_id)
        quiet._kernels[dead].is_alive = lambda: False
        await quiet.look_around()
        assert set(quiet._kernels) == {here} == quiet._inside
        await quiet.shutdown_all()

    completed(look())


def test_kernels_that_nobody_comes_back_to_are_ended(house, monkeypatch):
    async def look():
        quiet = house()
        never, away, back = [await quiet.start_kernel() for _ in range(MOST)]
        for kernel_id in (away, back):
            quiet.notify_connect(kernel_id)
            quiet.notify_disconnect(kernel_id)
        quiet.notify_connect(back)
        now = time.monotonic()
        for seconds, left in ((visitors.ARRIVE, {away, back}), (visitors.AWAY, {back})):
            monkeypatch.setattr(visitors.time, "monotonic", lambda s=seconds: now + s + 1)
            await quiet.look_around()
            assert set(quiet._kernels) == left
        assert never not in quiet._kernels
        await quiet.shutdown_all()

    completed(look())
