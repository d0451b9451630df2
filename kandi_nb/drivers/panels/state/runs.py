"""The runs of a panel: drawn at once or in the background, kept, called back and saved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ....words.errors import Cancelled, KandiError, line_of
from ....words.fields import FIELDS
from ...widgets.runner import Runner
from .calls import possible
from .history import History, Run, recall
from .state import State

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from ....pictures.result import Result


class Runs(State):
    """Hold what is set, and what was drawn with it; `watcher` is what shows it, if anything."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.history = History()
        self.error: BaseException | None = None
        self.notes: list[str] = []
        self.message = ""  # the one line that stands below Run
        self._runner = Runner(self._show, self._on_end, self._tell)
        self.watcher: Any = None
        self._below: Any = None  # where Keep below puts the pictures, in the cell's output

    # --- runs ---

    @property
    def running(self) -> bool:
        """Tell whether a run has begun and not ended."""
        return self._runner.running

    @property
    def results(self) -> list[Result]:
        """Return the latest results, oldest first."""
        return [run.result for run in self.history.runs]

    def run(self, **options: Any) -> Result:
        """Draw with what is set, and return the Result; `options` go to the task.

        Raises KandiError, as the task itself does, for what cannot be drawn.
        """
        asked = self.as_run()
        if not self._runner.take_turn():
            raise KandiError(
                "this panel is at work: wait for it, panel.wait(), or panel.stop()"
            )
        stop = {"stop": self._runner.stop_event} if "stop" in asked.call.options else {}
        done, error = None, None
        self._tell()
        try:
            done = asked.draw(**{**stop, **options})
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._on_end(done, error, [])
            self._runner.give_turn()
            self._tell()
        return done.result

    def start(self) -> bool:
        """Draw in the background; return False, and do nothing, during a run.

        What is set meanwhile counts for the next run. Raises KandiError for what keeps it from
        beginning; what goes wrong later stands in `error`.
        """
        asked = self.as_run()
        offered = {
            "progress": True,
            "stop": self._runner.stop_event,
            "on_preview": self._preview_shown,
        }
        if not self.preview or self.watcher is None:
            del offered["on_preview"]
        if "on_preview" in offered and "preview" in asked.call.options:
            offered["preview"] = self.preview
        options = {name: held for name, held in offered.items() if name in asked.call.options}
        self.message = ""
        begun = self._runner.start(lambda: asked.draw(**options))
        if begun:
            self._tell()
        return begun

    def stop(self) -> None:
        """Ask the run to end at its next step; one that waits for its model ends at once."""
        self._runner.stop()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing runs in the background; return whether that is so."""
        return self._runner.wait(seconds)

    def _on_end(self, done: Run | None, error: BaseException | None, notes: list[str]) -> None:
        with self.lock:
            self.error, self.notes = error, list(dict.fromkeys(notes))
            self.problems, self.message = {}, ""
            if done is not None:
                self.history.add(done)
            elif error is not None:
                self._blame(error)

    def _blame(self, error: BaseException) -> None:
        """Put an error beside the control that it names, or below Run."""
        text, name = line_of(error), getattr(error, "about", None)
        if isinstance(error, Cancelled):  # somebody wanted it: that is no fault
            self.notes.append(text)
            return
        if name in (*self.call.pictures, *self.call.others, *FIELDS):
            self.problems[name] = text
        else:
            self.message = text

    def _show(self, done: int, total: int, words: str) -> None:
        if (view := self.watcher) is not None:
            view.progress(done, total, words)

    def _preview_shown(self, pictures: list[Image], step: int) -> None:
        if (view := self.watcher) is not None:
            view.preview(pictures)

    # --- what was drawn ---

    def recall(self, source: Any, index: int = 0) -> list[str]:
        """Set everything as it was for a picture; return what could not be set, in sentences.

        `source`: the number of a run of this panel, of whose pictures the one at `index` is
        chosen, or a picture with a recipe: the path or the
        bytes of a saved PNG, or `result[i]`. Raises KandiError where there is no recipe.
        """
        if isinstance(source, int):
            run = self.history.choose(source, index)
            if run is None:
                raise KandiError(
                    f"run {source} is no longer among the latest {len(self.results)}"
                )
            with self.lock:
                self.call, self._k = run.call, run.k
                self.inputs = {**self.inputs, **run.inputs}
                self._set_values(run.params.to_dict())
            return []
        made = recall(source)
        notes = [f"its {name} did not travel with it: give it again" for name in made.missing]
        with self.lock:
            notes += self._turned_to(made.task, made.model)
            usable = {n: p for n, p in made.inputs.items() if self._is_offered(n)}
            self.inputs = {**self.inputs, **usable}
            self._set_values(made.params.to_dict())
        return notes

    def _is_offered(self, name: str) -> bool:
        return any(call.takes(name) for call in self.calls.values())

    def _turned_to(self, task: str, model: str) -> list[str]:
        """Choose the task and the model of a recipe where the panel has them."""
        notes = []
        k = next((m for m in (self.k, *self.models) if m.spec.key == model), None)
        if k is None:
            notes.append(f"it was drawn by {model}, this is {self.k.spec.key}")
        call = self.calls.get(task)
        if call is None:
            notes.append(f"it was made by {task}, which this panel does not offer")
        wanted = call or self.call, k or self.k
        if possible(*wanted):
            self._turn_to(*wanted)
        return notes

    def save(self, folder: str | os.PathLike | None = None) -> list[Path]:
        """Write the pictures that are shown to a folder, `panel.folder` by default."""
        if self.history.chosen is None:
            raise KandiError("nothing is drawn yet that could be saved; panel.run() draws")
        if folder is None and self.folder is None:
            raise KandiError("this panel has no folder: panel.save(folder) names one")
        return self.history.chosen.result.save(self.folder if folder is None else folder)

    @property
    def keeps(self) -> bool:
        """Tell whether pictures can be kept below the panel, in a notebook's own output."""
        return bool(self._below)

    def keep(self) -> None:
        """Put the result that is shown below the panel, where the notebook is saved with it."""
        if self.history.chosen is None:
            raise KandiError("nothing is drawn yet that could be kept; panel.run() draws")
        if not self._below:
            raise KandiError("this panel stands in no notebook; panel.save(folder) keeps it")
        self._below.fill(self.history.chosen.result)
