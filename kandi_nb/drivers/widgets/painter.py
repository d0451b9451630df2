"""`mask_painter`: a brush for masks, in a notebook; what it paints is what is repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError
from ...words.extras import check_extra

if TYPE_CHECKING:
    from ipywidgets import DOMWidget


def mask_painter(image: Any, *, mask: Any = None, feather: float = 0) -> DOMWidget:
    """Make a brush for masks, which shows itself in a notebook: what is red is repainted.

    `image`: what `kn.inpaint` takes, one picture. `painter.mask` is the `kn.Mask`, at any time;
    set it to begin from another, `mask=` does so at once. `feather` softens the border by so
    many pixels, and shows how far. `painter.image` can be set, too: a picture of the same size
    keeps the mask. `painter.observe(f, "mask")` calls f after each stroke; `close()` takes the
    painter off the page. Where nobody watches, as in a notebook that is run without a browser,
    it shows its mask. Raises KandiError.
    """
    if isinstance(image, (list, tuple)):
        raise KandiError("mask_painter takes one picture; make a painter for each of a list")
    check_extra("notebook", "the mask painter", "ipywidgets", "anywidget")
    from .painter_widget import MaskPainter

    return MaskPainter(image, mask=mask, feather=feather)
