"""The frame of a panel: how far its image grows is dragged, for tasks that take four sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..widgets.frame import SIDES, frame_class
from .brush import one_picture
from .calls import Call
from .kit import Kit, show

if TYPE_CHECKING:
    from PIL.Image import Image

    from .panel import Panel

OTHERWISE = ("aspect", "size")  # other ways to say how far, of which a task takes one


def takes_sides(call: Call) -> bool:
    """Tell whether a task takes an image and how far it grows on each side."""
    return "image" in call.pictures and set(SIDES) <= set(call.others)


class Sides:
    """Hold `box`, where a frame stands as long as the task takes sides and has one image."""

    def __init__(self, panel: Panel, kit: Kit, doing: Callable[[str, Callable], None]) -> None:
        self.panel, self.kit, self._doing = panel, kit, doing
        self.frame: Any = None
        self.box = kit("VBox", layout=None)
        self._image: Any = None
        self._usable = False  # it is one picture
        self._following = False

    def refresh(self) -> None:
        """Show the panel's image and sides."""
        image = self.panel.inputs.get("image")
        if image is not self._image:
            self._image, opened = image, one_picture(image)
            self._usable = opened is not None
            if opened is not None:
                self._take(opened)
        if self._usable:
            self._follow()
        show(self.box, self._usable and takes_sides(self.panel.call))

    def _take(self, image: Image) -> None:
        if self.frame is None:
            self.frame = self.kit.keep(frame_class()(image))
            self.frame.observe(self._dragged, "margins")
            self.box.children = [self.frame]
        else:
            self.frame.show(image)

    def _follow(self) -> None:
        sides = [self.panel.inputs.get(side, 0) for side in SIDES]
        self._following = True
        try:
            self.frame.follow(sides)
        finally:
            self._following = False

    def _dragged(self, change: Any) -> None:
        if self._following:
            return
        sides = {side: n or None for side, n in zip(SIDES, change["new"], strict=True)}
        kept = {n: held for n, held in self.panel.inputs.items() if n not in OTHERWISE}
        self._doing("image", lambda: setattr(self.panel, "inputs", {**kept, **sides}))
