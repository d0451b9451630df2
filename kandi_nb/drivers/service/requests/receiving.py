"""The bodies that are held: each in a time of its own, and never one client's in all the room.

Where there is no more room, what is only half there makes way for what comes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from ...queue.limits import ENDING, Limits, Refused

_YOURS = "too much of yours is held here at once; come again later"
_FULL = "too much is being received at once; come again later"
_HALF = "this was only half there when its room was needed; send it again, faster"


class Body:
    """Hold what has come of one body, and of whom."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.data = bytearray()
        self.whole = False
        self.task: asyncio.Task | None = None
        self.refused: Refused | None = None


class Receiver:
    """Receive the bodies of requests, within the limits in bytes and time.

    Used in one event loop. A half-sent body keeps no other waiting: when its client's share
    or the whole room is full, the oldest half of the client with the most bytes is given up.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ending = False
        self._bodies: list[Body] = []  # in the order in which they began
        self._held: Counter[str] = Counter()

    @property
    def bytes_held(self) -> int:
        """Return how many bytes there are of all bodies."""
        return self._held.total()

    async def receive(self, body: Body, receive: Any) -> bool:
        """Receive a body to its end; return False when its client hung up meanwhile.

        Raises Refused for one that is too large, too slow, or for which there is no room.
        """
        if self.ending:
            raise Refused(503, ENDING)
        self._bodies.append(body)
        body.task = asyncio.ensure_future(self._read(body, receive))
        try:
            done, _ = await asyncio.wait({body.task}, timeout=self.limits.body_seconds)
        finally:
            body.task.cancel()
        if body.refused is not None:
            raise body.refused
        if not done:
            raise Refused(
                408,
                f"the request was not there after {self.limits.body_seconds:g} s; send faster",
            )
        return body.task.result()

    def forget(self, body: Body) -> None:
        """Give the room of a body free."""
        if body in self._bodies:
            self._bodies.remove(body)
            self._held[body.client] -= len(body.data)
            if not self._held[body.client]:
                del self._held[body.client]  # or a year's addresses stay in memory

    def end(self) -> None:
        """Give up every body that is not whole, and take no more."""
        self.ending = True
        for body in self._halves():
            self._give_up(body, Refused(503, ENDING))

    async def _read(self, body: Body, receive: Any) -> bool:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk = message.get("body", b"")
            if len(body.data) + len(chunk) > self.limits.body_bytes:
                raise too_much(self.limits)
            self._make_room(body, len(chunk))
            body.data += chunk
            self._held[body.client] += len(chunk)
            if not message.get("more_body"):
                body.whole = True
                return True

    def _make_room(self, body: Body, size: int) -> None:
        """Give up halves until a chunk of a body has room; raise Refused when none is left."""
        while self._held[body.client] + size > self.limits.bytes_per_client:
            mine = [half for half in self._halves() if half.client == body.client]
            self._give_up_one(mine, body, Refused(429, _YOURS, 1))
        while self.bytes_held + size > self.limits.bytes_in_flight:
            halves = self._halves()
            # Whoever has most must give: the one that comes, too.
            most = max((half.client for half in halves), key=self._held.__getitem__)
            theirs = [half for half in halves if half.client == most]
            self._give_up_one(theirs, body, Refused(503, _FULL, 1))

    def _halves(self) -> list[Body]:
        return [body for body in self._bodies if not body.whole]

    def _give_up_one(self, halves: list[Body], body: Body, refused: Refused) -> None:
        """Give up the oldest of some halves; raise what a body is told that is the only one."""
        oldest = next((half for half in halves if half is not body), None)
        if oldest is None:
            raise refused
        self._give_up(oldest, Refused(408, _HALF))

    def _give_up(self, body: Body, refused: Refused) -> None:
        body.refused = refused
        self.forget(body)
        if body.task is not None:
            body.task.cancel()


def too_much(limits: Limits) -> Refused:
    """Return the answer to a body of too many bytes."""
    line = f"a request has at most {limits.body_bytes:,} bytes; send a smaller one"
    return Refused(413, line)
