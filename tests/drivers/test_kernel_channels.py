"""What a kernel says is heard, however it arrives; what is lost ends the wait."""

from __future__ import annotations

import asyncio
import time

import pytest
from loops import completed

zmq = pytest.importorskip("zmq")
zmq_asyncio = pytest.importorskip("zmq.asyncio")

from jupyter_client.session import Session  # noqa: E402

from kandi_nb.drivers.notebooks.runs import kernels  # noqa: E402
from kandi_nb.words.errors import KandiError  # noqa: E402


class Ends:
    """Both ends of a shell channel: `channel` as the runner has it, `kernel` as a socket."""

    def __init__(self, channel_class):
        self.session = Session(key=b"")
        self.context = zmq.Context()
        self.kernel = self.context.socket(zmq.ROUTER)
        self.kernel.rcvtimeo = 30_000  # milliseconds: a failure is no wait for ever either
        port = self.kernel.bind_to_random_port("tcp://127.0.0.1")
        socket = zmq_asyncio.Context(self.context).socket(zmq.DEALER)
        socket.connect(f"tcp://127.0.0.1:{port}")
        self.channel = channel_class(socket, self.session)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.kernel.close(linger=0)

    def request(self):
        """Receive what the runner sent."""
        idents, parts = self.session.feed_identities(self.kernel.recv_multipart())
        return idents, self.session.deserialize(parts)

    def reply(self, kind, idents, to):
        self.session.send(self.kernel, kind, {}, parent=to, ident=idents)


def shell():
    return kernels.client_class().shell_channel_class.klass


async def reply_taken_unawares(ends, timeout):
    """Seconds until a reply is read that arrived just as the runner sent something else."""
    ends.channel.send(ends.session.msg("execute_request"))
    idents, request = ends.request()
    waiting = asyncio.ensure_future(ends.channel.get_msg(timeout=timeout))
    await asyncio.sleep(0.1)  # it waits
    ends.reply("execute_reply", idents, request)
    time.sleep(0.1)  # it arrives, and the loop has no chance to see it
    ends.channel.send(ends.session.msg("comm_msg"))  # as nbclient does for an output widget
    start = time.monotonic()
    assert (await waiting)["msg_type"] == "execute_reply"
    return time.monotonic() - start


def test_a_reply_is_read_that_arrived_while_something_was_sent():
    with Ends(shell()) as ends:
        assert completed(reply_taken_unawares(ends, timeout=60)) < 30


async def lost_reply(ends):
    ends.channel.send(ends.session.msg("execute_request"))
    ends.request()  # and no reply ever
    waiting = asyncio.ensure_future(ends.channel.get_msg(timeout=None))
    await asyncio.sleep(0.1)
    idents, question = await asyncio.to_thread(ends.request)
    assert question["msg_type"] == "kernel_info_request"
    ends.reply("kernel_info_reply", idents, question)
    await waiting


def test_a_reply_that_was_lost_is_no_wait_for_ever(monkeypatch):
    monkeypatch.setattr(kernels, "ASK", 0.5)
    with Ends(shell()) as ends, pytest.raises(KandiError, match="reply was lost"):
        completed(asyncio.wait_for(lost_reply(ends), 60))


async def cell_that_is_asked_after(ends):
    """What is read until a cell's reply, which comes before the question's answer."""
    ends.channel.send(ends.session.msg("execute_request"))
    idents, request = ends.request()
    heard = []

    async def read():
        while not heard or heard[-1] != "execute_reply":
            heard.append((await ends.channel.get_msg(timeout=30))["msg_type"])

    waiting = asyncio.ensure_future(read())
    _, question = await asyncio.to_thread(ends.request)
    ends.reply("execute_reply", idents, request)
    ends.reply("kernel_info_reply", idents, question)
    await waiting
    return heard


async def two_cells(ends):
    return [await cell_that_is_asked_after(ends) for _ in range(2)]


def test_a_long_cell_that_is_asked_after_is_no_lost_one(monkeypatch):
    monkeypatch.setattr(kernels, "ASK", 0.5)
    with Ends(shell()) as ends:
        # The second wait meets the first question's answer, which means nothing any more.
        assert completed(asyncio.wait_for(two_cells(ends), 60)) == [
            ["execute_reply"],
            ["kernel_info_reply", "execute_reply"],
        ]
