"""`panel`: a task with its settings and inputs, to run by code or by controls in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...words.errors import KandiError
from ...words.extras import check_extra
from ...words.params import Params
from ..widgets.place import Below, earlier_shown, is_watched
from ..widgets.translation import translation
from .state.calls import call_of, check_able, possible
from .state.examples import FIRST
from .state.history import Around
from .state.runs import Runs
from .state.state import Task

if TYPE_CHECKING:
    from .view import View


def panel(
    task: Task | Sequence[Task],
    k: Kandinsky | Sequence[Kandinsky] | None = None,
    params: Params | None = None,
    *,
    language: str | None = None,
    **inputs: Any,
) -> Panel:
    """Make controls for a task and its settings, which show themselves in a notebook.

    `task` is a function such as `kn.generate`, or a list of them to switch between; `k` a
    loaded model, or a list of them. `params` are the settings to begin with, `inputs` what the
    task takes by name, such as `image=`; pictures can be dropped onto the panel, too.
    `language` is what it speaks, "en", "de", …; by default what KANDI_LANGUAGE says. Where
    nobody watches, as in a notebook that is run without a browser, nothing is shown, and
    `run()` does what the button does. Raises KandiError for what is no task, a model that
    cannot do it, and inputs that it does not take.
    """
    tasks = list(task) if isinstance(task, (list, tuple)) else [task]
    models = list(k) if isinstance(k, (list, tuple)) else [k]
    if not tasks or not models or k is None:
        raise KandiError("panel takes a task and a model: kn.panel(kn.generate, k)")
    calls = [call_of(each) for each in tasks]
    for model in models:
        check_able(calls[0], model)
    for call in calls:
        check_able(call, next((m for m in models if possible(call, m)), models[0]))
    check_extra("notebook", "a panel", "ipywidgets", *(["anywidget"] if is_watched() else []))
    made = Panel(calls, models, language)
    made.inputs = inputs
    if params is not None:
        made.params = params
    elif calls[0].prompt and "embedding" not in inputs:
        made.change("prompt", FIRST)
    return made


class Panel(Runs):
    """Hold a task with its model, settings and inputs; make it by `kn.panel`.

    `params` and `inputs` can be read and set, so can `task`, `k`, `preview` (every how many
    steps a run in the background shows its pictures, 0: never) and `folder` (where `save`
    writes). `run()` draws; `start()` does so in the background, as the Run button does, until
    `stop()`. `results` are the latest ones, oldest first; `error` is what the last run raised,
    `notes` what it warned of.
    """

    watcher: View | None

    def __init__(self, calls: Any, models: Any, language: str | None = None) -> None:
        super().__init__(calls, models)
        self.translate = translation(language)
        self.around = Around()  # what the view stands in

    def __repr__(self) -> str:
        return f"Panel({self.call.name}, {self.k.spec.key}, {self.params!r})"

    # --- what is seen ---

    def view(self) -> View:
        """Return the controls, made now if there are none."""
        from .hearing import Hearing
        from .view import View

        if self.watcher is None:
            self.watcher = View(self, self.around)
            self.watcher.listen(Hearing(self.watcher))
            self.on_change = self.watcher.refresh
        return self.watcher

    def _ipython_display_(self) -> None:
        self._below = Below(self._repr_mimebundle_())
        self._tell()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if not is_watched():
            return {"text/plain": repr(self)}
        for panel in earlier_shown(self):
            panel.close()
        shown = self.view().box._repr_mimebundle_()
        return {**shown, "text/plain": repr(self)}  # for pages that know no widgets

    def close(self) -> None:
        """End the run and remove the controls with all that the browser holds of them.

        Settings and results stay; shown again, the panel makes new controls.
        """
        self.stop()
        view, self.watcher, self.on_change = self.watcher, None, None
        self._below = None
        if view is not None:
            view.close()
