"""The tab Mix: texts and pictures to choose, and the mixer between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...words.errors import KandiError, heard_by
from ...words.params import Params, random_seed
from ..panels.form import field, read, row_of
from ..panels.kit import Kit, write
from ..panels.shown import Shown, file_of, stage_entries
from ..panels.state.history import Around
from ..panels.state.settings import text_of
from ..panels.state.uploads import UploadReceiver, upload_limits, whole_picture
from ..panels.state.wording import sentence
from ..widgets.encoding import message_of, thumbnail
from ..widgets.mixer import mixer
from ..widgets.mixing import LEAST, MOST
from .gallery import Gallery

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
        # A text is a text, even one that is written as a path is: it may come from a stranger.
        items = [Params(item) if isinstance(item, str) else item for item in self.items]
        made = mixer(self.k, items, params=self.params)
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
        self.locked = True
        self._kit: Kit | None = None
        self._wrong: dict[str, str] = {}
        self._said: list[list[str]] = []
        self._small: dict[int, str] = {}
        self._upload = UploadReceiver(self._on_drop)

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
        self._mix_anew()

    def _on_drop(self, target: str, file: str, data: bytes) -> str:
        heard: list[str] = []
        with heard_by(heard.append):
            read = picture(whole_picture(data, file), "image")
            read.info["file"] = file
            self.take(read)
        return "; ".join([f"{file} is item {len(self.control.items)}", *heard])

    # --- what is seen ---

    def view(self, kit: Kit, around: Around) -> Any:
        """Return the widget, made now."""
        from ..widgets.parts import Rail, RunBar, Stage

        self._kit, self._around = kit, around
        self.rail, self.runbar, self.stage = (
            kit.keep(made()) for made in (Rail, RunBar, Stage)
        )
        for part in (self.rail, self.runbar, self.stage):
            part.on_msg(self._on_message)
        self._place = kit("VBox", layout=None)
        stage = kit("VBox", layout=None, children=[self._place, self.stage])
        stage.add_class("kandi-stagebox")
        parts = [self.rail, self.runbar, stage, around.film]
        inner = kit("VBox", layout=None, children=parts)
        inner.add_class("kandi-panel")
        root = kit("VBox", layout=None, children=[inner])
        root.add_class("kandi-outer")
        self.refresh()
        return root

    def look(self, picture: Image) -> None:
        """Do nothing: a picture of the film is dragged onto the items."""

    def refresh(self) -> None:
        """Bring the widgets in line with what is set."""
        if self._kit is None:
            return
        control = self.control
        values = control.params.to_dict()
        items = [
            {"kind": "text", "value": item}
            if isinstance(item, str)
            else {"kind": "picture", "value": item.info.get("file", f"picture {n}")}
            for n, item in enumerate(control.items, 1)
        ]
        fields = [
            {"kind": "items", "name": "items", "label": "What to mix", "items": items},
            {
                **row_of("picture", "picture", words="", empty="Drop, paste or choose one."),
                "label": "Add a picture",
            },
            *(field(name, values, self) for name in _SETTINGS),
        ]
        form = {"fields": fields, "more": [], "wrong": self._wrong, **upload_limits()}
        write(self.rail, form=form)
        small = {
            f"item {n}": self._thumbnail(item)
            for n, item in enumerate(control.items)
            if not isinstance(item, str)
        }
        write(self.rail, thumbnails=small)
        empty = next((n for n, i in enumerate(control.items, 1) if is_text(i) and not i), None)
        reason = (
            "" if empty is None else f"Item {empty} is empty: say what to mix, or remove it."
        )
        running = bool(control.mixer is not None and control.mixer.running)
        write(self.runbar, action="Mix", reason=reason, running=running, said=self._said)
        self._show_result()

    def _thumbnail(self, item: Any) -> str:
        if id(item) not in self._small:
            self._small[id(item)] = thumbnail(item)
        return self._small[id(item)]

    def _show_result(self) -> None:
        drawn = self.picture
        shown = () if drawn is None else (drawn,)
        words = {
            "mode": "mix" if self.control.mixer is not None else "empty",
            "pictures": [file_of(each) for each in shown],
            "shown": stage_entries(Shown(shown)),
            "onward": [list(each) for each in self._around.onward] if shown else [],
            "empty": {
                "title": "Nothing is mixed yet",
                "text": "Say what to mix, add pictures if you like, and press Mix.",
            },
        }
        with self.stage.hold_sync():
            write(self.stage, **words)

    # --- what is done ---

    def _on_message(self, widget: Any, message: Any, buffers: Any) -> None:
        message = message_of(message)
        if not message or self._upload(widget, message, buffers):
            return
        kind = message["kind"]
        acts = {
            "set": lambda: self._set(message.get("name"), message.get("value")),
            "roll": lambda: self._set("seed", random_seed()),
            "add item": self._add,
            "drop item": lambda: self._remove(message.get("number")),
            "use": lambda: self._use(message.get("number")),
            "run": self._mix,
            "stop": lambda: self.control.mixer and self.control.mixer.stop(),
            "go": lambda: self._go(message.get("value")),
        }
        if kind in acts:
            self._doing(acts[kind])

    def _doing(self, act: Any) -> None:
        self._said = []
        try:
            act()
        except KandiError as error:
            self._said = [["bad", sentence(str(error))]]
        self.refresh()

    def _set(self, name: Any, value: Any) -> None:
        control = self.control
        if isinstance(name, str) and name.startswith("item "):
            number = name.removeprefix("item ")
            known = [str(n) for n, item in enumerate(control.items) if is_text(item)]
            if number in known and isinstance(value, str):
                control.items[int(number)] = text_of(value) or ""
                self._mix_anew()
        elif name == "locked":
            self.locked = value is True
        elif name in _SETTINGS:
            self._wrong.pop(name, None)
            try:
                made = read(name, value)
            except KandiError as error:
                self._wrong[name] = sentence(str(error))
                return
            control.params = control.params.replace(**{name: made})
            if control.mixer is not None:
                control.mixer.params = control.params

    def _add(self) -> None:
        if len(self.control.items) == MOST:
            raise KandiError(f"a mixer has at most {MOST} items; remove one first")
        self.control.items.append("")

    def _remove(self, number: Any) -> None:
        items = self.control.items
        if not isinstance(number, int) or not 0 <= number < len(items):
            return
        if len(items) <= LEAST:
            raise KandiError(f"a mixer has at least {LEAST} items; change one instead")
        del items[number]
        self._mix_anew()

    def _use(self, number: Any) -> None:
        found = self._around.picture(number) if self._around.picture else None
        if found is not None:
            self.take(found)

    def _go(self, name: Any) -> None:
        if name in dict(self._around.onward) and self.picture is not None:
            self._around.go(self.picture, name)

    def _mix_anew(self) -> None:
        """Mix anew what was mixed before: a mixer of other items would be wrong."""
        if self.control.mixer is not None and "" not in [
            item for item in self.control.items if is_text(item)
        ]:
            self._mix()
        self.refresh()

    def _mix(self) -> None:
        items = self.control.items
        empty = next((n for n, i in enumerate(items, 1) if is_text(i) and not i), None)
        if empty is not None:
            raise KandiError(f"item {empty} is empty; say what to mix, or remove it")
        if not self.locked:
            self.control.params = self.control.params.replace(seed=random_seed())
        before = self.control.mixer and list(self.control.mixer.weights)
        made = self.control.make()
        if before and len(before) == len(items):
            made.weights = before
        made.observe(lambda _: self.refresh(), ["result", "running"])
        if self._kit is not None:
            self._place.children = (made,)

    def close(self) -> None:
        """Take the mixer off the page."""
        if self.control.mixer is not None:
            self.control.mixer.close()
        self._kit = None


def is_text(item: Any) -> bool:
    """Tell whether an item is a text, not a picture."""
    return isinstance(item, str)
