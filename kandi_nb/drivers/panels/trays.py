"""The trays of a panel: one for each picture that a task takes, one for what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...pictures.pixels import is_picture
from ...words.errors import KandiError, heard_by
from .brush import Brush
from .cells import cell
from .kit import Kit, show, write
from .recalled import whole_picture
from .sides import Sides, takes_sides
from .tray import Mailbox, thumbnail, tray_class

if TYPE_CHECKING:
    from PIL.Image import Image

    from .panel import Panel

_MOST = 48  # thumbnails
_EACH = 100  # more pictures than a run can have: a number tells run and picture


class Trays:
    """Hold `inputs`, name → box of a picture that some task takes, and `history`."""

    def __init__(self, panel: Panel, kit: Kit, doing: Callable[[str, Callable], None]) -> None:
        self.panel, self.kit, self._doing = panel, kit, doing
        self._seen: dict[str, tuple[Any, str]] = {}  # name of an input → it and its thumbnail
        self._thumbnails: dict[int, str] = {}
        names = dict.fromkeys(n for call in panel.calls.values() for n in call.pictures)
        self.trays = {name: self._tray(name) for name in names}
        self.takers = {name: self._taker(name) for name in names}
        self.brush = Brush(panel, kit, doing) if {"image", "mask"} <= set(names) else None
        framed = any(map(takes_sides, panel.calls.values()))
        self.sides = Sides(panel, kit, doing) if framed else None
        self.inputs = {
            name: kit("VBox", layout=None, children=self._parts(name)) for name in names
        }
        self.history = self._history()

    def _parts(self, name: str) -> list[Any]:
        more = {"mask": self.brush, "image": self.sides}.get(name)
        return [self.trays[name], self.takers[name], *([more.box] if more else [])]

    def _tray(self, name: str) -> Any:
        tray = self.kit.keep(
            tray_class()(label=name, hint=f"{name}: drop or paste a picture, or")
        )
        mailbox = Mailbox(
            lambda file, data: self._taken(name, file, data),
            lambda number: None,
            lambda: self._doing(name, lambda: self.panel.give(name, None)),
        )
        tray.on_msg(mailbox)
        return tray

    def _taker(self, name: str) -> Any:
        button = self.kit("Button", layout=None, description="Take the picture shown")
        button.layout.width, button.layout.align_self = "auto", "flex-start"
        button.tooltip = f"use the picture that is shown as {name}"
        button.on_click(lambda _: self._take(name))
        return button

    def _take(self, name: str) -> None:
        shown = self.panel.history.picture
        if shown is not None:
            self._doing(name, lambda: self._give(name, shown))

    def _give(self, name: str, value: Image) -> None:
        """Hand a picture to the panel; a mask that was painted for another size goes."""
        old = name == "image" and self.brush and self.brush.outgrown(value)
        self.panel.inputs = {
            **self.panel.inputs,
            **({"mask": None} if old else {}),
            name: value,
        }

    def _taken(self, name: str, file: str, data: bytes) -> str:
        """Take a file as an input; return what to say of it."""
        heard: list[str] = []
        with heard_by(heard.append):
            whole = whole_picture(data, file)
            if name != "mask":  # a mask's transparency means something, and Mask asks what
                whole = picture(whole, name)
        whole.info["file"] = file
        self._give(name, whole)
        return "; ".join([f"{file}, {whole.width} × {whole.height} pixels", *heard])

    def _history(self) -> Any:
        tray = self.kit.keep(
            tray_class()(
                label="settings of a picture",
                hint="Drop or paste a saved picture, and its settings come back, or",
            )
        )
        tray.on_msg(Mailbox(self._recalled, self._picked, lambda: None))
        return tray

    def _recalled(self, file: str, data: bytes) -> str:
        heard: list[str] = []
        with heard_by(heard.append):
            notes = self.panel.recall(whole_picture(data, file))
        return "; ".join([f"the settings of {file} are back", *notes, *heard])

    def _picked(self, number: int) -> None:
        run, index = divmod(number, _EACH)
        with heard_by(lambda _: None):
            self.panel.recall(run, index)

    # --- what is shown ---

    def refresh(self, wrong: Mapping[str, str]) -> None:
        """Let the trays show the panel's inputs and history."""
        panel = self.panel
        for name, tray in self.trays.items():
            held = panel.inputs.get(name)
            show(self.inputs[name], name in panel.call.pictures)
            write(tray, shown=self._small(name, held), note=wrong.get(name, _words(held)))
            write(tray, wrong=name in wrong)
            write(self.takers[name], disabled=panel.history.picture is None)
        for part in (self.brush, self.sides):
            if part:
                part.refresh()
        self._show_history()

    def _small(self, name: str, held: Any) -> str:
        """Return a thumbnail of an input, made once, where it is one picture."""
        if self._seen.get(name, (None,))[0] is not held:
            self._seen[name] = held, _small(held)
        return self._seen[name][1] if held is not None else ""

    def _show_history(self) -> None:
        history = self.panel.history
        entries = []
        for run in history.runs:
            for index, image in enumerate(run.result.images):
                number = run.number * _EACH + index
                if number not in self._thumbnails:
                    self._thumbnails[number] = thumbnail(image)
                entries.append(
                    {"number": number, "label": run.label, "source": self._thumbnails[number]}
                )
        entries = entries[-_MOST:]
        shown = {entry["number"] for entry in entries}
        self._thumbnails = {n: s for n, s in self._thumbnails.items() if n in shown}
        chosen = history.chosen
        number = 0 if chosen is None else chosen.number * _EACH + history.index
        code = "" if chosen is None else cell(chosen, history, self.panel)
        write(self.history, pictures=entries, chosen=number, code=code)


def _words(held: Any) -> str:
    if held is None:
        return ""
    held = getattr(held, "image", held)  # of a Mask
    if is_picture(held):
        file = held.info.get("file")
        return f"{f'{file}, ' if file else ''}{held.width} × {held.height} pixels"
    if isinstance(held, (list, tuple)):
        return f"{len(held)} pictures"
    return type(held).__name__


def _small(held: Any) -> str:
    """Return a thumbnail of an input where it is one picture."""
    try:
        with heard_by(lambda _: None):
            return "" if held is None else thumbnail(picture(getattr(held, "image", held)))
    except KandiError:  # a list, or what the task will complain of
        return ""
