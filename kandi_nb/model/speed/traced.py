"""Calls recorded once and repeated without Python between them: an opt-in, for the same pixels.

On the CPU by `torch.jit.trace`, as long as torch has it, on a card by a CUDA graph; "compiled"
lets torch.compile fuse what the calls do, before they are recorded.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..caches import LRUCache

if TYPE_CHECKING:
    import torch

KEPT = 4  # recordings: one for each number of rows, size and length of texts
_WARM_UP = 3  # calls before a card records: libraries choose their ways in them


class Traced:
    """Hold the recordings of one UNet; `compiled` has torch.compile make them."""

    def __init__(self, compiled: bool = False) -> None:
        self.compiled = compiled
        self.kept: LRUCache = LRUCache(KEPT)

    def __call__(self, unet: Any, usual: Any, sample: Any, named: dict[str, Any]) -> Any:
        """Return what the UNet predicts at the present step, its tables being filled."""
        cache = unet.conditioning
        inputs = [sample, cache.now, cache.texts]
        inputs += [] if cache.mask is None else [cache.mask]
        key = (*((tuple(one.shape), one.dtype) for one in inputs), _addresses(unet))
        if key not in self.kept:
            self.kept[key] = self._record(unet, usual, inputs, named)
        return self.kept[key](*inputs)

    def _record(self, unet: Any, usual: Any, inputs: list[Any], named: dict[str, Any]) -> Any:
        import torch

        whole = _whole_network(unet, usual, named)
        if self.compiled:
            whole = torch.compile(whole, dynamic=False)
        if inputs[0].is_cuda:
            return _graph(whole, inputs)
        if self.compiled:
            return whole
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is fixed in a trace: shapes, see the key
            return torch.jit.trace(whole, tuple(inputs), check_trace=False)


def can_record(unet: Any) -> bool:
    """Tell whether a run may be recorded: not where something besides changes with the run.

    A depth map goes into the network beside the latents, and adapters have a scale that is a
    number of Python.
    """
    if isinstance(unet.conditioning.whole.get("aug_emb"), tuple):
        return False
    return not any(type(part).__module__.startswith("peft") for part in unet.modules())


def compiler() -> str | None:
    """Return the C compiler that torch.compile would call, None without one."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang", "cl"))), None)


def _addresses(unet: Any) -> tuple[int, ...]:
    """Return where the weights lie: a recording of others would read what is gone."""
    return tuple(weight.data_ptr() for weight in unet.parameters())


def _whole_network(unet: Any, usual: Any, named: dict[str, Any]) -> torch.nn.Module:
    """Return a UNet as a function of tensors alone: latents, and what is known of the step."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = unet  # so that its weights are this module's

        def forward(self, sample: Any, now: Any, told: Any, mask: Any = None) -> Any:
            cache = unet.conditioning
            cache.now, cache.texts, cache.mask = now, told, mask
            # Any time, as the embedding of it is known. A tensor: a card records no copy to it.
            time = sample.new_zeros(1)
            return usual.forward(unet, sample, time, **{**named, "return_dict": False})[0]

    return Whole().eval()


def _graph(whole: Callable[..., Any], inputs: list[Any]) -> Callable[..., Any]:
    """Record a CUDA graph; the tensors of a call are copied to where it reads."""
    import torch

    held = [one.clone() for one in inputs]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            whole(*held)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        predicted = whole(*held)

    def repeat(*inputs: Any) -> Any:
        for place, one in zip(held, inputs, strict=True):
            place.copy_(one)
        graph.replay()
        return predicted.clone()

    return repeat
