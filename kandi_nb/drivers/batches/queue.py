"""Which runs are drawn next: of equal key together, none forgotten, few held at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence

from ...words.fields import names_of
from .rows.runs import Run

WINDOW = 1024  # runs that are read ahead, to find some of equal key
MOST = 32  # runs at once: what a batch of small pictures holds
SMALL, FIRST = 256, 8  # pixels a side of pictures that are quick everywhere; so many at first
QUICK, SLOW = 5.0, 60.0  # seconds: what takes less grows, what takes more shrinks


class Queue:
    """Hand out runs, a few at a time; `options` are inputs that a call has once for all."""

    def __init__(
        self, runs: Iterable[Run], options: Sequence[str] = (), size: int = FIRST
    ) -> None:
        self._runs, self._options = iter(runs), options
        self._groups: dict[Hashable, deque[Run]] = {}
        self._held, self._ended = 0, False
        self._again: deque[Sequence[Run]] = deque()  # alone, after what had them went wrong
        self._busy: deque[Run] = deque()
        self.size = size

    def next(self, left: int, workers: int = 1) -> Sequence[Run]:
        """Return some runs of equal key, empty when only busy ones are left.

        `left` is how many are still to do: several workers share out the last ones.
        """
        if self._again:
            return self._again.popleft()
        if len(self._busy) >= WINDOW:  # their pictures are there by now
            return self.busy()
        share = self.size if workers == 1 else -(-left // (2 * workers))
        size = max(1, min(self.size, share))
        self._read(size)
        if not self._groups:
            return []
        key = max(self._groups, key=lambda key: len(self._groups[key]))
        group = self._groups[key]
        taken = [group.popleft() for _ in range(min(size, len(group)))]
        self._held -= len(taken)
        if not group:
            del self._groups[key]
        return taken

    def again(self, runs: Sequence[Run]) -> None:
        """Hand these out once more, each alone."""
        self._again.extend([run] for run in runs)

    def later(self, run: Run) -> None:
        """Keep a run that another process is drawing."""
        self._busy.append(run)

    def busy(self) -> Sequence[Run]:
        """Return some of the runs that another process was drawing."""
        first = self._busy[0] if self._busy else None
        many = 0
        while many < min(MOST, len(self._busy)) and self._key(self._busy[many]) == self._key(
            first
        ):
            many += 1
        return [self._busy.popleft() for _ in range(many)]

    def took(self, seconds: float, runs: Sequence[Run]) -> None:
        """Hear how long some runs took; a picture is saved every few seconds."""
        if len(runs) >= self.size and seconds < QUICK:
            self.size = min(MOST, 2 * self.size)
        elif seconds > SLOW:
            self.size = max(1, min(self.size, len(runs)) // 2)

    def _read(self, size: int) -> None:
        """Read ahead until there are enough runs of one key."""
        while not self._ended and self._held < WINDOW:
            run = next(self._runs, None)
            if run is None:
                self._ended = True
                return
            group = self._groups.setdefault(self._key(run), deque())
            group.append(run)
            self._held += 1
            if len(group) >= size:
                return

    def _key(self, run: Run) -> Hashable:
        """Return what runs must agree in to be drawn in one call."""
        settings = tuple(getattr(run.params, name) for name in names_of(varies="batch"))
        options = tuple(repr(run.inputs.get(name)) for name in self._options)
        return settings, options, tuple(run.inputs)
