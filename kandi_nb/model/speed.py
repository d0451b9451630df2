"""The same pixels for less work: convolutions, a depth hint, padded texts, MoVQ's norms."""

from __future__ import annotations

import copy
import functools
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
            part.__class__ = _eased()


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


def skip_padding(prior: Any) -> None:
    """Let a PriorTransformer work on the tokens that texts have, not on all 77 places.

    The pipelines fill every text up to 77 tokens and mask the rest, so that nothing looks at
    it; yet it is most of the work. From now on places that are masked in all texts of a call
    are left out, together with their positional embeddings. Only rounding changes. Calls with
    gradients, or without a mask, go their usual way. The prior itself stays as it is, whatever
    ends a call.
    """
    prior.__class__ = _skipping(type(prior))


@cache
def _skipping(usual: type) -> type:
    """Return a prior's class with a forward of its own, under the name that is saved."""

    @functools.wraps(usual.forward)
    def forward(self: Any, *args: Any, **named: Any) -> Any:
        network, less = _short(self, named)
        return usual.forward(network, *args, **named | less)

    names = {"forward": forward, "__module__": usual.__module__, "__doc__": usual.__doc__}
    return type(usual.__name__, (usual,), names)


def _short(prior: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return what does the work, and the inputs that are cut for it."""
    import torch

    mask, states = named.get("attention_mask"), named.get("encoder_hidden_states")
    if mask is None or states is None or torch.is_grad_enabled():
        return prior, {}
    places, used = mask.shape[1], mask.any(0).nonzero()
    kept = int(used[-1]) + 1 if len(used) else places
    # The embeddings of the text and of the time, what is sought, and where it is read.
    behind = prior.positional_embedding.shape[1] - places
    if kept == places or behind <= 0:
        return prior, {}
    less = {"attention_mask": mask[:, :kept], "encoder_hidden_states": states[:, :kept]}
    return without_places(prior, kept, places), less


def without_places(prior: Any, kept: int, places: int) -> Any:
    """Return a second prior on the same weights, with the first places of the text alone.

    A copy, because the prior itself would have to be mended after an interrupt, which may come
    at any line, while it is being mended too.
    """
    import torch

    position, causal = prior.positional_embedding, prior.causal_attention_mask
    short = torch.cat([position[:, :kept], position[:, places:]], dim=1)
    end = short.shape[1]
    network = copy.copy(prior)
    network._parameters = prior._parameters | {
        "positional_embedding": torch.nn.Parameter(short, requires_grad=False)
    }
    network._buffers = prior._buffers | {"causal_attention_mask": causal[:, :end, :end]}
    return network


def norm_in_place(movq: torch.nn.Module) -> None:
    """Let a MoVQ's spatial norms work in their own result, in place.

    Decoding holds five maps of a layer's size at its worst moment, and three from now on. The
    arithmetic and its order stay, so the pixels do, too. Calls with gradients go their usual
    way.
    """
    from diffusers.models.attention_processor import SpatialNorm

    for part in movq.modules():
        if type(part) is SpatialNorm:
            part.__class__ = _norm_class()


@cache
def _norm_class() -> type:
    """Return the class, made when diffusers is there: nothing is imported with this module."""
    import torch
    from diffusers.models.attention_processor import SpatialNorm

    class InPlaceSpatialNorm(SpatialNorm):
        def forward(self, f: Any, zq: Any) -> Any:
            if torch.is_grad_enabled():
                return super().forward(f, zq)
            zq = torch.nn.functional.interpolate(zq, size=f.shape[-2:], mode="nearest")
            result = self.norm_layer(f)
            result.mul_(self.conv_y(zq))
            return result.add_(self.conv_b(zq))

    return InPlaceSpatialNorm
