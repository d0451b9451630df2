"""Numbers that are none (NaN, infinity): found before they become a black picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError
from .pipelines import picture_decoder

if TYPE_CHECKING:
    import torch

PAGE = "docs/troubleshooting.md#colours"  # black pictures are among them


def not_finite(network: torch.nn.Module) -> str | None:
    """Return the name of the first weight that is not finite, None when all are.

    Reads each weight once, where it is.
    """
    import torch

    for name, weight in network.state_dict().items():
        # A sum is finite if all its numbers are, and needs no memory beside them.
        if weight.is_meta or weight.sum(dtype=torch.float32).isfinite():
            continue
        if not weight.isfinite().all():
            return name
    return None


def check_finite(numbers: torch.Tensor, pipeline: Any, what: str) -> None:
    """Raise KandiError, with the component at fault, when a pipeline's output is not finite."""
    import torch

    if numbers.isfinite().all():
        return
    for component, network in pipeline.components.items():
        if isinstance(network, torch.nn.Module) and (weight := not_finite(network)):
            raise KandiError(
                f"{what} is not made of finite numbers, as weights of the {component} are not "
                f"({weight}); load the model again, or download it anew; see {PAGE}"
            )
    dtype = str(numbers.dtype).removeprefix("torch.")
    remedy = "take other weights" if dtype == "float32" else 'load it with dtype="float32"'
    raise KandiError(f"{what} is not made of finite numbers in {dtype}; {remedy}; see {PAGE}")


@contextmanager
def checked_pixels(pipeline: Any) -> Iterator[None]:
    """Check latents that a decoder's MoVQ is given, and the pixels that it makes of them."""

    def before(part: Any, args: tuple) -> None:
        check_finite(args[0], pipeline, "what the UNet drew")

    def after(part: Any, args: tuple, pixels: torch.Tensor) -> None:
        check_finite(pixels, pipeline, "the picture that MoVQ decoded")

    movq = picture_decoder(pipeline)
    hooks = [
        movq.post_quant_conv.register_forward_pre_hook(before),
        movq.decoder.register_forward_hook(after),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
