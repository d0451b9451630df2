"""The widget of `mask_painter`: a picture, and the mask that is painted on it."""

from __future__ import annotations

from typing import Any

import anywidget
from traitlets import CBytes, Dict, List, Unicode, observe

from ...pictures.images import picture
from ...pictures.masks import Mask
from ...words.errors import KandiError, quote
from .classes import CheckedTrait, script
from .encoding import check_paintable, decode_mask, encode_mask, for_page
from .place import earlier_shown, is_watched, reachable
from .translation import translation

MOST_FEATHER = 100  # pixels, of the slider and of what a page may ask for


class MaskPainter(anywidget.AnyWidget):
    """Hold a picture and its mask; made by `kn.mask_painter`.

    What is painted is kept apart from the feather, so that a softer border can become a
    harder one again. `painted` is that, as it travels.
    """

    _esm = script("raster.js", "painting.js", "screen.js", "hand.js", "painter.js")
    _css = script("tokens.css", "painter.css")
    mask = CheckedTrait("_mask_of")
    feather = CheckedTrait("_feather_of", 0).tag(
        sync=True, from_json=lambda value, me: me._feather_from_page(value)
    )
    painted = CBytes().tag(
        sync=True, echo_update=False, from_json=lambda value, me: _bytes_of(value)
    )
    picture = CBytes().tag(sync=True, echo_update=False)
    size = List().tag(sync=True)
    label = Unicode("mask").tag(sync=True)
    note = Unicode().tag(sync=True)
    translation = Dict().tag(sync=True)

    def __init__(self, image: Any, *, mask: Any = None, feather: float = 0) -> None:
        self._image = _one(image)
        self._base = _empty(self._image)
        self._sent = encode_mask(self._base.array)
        self._telling = True  # while the kernel itself sets traits
        super().__init__(
            mask=self._base,
            painted=self._sent,
            size=list(self._image.size),
            picture=for_page(self._image),
            translation=translation().for_page(type(self)),
        )
        self._telling = False
        reachable(self)
        if mask is not None:
            self.mask = mask
        if feather:
            self.feather = feather

    # --- what Python sets ---

    @property
    def image(self) -> Any:
        """Return the picture; setting one of another size clears the mask."""
        return self._image

    @image.setter
    def image(self, image: Any) -> None:
        new = _one(image)
        same = new.size == self._image.size
        self._image = new
        with self.hold_sync():
            self._send_picture()
            if same:
                self._keep(Mask(self._base, picture=new), self.feather)
            else:
                self._keep(_empty(new), self.feather)
                self._send_base()

    @property
    def blank(self) -> Mask:
        """Return the mask of the picture that repaints nothing."""
        return _empty(self._image)

    def _mask_of(self, value: Any) -> Mask:
        return value if self._telling else Mask(value, picture=self._image)

    @observe("mask")
    def _mask_set(self, change: Any) -> None:
        if self._telling:
            return
        with self.hold_sync():
            self._keep(change["new"], 0)
            self._send_base()

    def _feather_of(self, value: Any) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= MOST_FEATHER:
            raise KandiError(
                f"feather is a number of pixels from 0 to {MOST_FEATHER}, not "
                f"{quote(value)}; mask.feather(by) takes more"
            )
        return value

    def _feather_from_page(self, value: Any) -> float:
        try:
            return self._feather_of(value)
        except KandiError:  # a message that is not ours
            return self.feather

    # --- what the page sends ---

    @observe("painted", "feather")
    def _on_page(self, change: Any) -> None:
        if self._telling:
            return
        base = self._base
        try:
            if self.painted != self._sent:
                base = Mask(decode_mask(self.painted, self._image.size), picture=self._image)
        except KandiError as error:
            self.note = str(error)
            self._send_base(again=True)  # the page shows what there is
            return
        self._sent, self.note = self.painted, ""
        self._keep(base, self.feather)

    # --- both ---

    def _keep(self, base: Mask, feather: float) -> None:
        """Hold what is painted, and the mask that follows."""
        self._base, before = base, self._telling
        self._telling = True
        try:
            self.feather = feather
            self.mask = base.feather(feather) if feather else base
        finally:
            self._telling = before

    def _send_base(self, again: bool = False) -> None:
        before, self._telling = self._telling, True
        try:
            if again:
                self.painted = b""  # else the same bytes would not be sent
            self._sent = self.painted = encode_mask(self._base.array)
        finally:
            self._telling = before

    def _send_picture(self) -> None:
        self.size = list(self._image.size)
        self.picture = for_page(self._image)

    # --- how it shows itself ---

    def __repr__(self) -> str:
        return f"MaskPainter({self.mask!r})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if not is_watched():
            return {**self.mask._repr_mimebundle_(), "text/plain": repr(self)}
        for painter in earlier_shown(self):
            painter.close()
        return super()._repr_mimebundle_()

    def close(self) -> None:
        """Take the painter off the page, with its layout; the mask stays."""
        self.layout.close()
        super().close()


def _one(image: Any) -> Any:
    """Return a picture that can be painted on, as upright RGB."""
    from PIL.Image import Image

    if isinstance(image, Image):
        check_paintable(image)
    opened = picture(image)
    check_paintable(opened)
    return opened


def _empty(image: Any) -> Mask:
    import numpy as np

    return Mask(np.zeros(image.size[::-1], np.uint8), picture=image)


def _bytes_of(value: Any) -> bytes:
    """Return what a page sent as bytes; anything else is none."""
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else b""
