"""A KV cache of the text that a prior reads before all else: at the first step, not again.

A prior reads text, pooled text, time, embedding and a last place where the answer stands, and
each place sees only those before it. So what all layers make of the text is the same at every
step: three places are left to compute, as in a language model that has read its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .attention import is_plain
from .conditioning_cache import MOST_BYTES, is_watched

if TYPE_CHECKING:
    import torch

NEW = 3  # places that differ from step to step: time, embedding, answer


@dataclass
class KeysAndValues:
    """Hold what was read: keys and values of each layer, [rows, heads, places, width].

    Their last places are those of the present step. `mask`, [rows, 1, places, places], is added
    to what looks at what, and `positions`, [1, 3, width], to the new places.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    mask: torch.Tensor
    positions: torch.Tensor


class PriorKVCache:
    """Hold keys and values of texts in a block of `kv_cached_texts`, and nothing outside."""

    def __init__(self) -> None:
        self.begun = False
        self.text: KeysAndValues | None = None


@contextmanager
def kv_cached_texts(prior: Any) -> Iterator[None]:
    """Let a prior read its texts once in the block, in which all calls are given the same.

    A prior of another class, or one in whose layers somebody looks on, goes its usual way.
    """
    cache = getattr(prior, "kv_cache", None)
    if cache is None:
        yield
        return
    cache.begun, cache.text = True, None
    try:
        yield
    finally:
        cache.begun, cache.text = False, None


def predicted_embedding(prior: Any, embedding: Any, timestep: Any, **told: Any) -> Any | None:
    """Return the embedding that a prior predicts at a step, [rows, width]; None if it cannot.

    `told` is what the pipelines say besides: `proj_embedding`, `encoder_hidden_states` and
    `attention_mask`.
    """
    cache = prior.kv_cache
    if cache.begun:
        cache.begun = False
        if _can(prior, **told):
            cache.text = _read_text(prior, **told)
    if cache.text is None:
        return None
    return _answer_of(prior, cache.text, embedding, timestep)


def _can(
    prior: Any, proj_embedding: Any, encoder_hidden_states: Any, attention_mask: Any
) -> bool:
    """Tell whether a prior is made as those of 2.1 and 2.2 are, and what it reads is small."""
    import torch
    from diffusers.models.attention import BasicTransformerBlock

    if torch.is_grad_enabled() or prior.training:
        return False
    if encoder_hidden_states is None or attention_mask is None:
        return False
    plain = (
        prior.prd_embedding is not None
        and prior.norm_in is None
        and prior.embedding_proj_norm is None
        and prior.encoder_hidden_states_proj is not None
        and prior.positional_embedding.shape[1] == attention_mask.shape[1] + NEW + 1
    )
    if not plain or any(is_watched(m) for child in prior.children() for m in child.modules()):
        return False
    for block in prior.transformer_blocks:
        if type(block) is not BasicTransformerBlock or not _is_plain_block(block):
            return False
    width = prior.config.num_attention_heads * prior.config.attention_head_dim
    numbers = attention_mask.numel() * 2 * width * len(prior.transformer_blocks)
    return numbers * encoder_hidden_states.dtype.itemsize <= MOST_BYTES


def _is_plain_block(block: Any) -> bool:
    return (
        block.norm_type == "layer_norm"
        and block.attn2 is None
        and block.pos_embed is None
        and block._chunk_size is None
        and is_plain(block.attn1)
        and block.attn1.group_norm is None
        and not block.attn1.residual_connection
    )


def _read_text(
    prior: Any, proj_embedding: Any, encoder_hidden_states: Any, attention_mask: Any
) -> KeysAndValues:
    """Read texts and pooled texts through all layers; places that no text has are left out."""
    import torch

    places, used = attention_mask.shape[1], attention_mask.any(0).nonzero()
    kept = int(used[-1]) + 1 if len(used) else places
    position = prior.positional_embedding.to(encoder_hidden_states.dtype)
    text = prior.encoder_hidden_states_proj(encoder_hidden_states[:, :kept])
    pooled = prior.embedding_proj(proj_embedding)[:, None]  # [rows, 1, width]
    rows = torch.cat([text, pooled], 1)  # [rows, kept + 1, width]
    rows = rows + torch.cat([position[:, :kept], position[:, places : places + 1]], 1)
    end = kept + 1 + NEW
    unread = (1 - attention_mask[:, :kept].to(rows.dtype)) * -10000.0  # [rows, kept]
    unread = torch.nn.functional.pad(unread, (0, end - kept))  # [rows, end]
    causal = prior.causal_attention_mask[:, :end, :end].to(rows.dtype)  # [1, end, end]
    mask = (unread[:, None] + causal)[:, None]  # [rows, 1, end, end]
    held = KeysAndValues([], [], mask[:, :, -NEW:], position[:, places + 1 :])
    for block in prior.transformer_blocks:
        query, key, value = _heads(block, rows)
        for kept_of, new in ((held.keys, key), (held.values, value)):
            kept_of.append(torch.nn.functional.pad(new, (0, 0, 0, NEW)))
        rows = _block(block, rows, query, key, value, mask[:, :, :-NEW, :-NEW])
    return held


def _answer_of(prior: Any, text: KeysAndValues, embedding: Any, time: Any) -> Any:
    """Take the three new places through all layers; return what the last one says."""
    import torch

    time = torch.as_tensor(time, device=embedding.device).reshape(1)
    moment = prior.time_embedding(prior.time_proj(time).to(embedding.dtype))  # [1, width]
    rows = torch.cat(
        [
            moment.expand(len(embedding), -1)[:, None],
            prior.proj_in(embedding)[:, None],
            prior.prd_embedding.to(embedding.dtype).expand(len(embedding), -1, -1),
        ],
        1,
    )  # [rows, 3, width]
    rows = rows + text.positions
    for block, keys, values in zip(
        prior.transformer_blocks, text.keys, text.values, strict=True
    ):
        query, key, value = _heads(block, rows)
        keys[:, :, -NEW:], values[:, :, -NEW:] = key, value
        rows = _block(block, rows, query, keys, values, text.mask)
    return prior.proj_to_clip_embeddings(prior.norm_out(rows[:, -1]))


def _heads(block: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Return queries, keys and values of some places, [rows, heads, places, width] each."""
    attention, normed = block.attn1, block.norm1(rows)
    return tuple(
        layer(normed).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for layer in (attention.to_q, attention.to_k, attention.to_v)
    )


def _block(block: Any, rows: Any, query: Any, keys: Any, values: Any, mask: Any) -> Any:
    """Take rows [rows, places, width] through the rest of a layer, with what `_heads` made."""
    import torch.nn.functional as F

    mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    rows = rows + block.attn1.to_out[0](mixed.transpose(1, 2).flatten(2))
    return rows + block.ff(block.norm3(rows))
