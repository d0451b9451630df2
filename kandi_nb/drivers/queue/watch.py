"""What is told of an order while it is drawn: its steps, and its unfinished pictures."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...model.progress import Progress, shown_by

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 8  # previews of a run: each is decoded while others wait


class Watch:
    """Hold how far the order of one client is; written by the worker, read by who waits.

    `preview` says every how many steps its pictures are shown, 0: never. `steps` are those done
    and all, (0, 0) before the first; `pictures` the latest unfinished ones, after `at` steps.
    """

    def __init__(self, preview: int = 0) -> None:
        self.preview = preview
        self.steps = (0, 0)
        self.at = 0
        self.pictures: list[Image] = []

    def show(self, pictures: Sequence[Image], step: int) -> None:
        """Take unfinished pictures."""
        self.pictures, self.at = list(pictures), step


class _Steps(Progress):
    """Tell watches how far a run is; a task may have several bars, one after the other."""

    def __init__(self, total: int, text: str, stop: Any, run: _Run) -> None:
        super().__init__(total, text, stop)
        self._run, self._before = run, run.total
        run.total += total

    def __enter__(self) -> _Steps:
        self.show()
        return self

    def show(self) -> None:
        for watch in self._run.watches:
            watch.steps = (self._before + self.done, self._run.total)


class _Run:
    def __init__(self, orders: Sequence[Any]) -> None:
        self.orders = orders
        self.watches = [order.watch for order in orders if order.watch is not None]
        self.total = 0

    def every(self) -> int:
        """Return every how many steps the run's pictures are decoded, 0 for never."""
        wanted = [watch.preview for watch in self.watches if watch.preview]
        steps = max(single.steps for order in self.orders for single in order.params)
        return max(min(wanted), math.ceil(steps / MOST)) if wanted else 0

    def show(self, pictures: Sequence[Image], step: int) -> None:
        """Hand each order its pictures; of those of a part of the run nobody knows whose."""
        if len(pictures) != sum(order.count for order in self.orders):
            return
        first = 0
        for order in self.orders:
            if order.watch is not None and order.watch.preview:
                order.watch.show(pictures[first : first + order.count], step)
            first += order.count


@contextmanager
def watch_run(orders: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Tell the orders' watches of the run in the block; give the options for its task."""
    run = _Run(orders)
    if not run.watches:
        yield {"progress": False}
        return
    options: dict[str, Any] = {"progress": True}
    takes = inspect.signature(orders[0].function).parameters.values()
    shows = any(each.name == "on_preview" or each.kind is each.VAR_KEYWORD for each in takes)
    if shows and (every := run.every()):
        options |= {"preview": every, "on_preview": run.show}
    with shown_by(lambda total, text, stop: _Steps(total, text, stop, run)):
        yield options
