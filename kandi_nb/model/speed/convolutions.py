"""Small convolutions by what is quickest on a CPU, and a depth hint that is read once."""

from __future__ import annotations

import platform
import weakref
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Numbers in the matrix that a convolution is written as (input × kernel). Measured on two AVX2
# cores, where oneDNN brings the weights into its own order at every call: below this, two
# samples take 0.46 to 0.78 of the time without it, above it as long or longer.
MOST_NUMBERS = 2**17
# Below this calls are all there is, and those of oneDNN take longer: 89 µs against 42.
FEW_NUMBERS = 2**13
# Numbers of a weight that is kept in oneDNN's order beside its own. Then a convolution takes
# 0.55 to 0.85 of the time of either way, one picture or sixteen; the bundled models have some
# 20 MB of such weights, and those of the published ones are larger and left alone.
MOST_WEIGHTS = 2**19
_SHAPES = 4  # of inputs for which an order is kept


def ease(model: torch.nn.Module, device: str = "cpu") -> None:
    """Let a UNet's small convolutions on x86 processors keep their weights in oneDNN's order.

    Or go without it: PyTorch does so by itself for a single small picture, and guidance makes a
    batch of two of it. Weights, their names and results (but for rounding) stay as they are,
    and what is large, of another number format than float32 or elsewhere than on the CPU goes
    its usual way. The network that reads the hint of depth control does so once, not at every
    step.
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
            part.__class__ = _eased()
            part.ordered = _Ordered()


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


class _Ordered:
    """Hold a weight in oneDNN's order, for the latest shapes of inputs; a copy begins empty."""

    def __init__(self) -> None:
        self.weight: Callable[[], Any] = lambda: None
        self.version = -1
        self.of_shape: dict[tuple[int, ...], Any] = {}

    def __deepcopy__(self, memo: Any) -> _Ordered:
        return _Ordered()

    def for_input(self, part: torch.nn.Conv2d, input: torch.Tensor) -> torch.Tensor:
        weight = part.weight
        if self.weight() is not weight or self.version != weight._version:
            self.weight, self.version = weakref.ref(weight), weight._version
            self.of_shape = {}
        shape = tuple(input.shape)
        if shape not in self.of_shape:
            import torch

            if len(self.of_shape) == _SHAPES:
                self.of_shape.pop(next(iter(self.of_shape)))
            self.of_shape[shape] = torch._C._nn.mkldnn_reorder_conv2d_weight(
                weight.to_mkldnn(), part.padding, part.stride, part.dilation, 1, shape
            )
        return self.of_shape[shape]


@cache
def orders() -> bool:
    """Tell whether this build of torch has what keeps weights in order, and it works."""
    import torch

    part = torch.nn.Conv2d(16, 16, 3, padding=1)
    input = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            quick = _in_order(part, input, part.bias, _Ordered().for_input(part, input))
            return torch.allclose(quick, part(input), atol=1e-4)
    except (RuntimeError, AttributeError, NotImplementedError, TypeError):
        return False


def _in_order(part: Any, input: Any, bias: Any, ordered: Any) -> Any:
    import torch

    return torch.ops.mkldnn._convolution_pointwise(
        input, ordered, bias, part.padding, part.stride, part.dilation, 1, "none", [], ""
    )


@cache
def _eased() -> type:
    """Return the class, made when torch is there: nothing is imported with this module."""
    import torch

    class EasedConv2d(torch.nn.Conv2d):
        def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
            area = weight.shape[2] * weight.shape[3]
            # A kernel of one place is a multiplication of matrices whatever the way.
            if area > 1 and input.dim() == 4 and _is_plain_call(input, weight):
                numbers = input.numel() * area
                if numbers > FEW_NUMBERS and _may_order(weight):
                    ordered = self.ordered.for_input(self, input)
                    return _in_order(self, input, bias, ordered)
                if numbers <= MOST_NUMBERS:
                    return torch.ops.aten.thnn_conv2d(
                        input, weight, self.kernel_size, bias, self.stride, self.padding
                    )
            return super()._conv_forward(input, weight, bias)

    return EasedConv2d


def _is_plain_call(input: Any, weight: Any) -> bool:
    import torch

    return input.device.type == "cpu" and input.dtype == torch.float32 == weight.dtype


def _may_order(weight: Any) -> bool:
    import torch

    fixed = not torch.is_grad_enabled() and not weight.is_inference()
    return fixed and weight.numel() <= MOST_WEIGHTS and not torch.jit.is_tracing() and orders()
