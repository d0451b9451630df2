"""All that was drawn in this session, in the order in which it came, whichever tab drew it."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..panels.kit import Kit, write
from ..panels.shown import file_of, label_of, name_of
from ..widgets.encoding import message_of, thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...pictures.result import Result

_ZIP = "kandinsky-pictures.zip"
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
        return label_of(self.picture, self.number)

    def file(self) -> tuple[str, bytes]:
        """Return a name and the bytes of a PNG with the recipe; originals stay at home."""
        return name_of(self.picture), file_of(self.picture)


class Gallery:
    """Collect results; `changed()` is called after each."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.changed: Callable[[], None] = lambda: None
        self.stars: set[int] = set()  # numbers of pictures that stay when others make room
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
            while len(self.entries) > MOST:
                plain = [e for e in self.entries if e.number not in self.stars]
                self.entries.remove((plain or self.entries)[0])
        self.changed()

    def entry(self, number: Any) -> Entry | None:
        """Return the entry of a number, None where there is none."""
        return next((e for e in self.entries if e.number == number), None)

    def star(self, entry: Entry) -> None:
        """Mark an entry as one to keep, or no longer."""
        self.stars ^= {entry.number}
        self.changed()

    def delete(self, entry: Entry) -> None:
        """Take an entry away."""
        with self._lock:
            self.entries = [e for e in self.entries if e is not entry]
            self.stars.discard(entry.number)
        self.changed()

    def archive(self) -> bytes:
        """Return a ZIP file of all pictures, each with its recipe, under names of its own."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for entry in self.entries:
                name, data = entry.file()
                archive.writestr(f"{entry.number:03d}-{name}", data)
        return buffer.getvalue()


class GalleryView:
    """Show a gallery as films: `film` beside a stage, `grid` in a tab of its own."""

    def __init__(self, gallery: Gallery, kit: Kit, pick: Callable[[Entry], None]) -> None:
        from ..widgets.parts import Film

        self.gallery, self._pick = gallery, pick
        self.chosen: Entry | None = None
        self._latest = 0  # number of the newest picture that was seen: a newer one is looked at
        self._thumbnails: dict[int, str] = {}
        self.film = kit.keep(Film(title="This session", tools=True))
        self.grid = kit.keep(Film(tools=True, zips=True, layout_name="grid"))
        for film in (self.film, self.grid):
            film.on_msg(self._on_message)
        self.refresh()

    def _on_message(self, film: Any, message: Any, buffers: Any) -> None:
        message = message_of(message)
        kind, entry = message.get("kind"), self.gallery.entry(message.get("number"))
        if kind == "zip":
            film.send({"kind": "zip", "name": _ZIP}, [self.gallery.archive()])
        elif entry is None:
            return
        elif kind == "pick":
            self.choose(entry)
        elif kind == "star":
            self.gallery.star(entry)
        elif kind == "delete":
            self.gallery.delete(entry)

    def choose(self, entry: Entry) -> None:
        """Mark an entry and show it."""
        self.chosen = entry
        self.refresh()
        self._pick(entry)

    def step(self, by: int) -> None:
        """Show the next picture of the film, or the one before."""
        entries = list(reversed(self.gallery.entries))
        at = entries.index(self.chosen) + by if self.chosen in entries else 0
        if 0 <= at < len(entries):
            self.choose(entries[at])

    def refresh(self) -> None:
        """Bring both films in line with the gallery."""
        entries = self.gallery.entries
        newest = entries[-1].number if entries else 0
        if self.chosen not in entries or newest > self._latest:
            self.chosen = entries[-1] if entries else None
        self._latest = max(newest, self._latest)
        for entry in entries:
            if entry.number not in self._thumbnails:
                self._thumbnails[entry.number] = thumbnail(entry.picture)
        kept = {entry.number for entry in entries}
        self._thumbnails = {n: s for n, s in self._thumbnails.items() if n in kept}
        rows = [
            {
                "number": e.number,
                "label": e.label,
                "source": self._thumbnails[e.number],
                "star": e.number in self.gallery.stars,
            }
            for e in reversed(entries)
        ]
        count = f"{len(entries)} picture{'s' if len(entries) != 1 else ''}"
        for film in (self.film, self.grid):
            write(film, entries=rows, chosen=self.chosen.number if self.chosen else 0)
        write(self.grid, title=f"{count} of this session" if entries else EMPTY)
