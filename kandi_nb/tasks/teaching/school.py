"""Courses taken one after another, with snapshots and previews on the way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...model.adapters.adapter import Adapter
from ...model.adapters.lora import compute_twice
from ...model.loading.kandinsky import Kandinsky
from ...model.progress import place, progress_bar
from ...words.errors import Cancelled, KandiWarning, warn
from ...words.params import Params
from ..generate import generate
from .courses import loss_of
from .lessons import Lesson
from .prepared import Prepared
from .training import Course, State, Training, over_the_same_weights

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEWED = 3  # captions that a preview draws
PREVIEW = Params(steps=15, prior_steps=10)  # enough to see by
_PERCENT = 100  # steps of the bar where a teaching is told its minutes


class School:
    """Take courses one after another, and make adapters of what was learned until now."""

    def __init__(
        self,
        k: Kandinsky,
        name: str,
        card: Mapping[str, Any],
        prepared: Prepared,
        batch: int | None,
        lighter: bool,
        snapshots: int,
        look: Previewer | None,
    ) -> None:
        self.k, self.name, self.card, self.prepared = k, name, card, prepared
        self.batch, self.lighter, self.snapshots, self.look = batch, lighter, snapshots, look
        self.weights: dict[str, Any] = {}
        self.states: dict[str, State] = {}
        self.earlier: dict[str, list[Any]] = {}

    def taught(self, courses: Sequence[Course], progress: bool, stop: Any) -> Adapter:
        """Take the courses; a stop ends them with what was learned."""
        by_steps = all(course.steps is not None for course in courses)
        total = sum(course.steps for course in courses) if by_steps else _PERCENT
        with progress_bar(total, f"teaching {self.name}", shown=progress, stop=stop) as bar:
            behind = 0.0
            for course in courses:
                part_of = (
                    course.steps
                    if by_steps
                    else total * course.seconds / sum(c.seconds for c in courses)
                )
                if not self._take(course, bar, behind, part_of):
                    warn(f"stopped; {self.name} holds what was learned until then")
                    break
                behind += part_of
        if not self.weights:
            raise Cancelled("stopped before anything was learned; the model is as it was")
        return self._adapter(self.weights, self._snapshots())

    def _take(self, course: Course, bar: Any, behind: float, share: float) -> bool:
        """Take one course; return False after a stop."""
        pipeline = self.k.prior if course.part == "prior" else self.k.decoder
        network = pipeline.prior if course.part == "prior" else pipeline.unet
        if bar.is_set():
            return False
        network = over_the_same_weights(self.k, network)
        if self.lighter:
            compute_twice(network)
        loss = loss_of(course.part, self.k, self.prepared, self.batch)
        training = Training(course, network, loss)
        try:
            while training.done < 1 and not bar.is_set():
                training.step()
                self._note(course, training)
                bar.done = min(bar.total, int(behind + share * min(1.0, training.done)))
                bar.show()
        finally:  # the keyboard too
            training.save()
        self._note(course, training, last=True)
        return training.done >= 1

    def _note(self, course: Course, training: Training, last: bool = False) -> None:
        """Keep what is learned for a snapshot or a preview that is due."""
        self.states[course.part] = training.state
        earlier = self.earlier.setdefault(course.part, [])
        due = self.snapshots and training.done >= (len(earlier) + 1) / self.snapshots
        seen = self.look is not None and self.look.due()
        if not (due or seen or last):
            return
        self.weights[course.part] = training.weights()
        # States from before a kill are gone: what was learned by then stands for them.
        while len(earlier) < self.snapshots * min(1.0, training.done) - 1e-9 and due:
            earlier.append(self.weights[course.part])
            due = training.done >= (len(earlier) + 1) / self.snapshots
        if seen:
            self.look(self._adapter(self.weights), training.done)

    def _snapshots(self) -> tuple[Adapter, ...]:
        count = min(map(len, self.earlier.values()), default=0)
        return tuple(
            self._adapter({part: each[n] for part, each in self.earlier.items()})
            for n in range(count)
        )

    def _adapter(self, weights: Mapping[str, Any], snapshots: tuple = ()) -> Adapter:
        losses = [
            {"part": part, "step": step, "seconds": seconds, "loss": loss}
            for part, state in self.states.items()
            for step, seconds, loss in state.losses
        ]
        seconds = round(sum(state.seconds for state in self.states.values()), 1)
        steps = {part: state.step for part, state in self.states.items()}
        card = {**self.card, "steps": steps, "seconds": seconds, "losses": losses}
        return Adapter(self.name, dict(weights), card, snapshots)


class Previewer:
    """Draw a few captions now and then with what was learned until now."""

    def __init__(self, k: Kandinsky, captions: list[str], every: float, seen: Any) -> None:
        self.k, self.captions, self.every, self.seen = k, captions, every, seen
        self.clock = time.monotonic
        self.last = self.clock()

    def due(self) -> bool:
        return self.clock() - self.last >= self.every

    def __call__(self, adapter: Adapter, share: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KandiWarning)
            drawn = generate(
                self.k.with_adapter(adapter), PREVIEW, prompts=self.captions, progress=False
            )
        self.seen(drawn.images, share)
        self.last = self.clock()


def previewer(
    k: Kandinsky, lessons: Sequence[Lesson], every: float, on_preview: Any, progress: bool
) -> Previewer | None:
    watched = progress and place() == "notebook"
    if not every or (on_preview is None and not watched):
        return None
    captions = list(dict.fromkeys(lesson.caption for lesson in lessons))[:PREVIEWED]
    return Previewer(k, captions, every, on_preview or _show)


def _show(pictures: list[Image], share: float) -> None:
    from IPython.display import display

    from ...pictures.grid import grid

    display(grid(pictures), display_id="kandi_nb teach", update=False)
