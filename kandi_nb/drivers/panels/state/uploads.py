"""Files from a page: they come in pieces, each of which is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ....pictures.pixels import check_pixels
from ....pictures.reading.formats import FORMATS, WEB, open_picture
from ....words.errors import KandiError, quote
from ...queue.limits import Limits
from ...widgets.encoding import MOST_BYTES
from ...widgets.place import is_visited
from .wording import sentence

if TYPE_CHECKING:
    from PIL.Image import Image

_OWN = 64 * 2**20  # pixels of a picture in one's own notebook; more takes gigabytes


class UploadReceiver:
    """Put together the files that a widget's page sends.

    `taken(target, name, data)` gets a whole file with the place that it was dropped on and
    returns what to say of it; what it raises as KandiError is said there, too, as `translate`
    says it.
    """

    def __init__(
        self, taken: Callable[[str, str, bytes], str], translate: Callable[[str], str] = str
    ) -> None:
        self._taken, self._translate = taken, translate
        self._id, self._name, self._size, self._file = "", "", 0, bytearray()

    def __call__(self, widget: Any, message: Mapping, buffers: Sequence[Any]) -> bool:
        """Handle a message, which may hold anything; return whether it was a file's."""
        kind = message.get("kind")
        if kind not in ("begin", "piece", "end"):
            return False
        try:
            answer, text = self._answer(kind, message, buffers)
        except KandiError as error:
            self._id, self._file = "", bytearray()
            answer, text = "refused", self._translate(sentence(str(error)))
        widget.send({"kind": answer, "id": message.get("id"), "text": text})
        return True

    def _answer(self, kind: str, message: Mapping, buffers: Sequence[Any]) -> tuple[str, str]:
        if kind == "begin":
            self._id, self._file = str(message.get("id")), bytearray()
            self._name = quote(str(message.get("name") or "the picture")).strip("'\"")
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
        return "done", self._taken(str(message.get("target")), self._name, data)


def most_pixels() -> int:
    """Return the pixels that a file from a page may have; of a stranger as few as a service."""
    return Limits.pixels if is_visited() else _OWN


def upload_limits() -> dict[str, int]:
    """Return what a page may send: bytes, and pixels of a picture."""
    return {"most_bytes": MOST_BYTES, "most_pixels": most_pixels()}


def whole_picture(data: bytes, name: str) -> Image:
    """Return the picture in a file's bytes, whole; raise KandiError for what is none.

    A file from a browser may be anything: its size is looked at before its pixels are.
    """
    if len(data) > MOST_BYTES:
        raise KandiError(
            f"{name} has {len(data) / 2**20:,.0f} MB, at most {MOST_BYTES // 2**20} are taken; "
            "make it smaller first"
        )
    picture = open_picture(data, name, WEB if is_visited() else FORMATS, most_pixels())
    check_pixels(picture, name)
    return picture
