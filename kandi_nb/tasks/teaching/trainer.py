"""Training by one schedule after another, with snapshots and previews on the way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...model.adapters.adapter import Adapter
from ...model.adapters.lora import compute_twice
from ...model.loading.kandinsky import Kandinsky
from ...model.pipelines import denoiser
from ...model.progress import place, progress_bar
from ...words.errors import Cancelled, collected_warnings, warn
from ...words.params import Params
from ..generate import generate
from .dataset import Example
from .losses import part_loss
from .prepared import Prepared
from .training import Schedule, State, Training, over_the_same_weights

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEWED = 3  # captions that a preview draws
PREVIEW = Params(steps=15, prior_steps=10)  # enough to see by
_PERCENT = 100  # steps of the bar where a teaching is told its minutes


class Trainer:
    """Train by one schedule after another; make adapters of what was learned until now."""

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

    def train(self, schedules: Sequence[Schedule], progress: bool, stop: Any) -> Adapter:
        """Train by the schedules; a stop ends them with what was learned."""
        steps = [schedule.steps for schedule in schedules if schedule.steps is not None]
        by_steps = len(steps) == len(schedules)
        total = sum(steps) if by_steps else _PERCENT
        seconds = sum(schedule.seconds or 0 for schedule in schedules)
        with progress_bar(total, f"teaching {self.name}", shown=progress, stop=stop) as bar:
            behind = 0.0
            for schedule in schedules:
                part_of: float = schedule.steps or 0
                if not by_steps:
                    part_of = total * (schedule.seconds or 0) / seconds
                if not self._train_part(schedule, bar, behind, part_of):
                    warn(f"stopped; {self.name} holds what was learned until then")
                    break
                behind += part_of
        if not self.weights:
            raise Cancelled("stopped before anything was learned; the model is as it was")
        return self._adapter(self.weights, self._snapshots())

    def _train_part(self, schedule: Schedule, bar: Any, behind: float, share: float) -> bool:
        """Train by one schedule; return False after a stop."""
        pipeline = self.k.prior if schedule.part == "prior" else self.k.decoder
        network = pipeline.prior if schedule.part == "prior" else denoiser(pipeline)
        if bar.is_set():
            return False
        network = over_the_same_weights(self.k, network)
        if self.lighter:
            compute_twice(network)
        loss = part_loss(schedule.part, self.k, self.prepared, self.batch)
        training = Training(schedule, network, loss)
        try:
            while training.done < 1 and not bar.is_set():
                training.step()
                self._note(schedule, training)
                bar.done = min(bar.total, int(behind + share * min(1.0, training.done)))
                bar.show()
        finally:  # the keyboard too
            training.save()
        self._note(schedule, training, last=True)
        return training.done >= 1

    def _note(self, schedule: Schedule, training: Training, last: bool = False) -> None:
        """Keep what is learned for a snapshot or a preview that is due."""
        self.states[schedule.part] = training.state
        earlier = self.earlier.setdefault(schedule.part, [])
        due = self.snapshots and training.done >= (len(earlier) + 1) / self.snapshots
        seen = self.look is not None and self.look.due()
        if not (due or seen or last):
            return
        self.weights[schedule.part] = training.weights()
        # States from before a kill are gone: what was learned by then stands for them.
        while len(earlier) < self.snapshots * min(1.0, training.done) - 1e-9 and due:
            earlier.append(self.weights[schedule.part])
            due = training.done >= (len(earlier) + 1) / self.snapshots
        if seen and self.look:
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
        with collected_warnings():
            drawn = generate(
                self.k.with_adapter(adapter), PREVIEW, prompts=self.captions, progress=False
            )
        self.seen(drawn.images, share)
        self.last = self.clock()


def previewer(
    k: Kandinsky, examples: Sequence[Example], every: float, on_preview: Any, progress: bool
) -> Previewer | None:
    watched = progress and place() == "notebook"
    if not every or (on_preview is None and not watched):
        return None
    captions = list(dict.fromkeys(example.caption for example in examples))[:PREVIEWED]
    return Previewer(k, captions, every, on_preview or _show)


def _show(pictures: list[Image], share: float) -> None:
    from IPython.display import display

    from ...pictures.grid import grid

    display(grid(pictures), display_id="kandi_nb teach", update=False)
