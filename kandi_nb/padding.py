"""The prior without the padding behind short texts."""

from __future__ import annotations

from typing import Any


def skip_padding(prior: Any) -> None:
    """Let a PriorTransformer work on the tokens that texts have, not on all 77 places.

    The pipelines fill every text up to 77 tokens and mask the rest, so that nothing looks at
    it; yet it is most of the work. From now on places that are masked in all texts of a call
    are left out, together with their positional embeddings. Only rounding changes. Calls with
    gradients, or without a mask, go their usual way. One call at a time: see `Kandinsky.lock`.
    """
    skip = _Skip()
    prior.register_forward_pre_hook(skip.before, with_kwargs=True)
    prior.register_forward_hook(skip.after, always_call=True)


class _Skip:
    """Hold a prior's whole positional embedding and causal mask while it works on less."""

    def __init__(self) -> None:
        self.whole: tuple[Any, Any] | None = None

    def before(self, prior: Any, args: tuple, named: dict) -> tuple[tuple, dict] | None:
        import torch

        mask, states = named.get("attention_mask"), named.get("encoder_hidden_states")
        if mask is None or states is None or torch.is_grad_enabled():
            return None
        places, used = mask.shape[1], mask.any(0).nonzero()
        kept = int(used[-1]) + 1 if len(used) else places
        # The embeddings of the text and of the time, what is sought, and where it is read.
        behind = prior.positional_embedding.shape[1] - places
        if kept == places or behind <= 0:
            return None
        self.whole = prior.positional_embedding, prior.causal_attention_mask
        position, causal = self.whole
        short = torch.cat([position[:, :kept], position[:, places:]], dim=1)
        prior.positional_embedding = torch.nn.Parameter(short, requires_grad=False)
        prior.causal_attention_mask = causal[:, : kept + behind, : kept + behind]
        less = {"attention_mask": mask[:, :kept], "encoder_hidden_states": states[:, :kept]}
        return args, named | less

    def after(self, prior: Any, args: tuple, output: Any) -> None:
        if self.whole is not None:
            prior.positional_embedding, prior.causal_attention_mask = self.whole
            self.whole = None
