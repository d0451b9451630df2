"""What a panel has drawn, each run with all that it was asked for; what stands around it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....pictures.recipe import inputs_in, recipe
from ....words.params import Params
from .calls import Call
from .uploads import whole_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from ....model.loading.kandinsky import Kandinsky
    from ....pictures.result import Result

KEPT = 24  # runs: as many thumbnails as two rows hold
EACH = 100  # more pictures than a run can have: a number tells run and picture


@dataclass(frozen=True)
class Run:
    """Hold what a run was asked for, and its result once it is there."""

    call: Call
    k: Kandinsky
    params: Params
    inputs: Mapping[str, Any]
    result: Result | None = None
    number: int = 0

    def draw(self, **options: Any) -> Run:
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


@dataclass
class Around:
    """Say what else is there: by default nothing but the panel itself.

    `onward` are names and titles of tabs that a picture can go to by `go(picture, name)`;
    `film` is a widget of all pictures, `picture(number)` one of them, `step(by)` shows the next
    one; `prompts()` are earlier ones, `runs()` all that was drawn, newest first.
    """

    onward: Sequence[tuple[str, str]] = ()
    go: Callable[[Any, str], None] | None = None
    film: Any = None
    picture: Callable[[int], Image | None] | None = None
    step: Callable[[int], None] | None = None
    prompts: Callable[[], list[str]] | None = None
    runs: Callable[[], list[Run]] | None = None
    examples: Sequence[tuple[str, str]] = field(default_factory=tuple)


@dataclass(frozen=True)
class Recalled:
    """Hold what a recipe says: names of task and model, settings, and inputs."""

    task: str
    model: str
    params: Params
    inputs: dict[str, Any]
    missing: tuple[str, ...]  # inputs whose pictures did not travel


def recall(source: str | os.PathLike | bytes | Image) -> Recalled:
    """Return what the recipe of a PNG says: its path, its bytes, or a picture of a Result."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = whole_picture(bytes(source), "the picture")
    made = recipe(source)
    inputs = {n: held for n, held in inputs_in(source).items() if n in made["inputs"]}
    return Recalled(
        task=made["task"],
        model=made["model"],
        params=Params.from_dict(made["params"]),
        inputs=inputs,
        missing=tuple(name for name in made["inputs"] if name not in inputs),
    )
