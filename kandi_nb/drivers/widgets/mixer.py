"""`mixer`: weights to drag, and the picture of the mixture that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...words.bounds import whole
from ...words.extras import check_extra
from ...words.params import Params
from .mixing import Blend

if TYPE_CHECKING:
    from ipywidgets import DOMWidget

QUICK = 6  # steps while somebody drags


def mixer(
    k: Kandinsky,
    items: Any,
    *,
    weights: Sequence[float] | None = None,
    params: Params | None = None,
    how: str = "mean",
    quick: int = QUICK,
) -> DOMWidget:
    """Make weights to drag between two to eight items, which show themselves in a notebook.

    `items` are what `kn.mix` takes; two make a line, three a triangle, four a square with a
    point to drag, and each item has a slider. The picture follows: with `quick` steps while one
    drags, with all when one lets go. `mixer.weights` (shares with the sum 1) and `mixer.params`
    can be read and set, `mixer.embedding` is the mixture, `mixer.result` what was drawn last
    with all steps, and `mixer.run()` draws that now. At its corners stands what each item is
    alone. `close()` takes the mixer off the page. Where nobody watches, nothing is drawn
    unasked. Raises KandiError.
    """
    blend = Blend(k, items, how)
    whole("quick", quick, 2, says="quick is a number of steps from 2")
    check_extra("notebook", "the mixer", "ipywidgets", "anywidget")
    from .mixer_widget import Mixer, single_params

    return Mixer(blend, blend.shares(weights), single_params(params or Params()), quick)
