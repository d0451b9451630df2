"""The tab Mix: texts and pictures to choose, and the mixer between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...pictures.pixels import is_picture
from ...words.errors import KandiError, heard_by
from ...words.fields import checked
from ...words.params import Params
from ..panels.controls import control
from ..panels.kit import Kit, problem, show, write
from ..panels.recalled import whole_picture
from ..panels.settings import text_of
from ..panels.tray import Mailbox, tray_class
from ..widgets.encoding import thumbnail
from ..widgets.mixer import mixer
from ..widgets.mixing import LEAST, MOST
from .gallery import Gallery
from .tabs import Onward, Use

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...pictures.result import Result

FIRST = ("A cat", "A dog")
_SETTINGS = ("steps", "guidance", "seed")


class Mixing:
    """Hold items and settings, and the mixer that was made of them last.

    `items` are texts and pictures, `params` how the mixture is drawn; both can be set. `run()`
    mixes and draws; `mixer` is `kn.mixer` of the items, None before.
    """

    def __init__(self, k: Any, gallery: Gallery, params: Params) -> None:
        self.k, self._gallery = k, gallery
        self.items: list[Any] = list(FIRST)
        self.params = params.replace(prompt=None, count=1)
        self.mixer: Any = None

    def __repr__(self) -> str:
        return f"Mixing({self.items!r}, {self.params!r})"

    def make(self) -> Any:
        """Make the mixer of what is set anew, and return it; raise KandiError."""
        made = mixer(self.k, self.items, params=self.params)
        if self.mixer is not None:
            self.mixer.close()
        made.observe(lambda change: self._gallery.add(change["new"]), "result")
        self.mixer = made
        return made

    def run(self, weights: Sequence[float] | None = None, **options: Any) -> Result:
        """Mix the items by weights (default: equal shares) and draw; return the Result."""
        made = self.make()
        if weights is not None:
            made.weights = weights
        return made.run(**options)


class MixTab:
    """Show what is mixed, and the mixer."""

    def __init__(self, mixing: Mixing) -> None:
        self.control = mixing
        self._kit: Kit | None = None

    @property
    def picture(self) -> Image | None:
        """Return the picture that was drawn last."""
        result = getattr(self.control.mixer, "result", None)
        return None if result is None else result[0]

    def take(self, picture: Any) -> None:
        """Add a picture to the items."""
        if len(self.control.items) == MOST:
            raise KandiError(f"a mixer has at most {MOST} items; remove one first")
        self.control.items.append(picture)
        self._show_items()

    def _dropped(self, file: str, data: bytes) -> str:
        heard: list[str] = []
        with heard_by(heard.append):
            self.take(picture(whole_picture(data, file), "image"))
        return "; ".join([f"{file} is item {len(self.control.items)}", *heard])

    # --- what is seen ---

    def view(self, kit: Kit, takers: Sequence[tuple[str, str]], use: Use) -> Any:
        """Return the widget, made now."""
        self._kit = kit
        self._rows = kit("VBox", layout=None)
        self._said = kit("HTML", layout=None)
        self._place = kit("VBox", layout=None)
        self._onward = Onward(kit, takers, lambda: self.picture, use)
        add = self._button("Add a text", "one more text to mix", self._add)
        mix = self._button("Mix these", "make the mixer of these items", self._mix)
        mix.button_style = "primary"
        self.controls = {name: control(name, kit, self._tell) for name in _SETTINGS}
        tray = kit.keep(
            tray_class()(label="picture to mix", hint="Drop or paste a picture to mix, or")
        )
        tray.on_msg(Mailbox(self._dropped, lambda number: None, lambda: None))
        row = kit("HBox", layout="row", children=[add, mix])
        settings = [made.box for made in self.controls.values()]
        left = kit("VBox", layout=None, children=[self._rows, tray, *settings, row, self._said])
        right = kit("VBox", layout=None, children=[self._place, self._onward.row])
        for side in (left, right):
            side.layout.flex, side.layout.min_width = "1 1 340px", "0"
        body = kit("HBox", layout=None, children=[left, right])
        body.layout.flex_flow, body.layout.align_items = "row wrap", "flex-start"
        body.layout.grid_gap = "16px"
        root = kit("VBox", children=[body])
        root.add_class("kandi-panel")
        self._show_settings()
        self._show_items()
        self._say("")
        return root

    def _button(self, words: str, tooltip: str, act: Any) -> Any:
        button = self._kit("Button", layout="own", description=words)
        button.tooltip = tooltip
        button.on_click(lambda _: self._doing(act))
        return button

    def _doing(self, act: Any) -> None:
        try:
            self._say("")
            act()
        except KandiError as error:
            self._say(str(error))

    def _say(self, text: str) -> None:
        write(self._said, value=problem(text))
        show(self._said, bool(text))

    def _add(self) -> None:
        if len(self.control.items) == MOST:
            raise KandiError(f"a mixer has at most {MOST} items; remove one first")
        self.control.items.append("")
        self._show_items()

    def _remove(self, index: int) -> None:
        if len(self.control.items) <= LEAST:
            raise KandiError(f"a mixer has at least {LEAST} items; change one instead")
        del self.control.items[index]
        self._show_items()

    def _mix(self) -> None:
        items = self.control.items
        empty = next((n for n, item in enumerate(items, 1) if item == ""), None)
        if empty is not None:
            raise KandiError(f"item {empty} is empty; say what to mix, or remove it")
        made = self.control.make()
        made.observe(lambda _: self._onward.refresh(), "result")
        self._place.children = (made,)
        self._onward.refresh()

    def _show_items(self) -> None:
        if self._kit is None:
            return
        before = self._rows.children
        self._rows.children = [
            self._row(index, item) for index, item in enumerate(self.control.items)
        ]
        for row in before:
            for part in (*row.children, row):
                part.close()

    def _row(self, index: int, item: Any) -> Any:
        kit, name = self._kit, f"item {index + 1}"
        if is_picture(item):
            shown = kit("HTML", layout="grow", description=name)
            shown.value = f'<img src="{thumbnail(item)}" alt="{name}, a picture" height="64">'
        else:
            shown = kit("Text", layout="grow", description=name, value=item)
            shown.continuous_update = True
            shown.observe(lambda change: self._typed(index, change["new"]), "value")
        remove = self._button("Remove", f"take {name} away", lambda: self._remove(index))
        return kit("HBox", layout="row", children=[shown, remove])

    def _typed(self, index: int, text: str) -> None:
        self.control.items[index] = text_of(text) or ""

    def _show_settings(self) -> None:
        for name, made in self.controls.items():
            made.show(getattr(self.control.params, name))
            made.place(True, None)

    def _tell(self, name: str, read: Any) -> None:
        def set_it() -> None:
            value = checked(name, read())
            if value == getattr(self.control.params, name):
                return
            self.control.params = self.control.params.replace(**{name: value})
            self._show_settings()
            if self.control.mixer is not None:
                self.control.mixer.params = self.control.params

        self._doing(set_it)

    def close(self) -> None:
        """Take the mixer off the page."""
        if self.control.mixer is not None:
            self.control.mixer.close()
        self._kit = None
