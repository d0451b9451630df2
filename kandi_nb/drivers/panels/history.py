"""What a panel has drawn: each run with all that it was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .calls import Call

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...model.loading.kandinsky import Kandinsky
    from ...pictures.result import Result
    from ...words.params import Params

KEPT = 24  # runs: as many thumbnails as two rows hold


@dataclass(frozen=True)
class Run:
    """Hold what a run was asked for, and its result once it is there."""

    call: Call
    k: Kandinsky
    params: Params
    inputs: Mapping[str, Any]
    result: Result | None = None
    number: int = 0

    def drawn(self, **options: Any) -> Run:
        """Return the run with its result; `options` go to the task, which may raise."""
        result = self.call.function(self.k, self.params, **self.inputs, **options)
        return dataclasses.replace(self, result=result)

    @property
    def label(self) -> str:
        """Return a few words that tell it from the others."""
        what = self.params.prompt or self.call.name
        return f"{self.number}: {what}, seed {self.params.seed}"


class History:
    """Keep the latest runs, oldest first, and which of them is shown."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.chosen: Run | None = None
        self.index = 0  # of the picture that is chosen, in its result
        self._count = 0

    def add(self, run: Run) -> None:
        """Add a run that is done, and show it; the oldest of too many is dropped."""
        self._count += 1
        run = dataclasses.replace(run, number=self._count)
        self.runs = [*self.runs, run][-KEPT:]
        self.chosen, self.index = run, 0

    def choose(self, number: int, index: int = 0) -> Run | None:
        """Show the run of that number; return it, None when it has been dropped."""
        for run in self.runs:
            if run.number == number:
                self.chosen, self.index = run, index
                return run
        return None

    @property
    def picture(self) -> Image | None:
        """Return the picture that is chosen."""
        return None if self.chosen is None else self.chosen.result[self.index]
