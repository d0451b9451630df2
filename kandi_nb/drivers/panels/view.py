"""The controls of a panel as widgets: what is set goes in, what the user does comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.grid import grid
from ...words.errors import KandiError
from ...words.fields import FIELDS
from .calls import possible
from .controls import control
from .kit import Kit, show, write
from .rows import PromptHelp, RunRow, SaveRow
from .settings import SELDOM, SIZES, used_fields
from .trays import Trays

if TYPE_CHECKING:
    from PIL.Image import Image

    from .panel import Panel


class View:
    """Show a panel. `box` is the widget; `refresh` brings it in line with what is set."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.kit = panel, Kit()
        self._writing = False
        self._drawn: Any = None  # the run whose pictures are shown
        self.controls = {name: control(name, self.kit, self._tell) for name in FIELDS}
        parts = panel, self.kit, self.doing
        self.help, self.running, self.saving = (
            kind(*parts) for kind in (PromptHelp, RunRow, SaveRow)
        )
        self.trays = Trays(*parts)
        self.box = self._laid_out()
        self.refresh()

    # --- how it is laid out ---

    def _laid_out(self) -> Any:
        kit = self.kit
        first, *others = [self.controls[name].box for name in FIELDS if name not in SELDOM]
        self.seldom = kit("VBox", layout=None, children=self._seldom())
        self.more = kit("ToggleButton", layout=None, description="More settings")
        self.more.layout.width, self.more.layout.align_self = "auto", "flex-start"
        self.more.observe(lambda _: self.refresh(), "value")
        self.picture = kit("HTML")
        left = [*self._switches(), first, *self.help.widgets, *self.trays.inputs.values()]
        left += [*others, self.more, self.seldom, *self.running.widgets]
        right = [self.picture, self.trays.history, *self.saving.widgets]
        sides = [kit("VBox", layout=None, children=children) for children in (left, right)]
        for side in sides:
            side.layout.flex, side.layout.min_width = "1 1 340px", "0"
        body = kit("HBox", layout=None, children=sides)
        body.layout.flex_flow, body.layout.align_items = "row wrap", "flex-start"
        body.layout.grid_gap = "16px"
        root = kit("VBox", children=[body])
        root.add_class("kandi-panel")
        return root

    def _seldom(self) -> list[Any]:
        self.preview_every = self.kit(
            "BoundedIntText",
            layout="own",
            min=0,
            max=1000,
            description="preview",
            tooltip="show the unfinished pictures every so many steps, 0: never",
        )
        self.preview_every.observe(self._setter("preview"), "value")
        return [*(self.controls[name].box for name in SELDOM), self.preview_every]

    def _switches(self) -> list[Any]:
        """Make the lists of tasks and models, where there are several."""
        panel = self.panel
        self.tasks = self.models = None
        if len(panel.calls) > 1:
            self.tasks = self._list("task", list(panel.calls), panel.call.name)
            self.tasks.observe(self._setter("task"), "value")
        if len(panel.models) > 1:
            keys = [model.spec.key for model in panel.models]
            several = [
                (key if keys.count(key) == 1 else f"{key} ({n})", n - 1)
                for n, key in enumerate(keys, 1)
            ]
            self.models = self._list("model", several, self._model_number())
            self.models.observe(self._setter("k", panel.models.__getitem__), "value")
        switches = [switch for switch in (self.tasks, self.models) if switch is not None]
        return [self.kit("HBox", layout="row", children=[switch]) for switch in switches]

    def _list(self, name: str, options: Sequence[Any], value: Any) -> Any:
        return self.kit("Dropdown", description=name, options=options, value=value)

    def _model_number(self) -> int:
        return next(n for n, model in enumerate(self.panel.models) if model is self.panel.k)

    # --- what the user does ---

    def _tell(self, name: str, read: Callable[[], Any]) -> None:
        self.doing(name, lambda: self.panel.change(name, read()))

    def _setter(self, name: str, read: Callable[[Any], Any] = lambda value: value) -> Any:
        """Return an observer that sets an attribute of the panel."""
        return lambda change: self.doing(
            name, lambda: setattr(self.panel, name, read(change["new"]))
        )

    def doing(self, name: str, act: Callable[[], Any]) -> None:
        """Do what the user asked for; a KandiError is a fault of the control of that name."""
        with self.panel.lock:
            if self._writing:
                return
            try:
                act()
            except KandiError as error:
                self.panel.complain(name, str(error))

    # --- what is shown ---

    def refresh(self) -> None:
        """Let every widget show what is set, and offer what can be done."""
        with self.panel.lock:
            if self._writing:
                return
            self._writing = True
            try:
                self._refresh()
            finally:
                self._writing = False

    def _refresh(self) -> None:
        panel = self.panel
        reason = panel.reason()
        wrong = {**panel.problems, **dict([reason] if reason else []), **panel.faults}
        self._show_switches()
        self._show_settings(wrong)
        self.help.refresh()
        self.trays.refresh(wrong)
        self._show_result()
        self.saving.refresh()
        self.running.refresh(wrong, bool(reason))

    def _show_switches(self) -> None:
        panel = self.panel
        if self.tasks is not None:
            able = [name for name, call in panel.calls.items() if possible(call, panel.k)]
            write(self.tasks, options=tuple(able))
            write(self.tasks, value=panel.call.name)
        if self.models is not None:
            write(self.models, value=self._model_number())

    def _show_settings(self, wrong: dict[str, str]) -> None:
        panel = self.panel
        used = used_fields(panel.call.name, panel.k.spec.roles)
        for name in SIZES:
            self.controls[name].suit(panel.k.spec.native_size)
        for name, value in panel.params.to_dict().items():
            if name not in panel.faults:
                self.controls[name].show(value)
            self.controls[name].place(name in used, wrong.get(name))
        write(self.preview_every, value=panel.preview)
        show(self.seldom, self.more.value)

    def _show_result(self) -> None:
        if self.panel.running:
            return  # its previews stand there
        chosen = self.panel.history.chosen
        if chosen is not self._drawn:
            shown = "" if chosen is None else chosen.result._repr_mimebundle_()["text/html"]
            self.picture.value = shown
            self.saving.forget()
        self._drawn = chosen

    # --- what a run tells, in its thread ---

    def progress(self, done: int, total: int, words: str) -> None:
        """Show how far the run is."""
        self.running.progress(done, total, words)

    def preview(self, pictures: list[Image]) -> None:
        """Show unfinished pictures."""
        self._drawn = ()  # whatever was shown is gone
        self.picture.value = grid(list(pictures))._repr_html_()

    def close(self) -> None:
        """Remove all widgets."""
        self.kit.close()
