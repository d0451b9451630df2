"""The brush of a panel: its mask is painted on its image, and what code sets is shown on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...words.errors import KandiError, heard_by
from ..widgets.painter import mask_painter
from .kit import Kit, show

if TYPE_CHECKING:
    from PIL.Image import Image

    from .panel import Panel


class Brush:
    """Hold `box`, where a painter stands as long as the task takes a mask and has one image."""

    def __init__(self, panel: Panel, kit: Kit, doing: Callable[[str, Callable], None]) -> None:
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

    def refresh(self) -> None:
        """Show the panel's image and mask."""
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
        show(self.box, usable and "mask" in self.panel.call.pictures)

    def _take(self, image: Any) -> None:
        opened = one_picture(image)
        self._image = None if opened is None else image
        if opened is None:
            return
        if self.painter is None:
            self.painter = self.kit.keep(mask_painter(opened))
            self.painter.observe(self._painted, "mask")
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

    def _painted(self, change: Any) -> None:
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
