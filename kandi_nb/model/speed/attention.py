"""Attention without what repeats: texts read once a run, and no copies that nobody needs."""

from __future__ import annotations

from functools import cache
from typing import Any


def is_plain(layer: Any) -> bool:
    """Tell whether an Attention does what those of 2.x and 3 do, and nothing else."""
    from diffusers.models import attention_processor as known

    processors = (known.AttnAddedKVProcessor2_0, known.AttnProcessor2_0)
    return (
        type(layer.processor) in processors
        and not layer.only_cross_attention
        and layer.spatial_norm is None
        and layer.norm_q is None
        and layer.norm_k is None
        and layer.rescale_output_factor == 1
        and not layer.training
    )


def texts_of(layer: Any, states: Any) -> Any:
    """Return keys and values of what an attention is told, [rows, tokens, 2 × width]."""
    import torch

    if layer.norm_cross:
        states = layer.norm_encoder_hidden_states(states)
    added = getattr(layer, "add_k_proj", None) is not None
    keys = layer.add_k_proj if added else layer.to_k
    values = layer.add_v_proj if added else layer.to_v
    return torch.cat([keys(states), values(states)], -1)


@cache
def quick_attention(usual: Any) -> Any:
    """Return the class, made when diffusers is there: nothing is imported with this module."""
    import torch
    import torch.nn.functional as F

    def forward(
        self: Any,
        hidden_states: Any,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        **more: Any,
    ) -> Any:
        cache = self.conditioning
        if not cache.is_filled or more or self not in cache.quick:
            return usual.forward(
                self, hidden_states, encoder_hidden_states, attention_mask, **more
            )
        reads_texts = self in cache.places
        flat = hidden_states
        if hidden_states.dim() == 4:  # 2.x, which norms in here and adds to what it was given
            flat = self.group_norm(hidden_states.flatten(2)).transpose(1, 2)  # [n, h w, c]
        # One copy in the order that three multiplications want, not three.
        flat = flat.contiguous()
        heads = self.heads
        query = self.to_q(flat).unflatten(-1, (heads, -1)).transpose(1, 2)  # [n, heads, h w, c]
        width = query.shape[1] * query.shape[3]
        mask = None
        if reads_texts:
            keys, values = cache.keys_and_values(self, width, heads)
            mask = cache.mask
        if not reads_texts or hidden_states.dim() == 4:
            own_keys = self.to_k(flat).unflatten(-1, (heads, -1)).transpose(1, 2)
            own_values = self.to_v(flat).unflatten(-1, (heads, -1)).transpose(1, 2)
            if reads_texts:
                keys = torch.cat([keys, own_keys], 2)  # [n, heads, tokens + h w, c]
                values = torch.cat([values, own_values], 2)
            else:
                keys, values = own_keys, own_values
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        mixed = self.to_out[0](mixed.transpose(1, 2).flatten(2))  # [n, h w, c]
        if hidden_states.dim() == 4:
            return hidden_states + mixed.transpose(1, 2).reshape(hidden_states.shape)
        return mixed

    names = {"forward": forward, "__module__": usual.__module__, "__doc__": usual.__doc__}
    return type(usual.__name__, (usual,), names)
