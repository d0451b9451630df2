"""What stands in a tab: a panel of a task, the gallery, or why there is nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...pictures.recipe import recipe_of
from ..panels.kit import Kit, write
from ..panels.panel import Panel
from ..panels.shown import Shown, file_of, stage_entries
from ..panels.state.history import Around, Run
from ..panels.state.settings import used_fields
from ..panels.state.wording import place_of
from ..widgets.encoding import message_of
from .gallery import Gallery, GalleryView

if TYPE_CHECKING:
    from PIL.Image import Image

_TRAVEL = ("prompt", "negative", "seed")  # settings that go along with a picture
_SIDES = ("width", "height")
NO_RIVALS = (
    "Comparing draws the same with several models. The service that draws for this page has "
    "one; whoever keeps the page can give it the addresses of others."
)


class PanelTab:
    """Hold a panel; each picture that it draws is told to the gallery."""

    def __init__(self, panel: Panel, gallery: Gallery) -> None:
        self.control, self._gallery = panel, gallery
        self._told = 0  # number of the latest run that the gallery has
        self._begun = panel.params.to_dict()  # settings that nobody has chosen here
        panel.on_change = self._on_change

    @property
    def picture(self) -> Image | None:
        """Return the picture that is shown."""
        return self.control.history.picture

    def take(self, picture: Any) -> None:
        """Start from a picture; what it was drawn with comes along, unless it was set here."""
        self.control.give("image", picture)
        made = recipe_of(picture)
        if made is not None:
            self._bring(made["params"], picture.size)

    def _bring(self, made: Mapping[str, Any], size: tuple[int, int]) -> None:
        panel = self.control
        used = used_fields(panel.call.name, panel.k.spec.roles)
        brought = {name: made[name] for name in _TRAVEL if name in used}
        if panel.call.takes("left"):  # what is named grows there a second time
            brought["prompt"] = place_of(made["prompt"]) or made["prompt"]
        elif panel.call.name != "upscale" and (made["width"], made["height"]) == size:
            brought |= dict(zip(_SIDES, size, strict=True))
        now = panel.params.to_dict()
        free = {
            name: value
            for name, value in brought.items()
            if name not in panel.own and now[name] == self._begun[name]
        }
        self._begun |= free
        for name, value in free.items():
            if name not in _SIDES and value is not None:
                panel.change(name, value)
        if set(_SIDES) <= set(free):
            panel.resize(*(free[name] for name in _SIDES))

    def view(self, kit: Kit, around: Around) -> Any:
        """Return the widget, made now."""
        self.control.around = around
        shown = self.control.view()
        self._refresh = shown.refresh
        self.control.on_change = self._on_change
        return shown.box

    def look(self, picture: Image) -> None:
        """Show a picture of another tab, or bring back a run of this one."""
        run, index = self._run_of(picture)
        view = self.control.view()
        if run is None:
            view.look(picture)
            return
        self.control.history.choose(run.number, index)
        view.guest, view.looking, view.apart = None, True, True
        view.refresh()

    def _run_of(self, picture: Image) -> tuple[Any, int]:
        for run in self.control.history.runs:
            for index, drawn in enumerate(run.result.images):
                if drawn is picture:
                    return run, index
        return None, 0

    def _refresh(self) -> None:
        """Do nothing: nobody looks."""

    def _on_change(self) -> None:
        for run in self.control.history.runs:
            if run.number > self._told:
                self._told = run.number
                self._gallery.add(run.result)
        self._refresh()

    def close(self) -> None:
        """End what runs and remove the widgets."""
        self.control.close()
        self._refresh = lambda: None
        self.control.on_change = self._on_change


def runs_of(tabs: Iterable[Any], gallery: Gallery) -> list[Run]:
    """Return the runs of all panels, newest first."""
    every = [
        run for tab in tabs if isinstance(tab, PanelTab) for run in tab.control.history.runs
    ]
    order = {id(entry.picture): n for n, entry in enumerate(gallery.entries)}
    newest = lambda run: max(order.get(id(p), -1) for p in run.result.images)  # noqa: E731
    return sorted(every, key=newest, reverse=True)


class GalleryTab:
    """Show the gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self.control = gallery
        self.films: GalleryView | None = None

    @property
    def picture(self) -> Image | None:
        """Return the picture that is chosen."""
        chosen = self.films and self.films.chosen
        return chosen.picture if chosen else self.control.latest

    def view(self, kit: Kit, around: Around) -> Any:
        """Return the widget, made now: the grid, and the chosen picture large beside it."""
        self._stage = GalleryStage(kit, around, self)
        box = kit("VBox", layout=None, children=[self.films.grid, self._stage.stage])
        box.add_class("kandi-gallery")
        return box

    def look(self, picture: Image) -> None:
        """Show a picture large."""
        self._stage.refresh()

    def close(self) -> None:
        """Let go of the widgets."""
        self.films = None


class GalleryStage:
    """Show the picture that is chosen in the gallery, with what can be done with it."""

    def __init__(self, kit: Kit, around: Around, tab: GalleryTab) -> None:
        from ..widgets.parts import Stage

        self._around, self._tab = around, tab
        self.stage = kit.keep(Stage())
        self.stage.on_msg(self._on_message)
        self.refresh()

    def refresh(self) -> None:
        """Show what is chosen now."""
        picture = self._tab.picture
        shown = () if picture is None else (picture,)
        words = {
            "mode": "view" if shown else "empty",
            "pictures": [file_of(each) for each in shown],
            "shown": stage_entries(Shown(shown)),
            "onward": [list(each) for each in self._around.onward] if shown else [],
            "empty": {
                "title": "Nothing is drawn yet",
                "text": "Each picture that a tab draws will be here, too.",
            },
        }
        with self.stage.hold_sync():
            write(self.stage, **words)

    def _on_message(self, _: Any, message: Any, buffers: Any) -> None:
        message = message_of(message)
        kind = message.get("kind")
        if kind == "step" and message.get("value") in (-1, 1):
            self._around.step(message["value"])
        elif kind == "go" and message.get("value") in dict(self._around.onward):
            picture = self._tab.picture
            if picture is not None:
                self._around.go(picture, message["value"])


class WhyNot:
    """Say in a sentence why a tab is empty, in the place of controls."""

    control = None
    picture = None

    def __init__(self, why: str) -> None:
        self.why = why

    def look(self, picture: Any) -> None:
        """Do nothing: there is no stage."""

    def view(self, kit: Kit, around: Around) -> Any:
        """Return the widget, made now."""
        return kit("HTML", value=f'<p class="kandi-why">{html.escape(self.why)}</p>')

    def close(self) -> None:
        """Do nothing."""
