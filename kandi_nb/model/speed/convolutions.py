"""Small convolutions without oneDNN, and a depth hint that is read once."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Numbers in the matrix that a convolution is written as (input × kernel). Measured on two AVX2
# cores, where oneDNN brings the weights into its own order at every call: below this, two
# samples take 0.46 to 0.78 of the time without it, above it as long or longer.
MOST_NUMBERS = 2**17


def ease(model: torch.nn.Module, device: str = "cpu") -> None:
    """Let a UNet's small convolutions on x86 processors go without oneDNN, in place.

    PyTorch does so by itself for a single small picture; guidance makes a batch of two of it.
    Weights, their names and results (but for rounding) stay as they are, and what is large,
    of another number format than float32 or elsewhere than on the CPU goes its usual way.
    Weights kept in oneDNN's own order were tried: a convolution that is called again and again
    takes 0.6 of the time, but the UNets, whose weights fill no cache, take as long as before.
    The network that reads the hint of depth control does so once, not at every step.
    """
    import torch

    hint = getattr(getattr(model, "add_embedding", None), "input_hint_block", None)
    if hint is not None:
        hint.forward = _Once(hint.forward)
    if not device.startswith("cpu") or not torch.backends.mkldnn.is_available():
        return
    if platform.machine().lower() not in ("x86_64", "amd64"):  # not measured
        return
    for part in model.modules():
        # Not its subclasses: they may have a forward of their own.
        if type(part) is torch.nn.Conv2d and _is_plain(part):
            part.__class__ = _eased_class()


class _Once:
    """Hold what a network made of its latest input, for when it is given the same again.

    Its weights are taken as fixed, except where gradients are wanted.
    """

    def __init__(self, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.forward = forward
        self.latest: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(self, given: torch.Tensor) -> torch.Tensor:
        import torch

        if torch.is_grad_enabled():
            return self.forward(given)
        if self.latest is None or not _same(self.latest[0], given):
            self.latest = given.clone(), self.forward(given)
        return self.latest[1]


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Compare values: a caller may write the next hint into the same tensor."""
    import torch

    alike = one.dtype == other.dtype and one.device == other.device
    return alike and torch.equal(one, other)


def _is_plain(part: torch.nn.Conv2d) -> bool:
    return (
        part.groups == 1
        and part.dilation == (1, 1)
        and part.padding_mode == "zeros"
        and not isinstance(part.padding, str)
    )


@cache
def _eased_class() -> type:
    """Return the class, made when torch is there: nothing is imported with this module."""
    import torch

    class EasedConv2d(torch.nn.Conv2d):
        def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
            area = weight.shape[2] * weight.shape[3]
            small = input.numel() * area <= MOST_NUMBERS
            plain = input.device.type == "cpu" and input.dtype == torch.float32 == weight.dtype
            # A kernel of one place is a multiplication of matrices whatever the way.
            if small and plain and area > 1 and input.dim() == 4:
                if weight.requires_grad and torch.is_grad_enabled():
                    input = input.contiguous()  # else its gradient of weights is refused
                return torch.ops.aten.thnn_conv2d(
                    input, weight, self.kernel_size, bias, self.stride, self.padding
                )
            return super()._conv_forward(input, weight, bias)

    return EasedConv2d
