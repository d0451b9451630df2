"""MoVQ's norms in place: less memory for the same pixels."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


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
