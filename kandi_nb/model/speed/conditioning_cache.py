"""What a UNet would compute anew at each step of a run: once, before the first of them.

The embeddings of the times, what each layer makes of them, and the keys and values of texts and
pictures depend on the run alone. Two rows and a small matrix take as long as reading its
weights, so of one small picture they are a fifth of the time. Only rounding changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MOST_BYTES = 2**28  # of what is kept for a run; beyond that each step computes its own


class ConditioningCache:
    """Hold what is constant in one run of steps of one UNet, and nothing between runs.

    `now`, [rows, sum of widths], is what the layers make of the time of the present step, side
    by side, and `texts`, [rows, tokens, sum of widths], what they make of texts and pictures;
    `places` says where a layer finds its own. `mask`, [rows, 1, 1, tokens], is added where
    texts are read, None where all of them count.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the run."""
        self.places: dict[Any, int] = {}
        self.quick: set[Any] = set()
        self.timesteps: torch.Tensor | None = None
        self.number = 0
        self.begun = False  # whether the first call of the run has been
        self.rows: torch.Tensor | None = None  # `now` of all steps
        self.now: Any = None
        self.texts: Any = None
        self.mask: torch.Tensor | None = None
        self.whole: dict[str, Any] = {}  # what the UNet itself needs, by its own names
        self.traced: Any = None  # what records the calls of the UNet, if anything does
        self.recorded: bool | None = None  # None until it is known whether it may be

    @property
    def is_filled(self) -> bool:
        """Tell whether a run is under way of which everything is known."""
        return self.now is not None

    def at(self, number: int) -> None:
        """Go to a step, counted from 0."""
        self.number = number
        if self.rows is not None:
            self.now = self.rows[number]

    def fill(
        self,
        times: list[tuple[Any, torch.Tensor]],
        texts: list[tuple[Any, torch.Tensor]],
        mask: torch.Tensor | None = None,
    ) -> None:
        """Take in (layer, [steps, rows, width]) and (layer, [rows, tokens, width]) of all."""
        import torch

        for parts in (times, texts):
            start = 0
            for layer, part in parts:
                self.places[layer] = start
                start += part.shape[-1]
        self.rows = torch.cat([part for _, part in times], -1)  # [steps, rows, widths]
        self.texts = torch.cat([part for _, part in texts], -1) if texts else self.rows[:0]
        self.mask = mask
        self.at(self.number)

    def scale_and_shift(self, layer: Any, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a norm is multiplied by, and what is added: [rows, width, 1, 1]."""
        start = self.places[layer]
        part = self.now[:, start : start + 2 * width, None, None]  # [rows, 2 width, 1, 1]
        return part[:, :width], part[:, width:]

    def keys_and_values(
        self, layer: Any, width: int, heads: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return those of the texts for an attention: [rows, heads, tokens, width / heads]."""
        start = self.places[layer]
        part = self.texts[..., start : start + 2 * width]  # [rows, tokens, 2 width]
        keys, values = part.unflatten(-1, (2, heads, -1)).permute(2, 0, 3, 1, 4)
        return keys, values


@contextmanager
def cached_conditioning(
    unet: Any, timesteps: torch.Tensor, apart: bool = False, traced: Any = None
) -> Iterator[Callable[[int], None]]:
    """Tell a UNet the times of a run, so that it computes once what is constant.

    Yields what to call with the number of each step before it. All calls in the block must be
    told the same beside the latents. A UNet that does not know how, or is to take each call
    `apart`, goes its usual way. `traced` records its calls.
    """
    cache = None if apart else getattr(unet, "conditioning", None)
    if not isinstance(cache, ConditioningCache):
        yield lambda number: None
        return
    cache.clear()
    cache.timesteps, cache.traced = timesteps, traced
    try:
        yield cache.at
    finally:
        cache.clear()


def may_fill(unet: Any, row_count: int, widths: int, dtype: torch.dtype) -> bool:
    """Tell whether the first call of a run is to fill the tables of a UNet.

    `widths`: numbers of a row at each step. Not with gradients, in training, with a table that
    is too large, or where somebody looks into the layers, who would miss what is left out.
    """
    import torch

    cache = unet.conditioning
    if cache.timesteps is None or cache.begun:
        return False
    cache.begun = True
    if torch.is_grad_enabled() or unet.training:
        return False
    size = len(cache.timesteps) * row_count * widths * dtype.itemsize
    return size <= MOST_BYTES and not any(map(is_watched, _layers(unet)))


def _layers(unet: Any) -> Iterator[Any]:
    """Return the layers that run at each step; the others run once in any case."""
    for name, child in unet.named_children():
        if name not in ("add_time_condition", "add_embedding", "encoder_hid_proj"):
            yield from child.modules()


def is_watched(layer: Any) -> bool:
    """Tell whether hooks hang on a layer, or what offloading puts in their place."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or "forward" in layer.__dict__)
