"""What a model does not read of a text: tokens beyond its limit, words outside its world.

Tokenizers keep their settings from one call to the next, so each is used under `k.lock` alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .errors import warn

if TYPE_CHECKING:
    from .loading import Kandinsky
    from .params import Params

_LIMITS = {"2.1": 77, "3": 128}  # fixed inside the decoders of these families


def warn_about_texts(k: Kandinsky, runs: Sequence[Params]) -> None:
    """Warn once a text of what the model does not see or does not know."""
    texts = dict.fromkeys(t for run in runs for t in (run.prompt, run.negative) if t)
    with k.lock:
        complaints = [complaint for text in texts for complaint in _complaints(k, text)]
    for complaint in complaints:
        warn(complaint)
    if k.spec.advice:
        module, _, name = k.spec.advice.partition(":")
        advise = getattr(importlib.import_module(module), name)
        for prompt in dict.fromkeys(run.prompt for run in runs):
            if advice := advise(prompt):
                warn(advice)


def _complaints(k: Kandinsky, text: str) -> Iterator[str]:
    reason, end = unread(k, text) or (None, "")
    if isinstance(reason, str):
        yield (
            f"{k.spec.key} takes “{reason}” for the end of the text and passes over the rest: "
            f"“{_quoted(end)}”; leave the mark out"
        )
    elif reason:
        yield (
            f"{k.spec.key} reads at most {reason} tokens, so it does not see the end of "
            f"the text: “{_quoted(end)}”; put what matters first"
        )
    others = [mark for mark in typed_marks(k, text) if mark != reason]
    if others:
        listed = ", ".join(f"“{mark}”" for mark in others)
        yield f"{k.spec.key} reads {listed} as a mark of its own, not as text; leave it out"


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


def unread(k: Kandinsky, text: str) -> tuple[int | str, str] | None:
    """Return why the model does not see the end of a text, and that end; None if it sees all.

    The reason is the most tokens that it reads, or the mark in the text that ends it.
    """
    with k.lock:
        for tokenizer, limit in readers(k):
            ids = tokenizer(text).input_ids
            # CLIP, in the prior, reads up to the first end mark; other encoders read them all.
            in_prior = k.prior is not None and tokenizer is k.prior.tokenizer
            marks = [n for n, token in enumerate(ids[:-1]) if token == tokenizer.eos_token_id]
            last = limit - 1  # the last place kept is the end mark's
            if in_prior and marks and marks[0] < last:
                end = _text(tokenizer, ids[marks[0] + 1 :])
                if end:
                    return tokenizer.eos_token, end
            elif len(ids) > limit:
                return limit, _text(tokenizer, ids[last:])
    return None


def typed_marks(k: Kandinsky, text: str) -> list[str]:
    """Return the tokenizers' own marks, such as <|endoftext|>, that the text itself holds."""
    found: dict[str, None] = {}
    with k.lock:
        for tokenizer, _ in readers(k):
            marks = set(tokenizer.all_special_ids)
            if tokenizer.unk_token not in (tokenizer.eos_token, tokenizer.bos_token):
                marks.discard(tokenizer.unk_token_id)  # what a strange letter becomes
            for token in tokenizer(text, add_special_tokens=False).input_ids:
                if token in marks:
                    found[tokenizer.convert_ids_to_tokens(token)] = None
    return list(found)


def _quoted(text: str) -> str:
    """Return a long text as its beginning and its end."""
    return text if len(text) <= 80 else f"{text[:40]}…{text[-39:]}"


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True).strip()
