"""How far several requests to a service are, added up on one bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...model.progress import Progress

    Show = Callable[[Sequence[Image], int], None]

ANSWER = "answer"  # what is heard of a request besides events: it is done


class Tally:
    """Add up what is heard of several requests, and show it on one bar.

    Of a service that tells no steps each picture counts as one.
    """

    def __init__(self, bar: Progress, count: int, show: Show | None = None) -> None:
        self._bar, self._count, self._show = bar, count, show
        self._places: dict[int, tuple[int, float]] = {}
        self._steps: dict[int, tuple[int, int]] = {}
        self._answered: set[int] = set()
        self._unfinished: dict[int, Any] = {}

    def hear(self, number: int, kind: str, what: Any) -> None:
        """Take what is told of the request of that number."""
        if kind != "queue":
            self._places.pop(number, None)
        if kind == "queue":
            self._places[number] = what
        elif kind == "step":
            self._steps[number] = what
        elif kind == ANSWER:
            self._answered.add(number)
        elif kind == "preview" and self._show is not None:
            pictures, step = what
            self._unfinished[number] = pictures
            rows = [self._unfinished[n] for n in sorted(self._unfinished)]
            self._show([picture for row in rows for picture in row], step)
        self.look()

    def look(self) -> None:
        """Show how far all of it is; raise Cancelled after a stop."""
        if self._places and not self._steps and not self._answered:
            place, seconds = min(self._places.values())
            self._bar.wait(f"place {place} in the queue, about {max(1, round(seconds))} s")
        elif self._steps or self._answered:
            totals = [total for _, total in self._steps.values()]
            each = sum(totals) / len(totals) if totals else 1  # of those not heard of yet
            every = [self._of(number, each) for number in range(self._count)]
            self._bar.reach(*(round(sum(part)) for part in zip(*every, strict=True)))
        self._bar.check()

    def _of(self, number: int, each: float) -> tuple[float, float]:
        done, total = self._steps.get(number, (0, each))
        return (total if number in self._answered else done), total
