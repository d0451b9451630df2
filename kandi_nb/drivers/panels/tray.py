"""The tray, a widget of our own: pictures that are dropped, and pictures to pick from."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...pictures.pixels import rgb
from ...words.errors import KandiError, shown
from .recalled import MOST_BYTES, MOST_SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

_FOLDER = Path(__file__).parent / "browser"
_THUMBNAIL = 96  # pixels of the longer side


@cache
def tray_class() -> type:
    """Return the widget's class, which needs anywidget to be defined."""
    import anywidget
    from traitlets import Bool, Int, List, Unicode

    class Tray(anywidget.AnyWidget):
        """Show a place for files, a strip of pictures, and code; `browser/tray.js` says how."""

        _esm = (_FOLDER / "tray.js").read_text(encoding="utf-8")
        _css = (_FOLDER / "tray.css").read_text(encoding="utf-8")
        label = Unicode().tag(sync=True)
        hint = Unicode().tag(sync=True)
        takes_files = Bool(True).tag(sync=True)
        shown = Unicode().tag(sync=True)
        pictures = List().tag(sync=True)
        chosen = Int(0).tag(sync=True)
        code = Unicode().tag(sync=True)
        note = Unicode().tag(sync=True)
        wrong = Bool(False).tag(sync=True)
        most_bytes = Int(MOST_BYTES).tag(sync=True)
        most_side = Int(MOST_SIDE).tag(sync=True)

    return Tray


class Mailbox:
    """Do what a tray's messages ask for; put files together that come in pieces.

    `taken(name, data)` gets a whole file and returns what to say of it, `picked(number)` the
    number of a picture, `removed()` nothing. What they raise as KandiError is said in the tray.
    """

    def __init__(
        self,
        taken: Callable[[str, bytes], str],
        picked: Callable[[int], None],
        removed: Callable[[], None],
    ) -> None:
        self._taken, self._picked, self._removed = taken, picked, removed
        self._id, self._name, self._size, self._file = "", "", 0, bytearray()

    def __call__(self, tray: Any, message: Any, buffers: Sequence[Any]) -> None:
        """Handle a message of the browser, which may hold anything."""
        kind = message.get("kind") if isinstance(message, dict) else None
        try:
            if kind == "pick" and isinstance(message.get("number"), int):
                self._picked(message["number"])
            elif kind == "remove":
                self._removed()
            elif kind in ("begin", "piece", "end"):
                answer, text = self._answer(kind, message, buffers)
                tray.send({"kind": answer, "id": message.get("id"), "text": text})
        except KandiError as error:
            self._id, self._file = "", bytearray()
            tray.send({"kind": "refused", "id": message.get("id"), "text": str(error)})

    def _answer(self, kind: str, message: dict, buffers: Sequence[Any]) -> tuple[str, str]:
        if kind == "begin":
            self._id, self._file = str(message.get("id")), bytearray()
            self._name = shown(str(message.get("name") or "the picture")).strip("'\"")
            size = message.get("size")
            self._size = size if isinstance(size, int) else 0
            if not 0 < self._size <= MOST_BYTES:
                raise KandiError(
                    f"{self._name} has {self._size / 2**20:,.0f} MB, from 1 byte to "
                    f"{MOST_BYTES // 2**20} MB are taken; choose another file"
                )
            return "next", ""
        if message.get("id") != self._id:
            raise KandiError("another file came in between; drop this one again")
        if kind == "piece":
            for buffer in buffers:
                self._file += buffer
        if len(self._file) > self._size or (kind == "end" and len(self._file) < self._size):
            raise KandiError(f"{self._name} did not arrive as it was sent; drop it again")
        if kind == "piece":
            return "next", ""
        data, self._id, self._file = bytes(self._file), "", bytearray()
        return "done", self._taken(self._name, data)


def thumbnail(picture: Image) -> str:
    """Return a small copy of a picture as a data URL."""
    small = rgb(picture)
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
