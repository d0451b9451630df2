"""The waiting line before the model: bounded, fair, and left without a trace."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from .limits import ENDING, Limits, Refused
from .orders import Order, Reload

Entry = Any  # an Order or a Reload
_PACE = 0.3  # how much the latest run counts in the measured seconds a picture


class WaitingQueue:
    """Hold the orders that wait and those that are being drawn; safe for any thread.

    The first in line is served first, together with those that may share its run. A place, and
    a client's share of them, is free again only when the work on its order has ended.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.closing = False
        self._changed = threading.Condition()
        self._waiting: list[Entry] = []
        self._running: list[Order] = []
        self._shares: Counter[str] = Counter()
        self._pace = 1.0  # seconds a usual picture, until one was measured

    @property
    def waiting(self) -> int:
        """Return how many orders wait."""
        return sum(isinstance(entry, Order) for entry in self._waiting)

    @property
    def running(self) -> int:
        """Return how many orders are being drawn."""
        return len(self._running)

    def enter(self, entry: Entry) -> None:
        """Put an order at the end of the line; raise Refused when there is no place for it."""
        with self._changed:
            if self.closing:
                raise Refused(503, ENDING)
            if isinstance(entry, Order):
                self._check_places(entry)
                self._shares[entry.client] += 1
            elif any(isinstance(other, Reload) for other in self._waiting):
                raise Refused(409, "the model is about to be loaded anew already; wait for it")
            self._waiting.append(entry)
            self._changed.notify_all()

    def _check_places(self, order: Order) -> None:
        if self._shares[order.client] >= self.limits.per_client:
            raise Refused(
                429,
                f"{self.limits.per_client} requests of yours are waiting or being drawn, and "
                "no client may have more; wait for one of them",
                self.seconds(order.effort),
            )
        if self.waiting >= self.limits.queue:
            orders = [e for e in (*self._waiting, *self._running) if isinstance(e, Order)]
            raise Refused(
                503,
                f"the queue is full, {self.waiting} requests are waiting; come again later",
                # In half the time that all of it takes some will have gone.
                self.seconds(sum(order.effort for order in orders)) / 2,
            )

    def place(self, order: Order) -> tuple[int, float] | None:
        """Return an order's place, 1 for the next, and the seconds until then; None: no longer.

        The seconds are those of all that is before it, as far as they are known.
        """
        with self._changed:
            if order not in self._waiting:
                return None
            waiting = self._waiting[: self._waiting.index(order)]
            before = [e for e in (*self._running, *waiting) if isinstance(e, Order)]
            place = 1 + sum(isinstance(entry, Order) for entry in waiting)
            return place, self.seconds(sum(other.effort for other in before))

    def leave(self, entry: Entry) -> None:
        """Note that nobody waits for an order; one in the line gives up its place at once."""
        entry.abandoned.set()
        with self._changed:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._free(entry)

    def free_place(self, order: Order) -> None:
        """Give an order's place free: the work on it has ended."""
        with self._changed:
            if order in self._running:
                self._running.remove(order)
                self._free(order)

    def _free(self, entry: Entry) -> None:
        if isinstance(entry, Order):
            self._shares[entry.client] -= 1
            if not self._shares[entry.client]:
                del self._shares[entry.client]  # or a year's addresses stay in memory

    def learn_pace(self, seconds: float, effort: float) -> None:
        """Learn how long a picture takes."""
        self._pace += _PACE * (seconds / effort - self._pace)

    def seconds(self, effort: float) -> float:
        """Return how long so much may take, as far as it is known."""
        return self._pace * effort

    def next(self) -> list[Entry]:
        """Wait for and return a reload, or orders for one run; [] when the line has closed.

        What is waiting when the line closes is still served.
        """
        with self._changed:
            while True:
                while not self._waiting:
                    if self.closing:
                        return []
                    self._changed.wait()
                first = self._waiting[0]
                if isinstance(first, Reload):
                    return [self._waiting.pop(0)]
                self._wait_for_company(first)
                if orders := self._company():  # the first may have left meanwhile
                    self._waiting = [e for e in self._waiting if e not in orders]
                    self._running = list(orders)
                    return orders

    def _wait_for_company(self, first: Order) -> None:
        """Let others join until the first has waited for the window, or a batch is full."""
        ends = first.arrived + self.limits.window
        while (left := ends - time.monotonic()) > 0 and not self.closing:
            if sum(order.count for order in self._company()) >= self.limits.batch:
                return
            self._changed.wait(left)

    def _company(self) -> list[Order]:
        """Return the first order, and those of its key that fit beside it into a batch."""
        chosen: list[Order] = []
        pictures = 0
        for entry in self._waiting:
            if isinstance(entry, Reload):
                break  # what came after it is for the next model
            alike = not chosen or (entry.key is not None and entry.key == chosen[0].key)
            if alike and (not chosen or pictures + entry.count <= self.limits.batch):
                chosen.append(entry)
                pictures += entry.count
        return chosen

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self.closing = True
            self._changed.notify_all()

    def clear(self) -> list[Entry]:
        """Close the line and return all that was in it, drawn or not."""
        with self._changed:
            self.closing = True
            rest, self._waiting = [*self._running, *self._waiting], []
            self._running = []
            for entry in rest:
                self._free(entry)
            return rest
