"""What a model does not read of a text: tokens beyond its limit, words outside its world."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import warn

if TYPE_CHECKING:
    from .loading import Kandinsky
    from .params import Params

_LIMITS = {"2.1": 77, "3": 128}  # fixed inside the decoders of these families


def warn_about_texts(k: Kandinsky, runs: Sequence[Params]) -> None:
    """Warn once a text of what the model does not see or does not know."""
    for text in dict.fromkeys(t for run in runs for t in (run.prompt, run.negative) if t):
        if cut := unread(k, text):
            warn(
                f"{k.spec.key} reads at most {cut[0]} tokens, so it does not see the end of "
                f"the text: “{cut[1]}”; put what matters first"
            )
    if k.spec.advice:
        module, _, name = k.spec.advice.partition(":")
        advise = getattr(importlib.import_module(module), name)
        for prompt in dict.fromkeys(run.prompt for run in runs):
            if advice := advise(prompt):
                warn(advice)


def readers(k: Kandinsky) -> list[tuple[Any, int]]:
    """Return (tokenizer, how many tokens are read) of each stage that reads the text itself."""
    found = []
    for pipeline in (k.prior, k.decoder):
        tokenizer = getattr(pipeline, "tokenizer", None)
        if tokenizer is not None:
            limit = tokenizer.model_max_length
            fixed = _LIMITS.get(k.spec.family, limit) if pipeline is k.decoder else limit
            found.append((tokenizer, fixed))
    return found


def unread(k: Kandinsky, text: str) -> tuple[int, str] | None:
    """Return (token limit, the end of the text that the model does not see), or None."""
    for tokenizer, limit in readers(k):
        ids = tokenizer(text).input_ids
        if len(ids) > limit:  # the last place kept is the end mark's
            return limit, tokenizer.decode(ids[limit - 1 :], skip_special_tokens=True).strip()
    return None
