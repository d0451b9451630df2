"""All that was drawn in this session, in the order in which it came, whichever tab drew it."""

from __future__ import annotations

import base64
import html
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...pictures.inputs import is_changed
from ...pictures.recipe import png_bytes, recipe
from ...words.files import slug
from ..panels.kit import Kit, write
from ..panels.tray import thumbnail, tray_class

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...pictures.result import Result

MOST = 96  # pictures: older ones make room, as a page that stays open for days would grow
EMPTY = "Nothing is drawn yet. Each picture that a tab draws will be here, too."


@dataclass(frozen=True)
class Entry:
    """Hold a picture with what is known of it."""

    number: int
    picture: Image
    result: Result
    index: int

    @property
    def label(self) -> str:
        """Return a few words that tell it from the others."""
        made = recipe(self.picture)
        params = made["params"]
        what = params["prompt"] or made["task"]
        return f"{self.number}: {what}, {made['task']}, seed {params['seed']}"

    def file(self) -> tuple[str, bytes]:
        """Return a name and the bytes of a PNG with the recipe; originals stay at home."""
        made = recipe(self.picture)
        stem = slug(made["params"]["prompt"] or made["task"])
        known = None if is_changed(self.picture) else made
        return f"{stem}-{made['params']['seed']}.png", png_bytes(self.picture, known)


class Gallery:
    """Collect results; `changed()` is called after each."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.changed: Callable[[], None] = lambda: None
        self._count = 0
        self._lock = threading.Lock()  # tabs draw in threads of their own

    @property
    def latest(self) -> Image | None:
        """Return the picture that was drawn last."""
        return self.entries[-1].picture if self.entries else None

    def add(self, result: Result) -> None:
        """Take the pictures of a result."""
        with self._lock:
            for index, picture in enumerate(result.images):
                self._count += 1
                self.entries.append(Entry(self._count, picture, result, index))
            self.entries = self.entries[-MOST:]
        self.changed()


class GalleryView:
    """Show a gallery: a strip to pick from, the picture that is chosen, and its file."""

    def __init__(self, gallery: Gallery, kit: Kit) -> None:
        self.gallery = gallery
        self.chosen: Entry | None = None
        self._thumbnails: dict[int, str] = {}
        self.said = kit("HTML")
        self.strip = kit.keep(tray_class()(label="pictures of this session", takes_files=False))
        self.picture = kit("HTML")
        self.strip.on_msg(self._heard)
        self.widgets = [self.said, self.strip, self.picture]
        gallery.changed = self.refresh
        self.refresh()

    def _heard(self, _: Any, message: Any, buffers: Any) -> None:
        if isinstance(message, dict) and message.get("kind") == "pick":
            self.choose(message.get("number"))

    def choose(self, number: Any) -> None:
        """Show the picture of that number, if it is still there."""
        for entry in self.gallery.entries:
            if entry.number == number:
                self.chosen = entry
                self.refresh()

    def refresh(self) -> None:
        """Bring the strip in line with the gallery."""
        entries = self.gallery.entries
        if self.chosen not in entries:
            self.chosen = entries[-1] if entries else None
        for entry in entries:
            if entry.number not in self._thumbnails:
                self._thumbnails[entry.number] = thumbnail(entry.picture)
        kept = {entry.number for entry in entries}
        self._thumbnails = {n: s for n, s in self._thumbnails.items() if n in kept}
        count = f"{len(entries)} picture{'s' if len(entries) != 1 else ''} of this session"
        write(
            self.said, value=f"<p>{count}, newest first.</p>" if entries else f"<p>{EMPTY}</p>"
        )
        write(
            self.strip,
            pictures=[
                {"number": e.number, "label": e.label, "source": self._thumbnails[e.number]}
                for e in reversed(entries)
            ],
            chosen=self.chosen.number if self.chosen else 0,
        )
        write(self.picture, value=_shown(self.chosen) if self.chosen else "")


def _shown(entry: Entry) -> str:
    """Return a picture with its settings and a link that saves its file, as HTML."""
    one = entry.result[entry.index : entry.index + 1]
    name, data = entry.file()
    made = recipe(entry.picture)
    settings = {"task": made["task"], "model": made["model"], **made["params"]}
    rows = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>"
        for key, value in settings.items()
        if value is not None
    )
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return (
        f"{one._repr_mimebundle_()['text/html']}"
        f'<p><a class="kandi-download" download="{html.escape(name, quote=True)}" '
        f'href="{source}">Download {html.escape(name)}</a> with its recipe inside</p>'
        f'<details><summary>Settings</summary><dl class="kandi-settings">{rows}</dl></details>'
    )
