"""Convolutions of few numbers, done without oneDNN, which only pays off for more."""

from __future__ import annotations

import platform
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Numbers in the matrix that a convolution is written as (input × kernel). Measured on two AVX2
# cores, where oneDNN brings the weights into its own order at every call: below this, two
# samples take 0.46 to 0.78 of the time without it, above it as long or longer.
MOST_NUMBERS = 2**17


def ease(model: torch.nn.Module, device: str = "cpu") -> None:
    """Let a model's small convolutions on x86 processors go without oneDNN, in place.

    PyTorch does so by itself for a single small picture; guidance makes a batch of two of it.
    Weights, their names and results (but for rounding) stay as they are, and what is large,
    of another number format than float32 or elsewhere than on the CPU goes its usual way.
    """
    import torch

    if not device.startswith("cpu") or not torch.backends.mkldnn.is_available():
        return
    if platform.machine().lower() not in ("x86_64", "amd64"):  # not measured
        return
    for part in model.modules():
        # Not its subclasses: they may have a forward of their own.
        if type(part) is torch.nn.Conv2d and _is_plain(part):
            part.__class__ = _eased()


def _is_plain(part: torch.nn.Conv2d) -> bool:
    return (
        part.groups == 1
        and part.dilation == (1, 1)
        and part.padding_mode == "zeros"
        and not isinstance(part.padding, str)
    )


@cache
def _eased() -> type:
    """Return the class, made when torch is there: nothing is imported with this module."""
    import torch

    class EasedConv2d(torch.nn.Conv2d):
        def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
            small = input.numel() * weight.shape[2] * weight.shape[3] <= MOST_NUMBERS
            plain = input.device.type == "cpu" and input.dtype == torch.float32 == weight.dtype
            if small and plain and input.dim() == 4:
                return torch.ops.aten.thnn_conv2d(
                    input, weight, self.kernel_size, bias, self.stride, self.padding
                )
            return super()._conv_forward(input, weight, bias)

    return EasedConv2d
