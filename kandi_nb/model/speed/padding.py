"""A prior on the tokens that texts have, not on the places that they are padded to."""

from __future__ import annotations

import copy
import functools
from functools import cache
from typing import Any

from .prior_kv_cache import PriorKVCache, predicted_embedding


def skip_padding(prior: Any) -> None:
    """Let a PriorTransformer work on the tokens that texts have, not on all 77 places.

    The pipelines fill every text up to 77 tokens and mask the rest, so that nothing looks at
    it; yet it is most of the work. From now on places that are masked in all texts of a call
    are left out, together with their positional embeddings. Only rounding changes. Calls with
    gradients, or without a mask, go their usual way. The prior itself stays as it is, whatever
    ends a call. In a block of `kv_cached_texts` it reads texts once.
    """
    usual: Any = type(prior)
    prior.__class__ = _skipping(usual)
    prior.kv_cache = PriorKVCache()


# What the pipelines tell a prior beside the embedding so far.
TOLD = {"timestep", "proj_embedding", "encoder_hidden_states", "attention_mask"}


@cache
def _skipping(usual: Any) -> Any:
    """Return a prior's class with a forward of its own, under the name that is saved."""

    from diffusers.models.transformers.prior_transformer import PriorTransformerOutput

    @functools.wraps(usual.forward)
    def forward(self: Any, *args: Any, **named: Any) -> Any:
        cached = self.kv_cache.begun or self.kv_cache.text
        if cached and len(args) == 1 and named.keys() >= TOLD:
            embedding = predicted_embedding(self, *args, **named)
            if embedding is not None:
                return PriorTransformerOutput(predicted_image_embedding=embedding)
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
