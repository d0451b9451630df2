"""A frame to drag: how far a picture grows on each side, and what will be painted there."""

from __future__ import annotations

from typing import Any

import anywidget
from traitlets import CBytes, Dict, List

from ...words.errors import KandiError, quote
from ...words.tasks import SIDES
from .classes import CheckedTrait, script
from .encoding import for_page
from .place import reachable

MOST = 16_384  # pixels that a page may add to a side; the task says what is too much in all


class Frame(anywidget.AnyWidget):
    """Hold an RGB picture, and `margins`: the pixels to add at each of `SIDES`."""

    _esm = script("frame.js")
    _css = script("tokens.css", "painter.css", "frame.css")
    margins = CheckedTrait("_margins_of", (0, 0, 0, 0)).tag(
        sync=True,
        to_json=lambda value, me: list(value),
        from_json=lambda value, me: me._margins_from_page(value),
    )
    translation = Dict().tag(sync=True)
    size = List().tag(sync=True)
    picture = CBytes().tag(sync=True, echo_update=False)

    def __init__(self, image: Any) -> None:
        super().__init__(size=list(image.size), picture=for_page(image))
        reachable(self)

    def show(self, image: Any) -> None:
        """Show another picture; the margins stay."""
        with self.hold_sync():
            self.size, self.picture = list(image.size), for_page(image)

    def follow(self, margins: Any) -> None:
        """Show the pixels to add at each side, unless they are none."""
        self.margins = self._margins_from_page(margins)

    def _margins_of(self, value: Any) -> tuple[int, ...]:
        known = isinstance(value, (list, tuple)) and len(value) == len(SIDES)
        if not known or not all(type(side) is int and 0 <= side <= MOST for side in value):
            raise KandiError(
                f"margins are four whole numbers of pixels from 0 to {MOST:,}, "
                f"{', '.join(SIDES)}, not {quote(value)}"
            )
        return tuple(value)

    def _margins_from_page(self, value: Any) -> tuple[int, ...]:
        try:
            return self._margins_of(value)
        except KandiError:  # a message that is not ours
            return self.margins

    def close(self) -> None:
        """Take the frame off the page, with its layout."""
        self.layout.close()
        super().close()
