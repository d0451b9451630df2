"""Brush and frame of a panel: a mask is painted on its image, or its margins are dragged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...words.errors import KandiError, heard_by
from ...words.tasks import SIDES
from ..widgets.painter import mask_painter
from .kit import Kit, show
from .state.calls import Call

if TYPE_CHECKING:
    from PIL.Image import Image

    from .state.state import State


class Brush:
    """Hold `box`, where a painter stands as long as the task takes a mask and has one image."""

    def __init__(self, panel: State, kit: Kit, doing: Callable[[str, Callable], None]) -> None:
        self.panel, self.kit, self._doing = panel, kit, doing
        self.painter: Any = None
        self.box = kit("VBox", layout=None)
        self._image: Any = None  # the panel's image that the painter shows …
        self._mask: Any = None  # … and its mask, each as the panel holds it
        self._own: Any = None  # the mask that was painted last
        self._following = False

    def outgrown(self, image: Image) -> bool:
        """Tell whether the mask was painted for a picture of another size than this."""
        mask = self.panel.inputs.get("mask")
        return mask is not None and mask is self._own and mask.size != image.size

    def refresh(self, visible: bool) -> None:
        """Show the panel's image and mask, where that is what the stage is for."""
        image, mask = (self.panel.inputs.get(name) for name in ("image", "mask"))
        self._following = True
        try:
            if image is not self._image:
                self._take(image)
            usable = self.painter is not None and self._image is not None
            if usable and mask is not self._mask:
                self._lay(mask)
        finally:
            self._following = False
        self._mask = mask
        show(self.box, visible and usable)

    def _take(self, image: Any) -> None:
        opened = one_picture(image)
        self._image = None if opened is None else image
        if opened is None:
            return
        if self.painter is None:
            self.painter = self.kit.keep(mask_painter(opened))
            self.painter.translation = self.panel.translate.for_page(type(self.painter))
            self.painter.observe(self._on_paint, "mask")
            self.box.children = [self.painter]
        else:
            self.painter.image = opened
        if not self.painter.mask.area:
            self._mask = None  # a picture of another size has cleared it

    def _lay(self, mask: Any) -> None:
        """Show a mask on the image; one that does not fit it is the task's to complain of."""
        try:
            self.painter.mask = self.painter.blank if mask is None else mask
        except KandiError:
            self.painter.mask = self.painter.blank

    def _on_paint(self, change: Any) -> None:
        if self._following:
            return
        mask = change["new"] if change["new"].area else None
        self._mask = self._own = mask
        self._doing("mask", lambda: self.panel.give("mask", mask))


def one_picture(image: Any) -> Image | None:
    """Return the one picture that an input is, None for a list and for what is none."""
    if image is None or isinstance(image, (list, tuple)):
        return None
    try:
        with heard_by(lambda _: None):
            return picture(image)
    except KandiError:
        return None


OTHERWISE = ("aspect", "size")  # other ways to say how far, of which a task takes one


def takes_margins(call: Call) -> bool:
    """Tell whether a task takes an image and how far it grows on each side."""
    return "image" in call.pictures and set(SIDES) <= set(call.others)


class Framing:
    """Hold `box`, where a frame stands as long as the task takes margins and has one image."""

    def __init__(self, panel: State, kit: Kit, doing: Callable[[str, Callable], None]) -> None:
        self.panel, self.kit, self._doing = panel, kit, doing
        self.frame: Any = None
        self.box = kit("VBox", layout=None)
        self._image: Any = None
        self._usable = False  # it is one picture
        self._following = False

    def refresh(self, visible: bool) -> None:
        """Show the panel's image and margins, where that is what the stage is for."""
        image = self.panel.inputs.get("image")
        if image is not self._image:
            self._image, opened = image, one_picture(image)
            self._usable = opened is not None
            if opened is not None:
                self._take(opened)
        if self._usable:
            self._follow()
        show(self.box, visible and self._usable)

    def _take(self, image: Image) -> None:
        if self.frame is None:
            from ..widgets.frame import Frame

            self.frame = self.kit.keep(Frame(image))
            self.frame.translation = self.panel.translate.for_page(Frame)
            self.frame.observe(self._on_drag, "margins")
            self.box.children = [self.frame]
        else:
            self.frame.show(image)

    def _follow(self) -> None:
        margins = [self.panel.inputs.get(side, 0) for side in SIDES]
        self._following = True
        try:
            self.frame.follow(margins)
        finally:
            self._following = False

    def _on_drag(self, change: Any) -> None:
        if self._following:
            return
        margins = {side: n or None for side, n in zip(SIDES, change["new"], strict=True)}
        kept = {n: held for n, held in self.panel.inputs.items() if n not in OTHERWISE}
        self._doing("image", lambda: setattr(self.panel, "inputs", {**kept, **margins}))
