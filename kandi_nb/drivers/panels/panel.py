"""`panel`: a task with its settings and inputs, to run by code or by controls in a notebook."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...words.errors import Cancelled, KandiError, one_line
from ...words.fields import FIELDS
from ...words.params import Params
from ..widgets.place import replaced, watched
from ..widgets.runner import Runner
from .calls import call_of, check_able, possible
from .examples import FIRST
from .history import History, Run
from .recalled import recalled
from .settings import named_in
from .state import State, Task

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from ...pictures.result import Result
    from .view import View


def panel(
    task: Task | Sequence[Task],
    k: Kandinsky | Sequence[Kandinsky],
    params: Params | None = None,
    **inputs: Any,
) -> Panel:
    """Make controls for a task and its settings, which show themselves in a notebook.

    `task` is a function such as `kn.generate`, or a list of them to switch between; `k` a
    loaded model, or a list of them. `params` are the settings to begin with, `inputs` what the
    task takes by name, such as `image=`; pictures can be dropped onto the panel, too. Where
    nobody watches, as in a notebook that is run without a browser, nothing is shown, and
    `run()` does what the button does. Raises KandiError for what is no task, a model that
    cannot do it, and inputs that it does not take.
    """
    tasks = list(task) if isinstance(task, (list, tuple)) else [task]
    models = list(k) if isinstance(k, (list, tuple)) else [k]
    if not tasks or not models:
        raise KandiError("panel takes a task and a model: kn.panel(kn.generate, k)")
    calls = [call_of(each) for each in tasks]
    for model in models:
        check_able(calls[0], model)
    for call in calls:
        check_able(call, next((m for m in models if possible(call, m)), models[0]))
    if watched() and importlib.util.find_spec("anywidget") is None:
        raise KandiError("the controls of a panel need one more package: pip install anywidget")
    made = Panel(calls, models)
    made.inputs = inputs
    if params is not None:
        made.params = params
    elif calls[0].prompt and "embedding" not in inputs:
        made.change("prompt", FIRST)
    return made


class Panel(State):
    """Hold a task with its model, settings and inputs; make it by `kn.panel`.

    `params` and `inputs` can be read and set, so can `task`, `k`, `preview` (every how many
    steps a run in the background shows its pictures, 0: never) and `folder` (where `save`
    writes). `run()` draws; `start()` does so in the background, as the Run button does, until
    `stop()`. `results` are the latest ones, oldest first; `error` is what the last run raised,
    `notes` what it warned of.
    """

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.history = History()
        self.error: BaseException | None = None
        self.notes: list[str] = []
        self.message = ""  # the one line that stands below Run
        self._runner = Runner(self._show, self._ended, self._tell)
        self._view: View | None = None

    def __repr__(self) -> str:
        return f"Panel({self.call.name}, {self.k.spec.key}, {self.params!r})"

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
        asked = self.asked()
        if not self._runner.take_turn():
            raise KandiError(
                "this panel is at work: wait for it, panel.wait(), or panel.stop()"
            )
        stop = {"stop": self._runner.stop_event} if "stop" in asked.call.options else {}
        done, error = None, None
        self._tell()
        try:
            done = asked.drawn(**{**stop, **options})
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._ended(done, error, [])
            self._runner.give_turn()
            self._tell()
        return done.result

    def start(self) -> bool:
        """Draw in the background; return False, and do nothing, during a run.

        What is set meanwhile counts for the next run. Raises KandiError for what keeps it from
        beginning; what goes wrong later stands in `error`.
        """
        asked = self.asked()
        offered = {
            "progress": True,
            "stop": self._runner.stop_event,
            "on_preview": self._preview_shown,
        }
        if not self.preview or self._view is None:
            del offered["on_preview"]
        if "on_preview" in offered and "preview" in asked.call.options:
            offered["preview"] = self.preview
        options = {name: held for name, held in offered.items() if name in asked.call.options}
        self.message = ""
        begun = self._runner.start(lambda: asked.drawn(**options))
        if begun:
            self._tell()
        return begun

    def stop(self) -> None:
        """Ask the run to end at its next step; one that waits for its model ends at once."""
        self._runner.stop()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing runs in the background; return whether that is so."""
        return self._runner.wait(seconds)

    def _ended(self, done: Run | None, error: BaseException | None, notes: list[str]) -> None:
        with self.lock:
            self.error, self.notes = error, list(dict.fromkeys(notes))
            self.problems, self.message = {}, ""
            if done is not None:
                self.history.add(done)
            elif error is not None:
                self._blame(error)

    def _blame(self, error: BaseException) -> None:
        """Put an error beside the control that it names, or below Run."""
        ours = isinstance(error, KandiError)
        text = (
            one_line(str(error)) if ours else f"{type(error).__name__}: {one_line(str(error))}"
        )
        known = [*self.call.pictures, *self.call.others, *FIELDS]
        name = named_in(text, known) if ours and not isinstance(error, Cancelled) else None
        if name is None:
            self.message = text
        else:
            self.problems[name] = text

    def _show(self, done: int, total: int, words: str) -> None:
        if (view := self._view) is not None:
            view.progress(done, total, words)

    def _preview_shown(self, pictures: list[Image], step: int) -> None:
        if (view := self._view) is not None:
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
        made = recalled(source)
        notes = [f"its {name} did not travel with it: give it again" for name in made.missing]
        with self.lock:
            notes += self._turned_to(made.task, made.model)
            usable = {n: p for n, p in made.inputs.items() if self._offered(n)}
            self.inputs = {**self.inputs, **usable}
            self._set_values(made.params.to_dict())
        return notes

    def _offered(self, name: str) -> bool:
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

    # --- what is seen ---

    def view(self) -> View:
        """Return the controls, made now if there are none."""
        from .view import View

        if self._view is None:
            self._view = View(self)
            self.on_change = self._view.refresh
        return self._view

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if not watched():
            return {"text/plain": repr(self)}
        for panel in replaced(self):
            panel.close()
        shown = self.view().box._repr_mimebundle_()
        return {**shown, "text/plain": repr(self)}  # for pages that know no widgets

    def close(self) -> None:
        """End the run and remove the controls with all that the browser holds of them.

        Settings and results stay; shown again, the panel makes new controls.
        """
        self.stop()
        view, self._view, self.on_change = self._view, None, None
        if view is not None:
            view.close()
