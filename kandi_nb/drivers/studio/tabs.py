"""What stands in a tab: a panel of a task, or the gallery; below it, what a picture is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..panels.kit import Kit, write
from ..panels.panel import Panel
from .choices import Choices
from .gallery import Gallery, GalleryView

if TYPE_CHECKING:
    from PIL.Image import Image

Use = Callable[[Any, str], None]  # a picture, and the name of the tab that gets it


class Onward:
    """Offer to go on with a picture in other tabs, as long as there is a picture."""

    def __init__(
        self, kit: Kit, takers: Sequence[tuple[str, str]], picture: Callable[[], Any], use: Use
    ) -> None:
        self._picture, self._use = picture, use
        self.buttons = [self._button(kit, *taker) for taker in takers]
        said = kit("HTML", layout="own", value="<span>Go on with this picture:</span>")
        self.row = kit("HBox", layout="row", children=[said, *self.buttons])
        self.row.add_class("kandi-onward")
        self.refresh()

    def _button(self, kit: Kit, name: str, title: str) -> Any:
        button = kit("Button", layout="own", description=title)
        button.tooltip = f"take the picture that is shown to the tab {title}"
        button.on_click(lambda _: self._go(name))
        return button

    def _go(self, name: str) -> None:
        picture = self._picture()
        if picture is not None:
            self._use(picture, name)

    def refresh(self) -> None:
        """Let the buttons be pressed where there is a picture."""
        there = self._picture() is not None
        for button in self.buttons:
            write(button, disabled=not there)


class PanelTab:
    """Hold a panel; each picture that it draws is told to the gallery."""

    def __init__(self, panel: Panel, gallery: Gallery) -> None:
        self.control, self._gallery = panel, gallery
        self._told = 0  # number of the latest run that the gallery has
        self._onward: Onward | None = None
        self._choices: Choices | None = None
        panel.on_change = self._changed

    @property
    def picture(self) -> Image | None:
        """Return the picture that is shown."""
        return self.control.history.picture

    def take(self, picture: Any) -> None:
        """Start from a picture."""
        self.control.give("image", picture)

    def view(self, kit: Kit, takers: Sequence[tuple[str, str]], use: Use) -> Any:
        """Return the widget, made now."""
        self._choices = Choices(self.control, kit)
        shown = self.control.view()
        self._refresh = shown.refresh
        self.control.on_change = self._changed
        self._onward = Onward(kit, takers, lambda: self.picture, use)
        rows = [self._choices.row, shown.box, self._onward.row]
        return kit("VBox", children=[row for row in rows if row is not None])

    def _refresh(self) -> None:
        """Do nothing: nobody looks."""

    def _changed(self) -> None:
        self._refresh()
        for run in self.control.history.runs:
            if run.number > self._told:
                self._told = run.number
                self._gallery.add(run.result)
        if self._onward is not None:
            self._onward.refresh()
        if self._choices is not None:
            self._choices.refresh()

    def close(self) -> None:
        """End what runs and remove the widgets."""
        self.control.close()
        self._onward, self._choices, self._refresh = None, None, lambda: None
        self.control.on_change = self._changed


class GalleryTab:
    """Show the gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self.control = gallery
        self._view: GalleryView | None = None

    @property
    def picture(self) -> Image | None:
        """Return the picture that is chosen."""
        if self._view is None:
            return self.control.latest
        return self._view.chosen and self._view.chosen.picture

    def view(self, kit: Kit, takers: Sequence[tuple[str, str]], use: Use) -> Any:
        """Return the widget, made now."""
        self._view = view = GalleryView(self.control, kit)
        onward = Onward(kit, takers, lambda: self.picture, use)

        def changed() -> None:
            view.refresh()
            onward.refresh()

        self.control.changed = changed
        box = kit("VBox", children=[*view.widgets, onward.row])
        box.add_class("kandi-panel")
        return box

    def close(self) -> None:
        """Let go of the widgets."""
        self.control.changed = lambda: None
        self._view = None
