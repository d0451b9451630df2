"""What a model reads of texts, and what not: tokens beyond its limit, words outside its world.

Tokenizers keep their settings from one call to the next, so each is used under `k.lock` alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...words.errors import shorten, warn
from ...words.models import function_at

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ...words.params import Params


# Signs that other programs read in a prompt, and what to do instead.
_SIGNS = {
    "ways": (r"\{[^{}]*\|[^{}]*\}", "kn.batch alone draws each way of such braces"),
    "weights": (
        r"\([^()]+:\s*[\d.]+\s*\)|\(\([^()]+\)\)|\)\+|\)-(?!\w)|\b[^\W\d_]{2,}(\+\+|--)(?!\w)",
        "no model here weighs words; kn.mix weighs texts",
    ),
    "schedules": (
        r"\[[^\[\]]*[^\[\]\s]\s*[:|][^\[\]]*\]",
        "the text is the same in all steps; kn.path goes from one to another",
    ),
    "adapters": (r"<(lora|lyco|hypernet):[^<>]*>", "kn.load(…, adapter=…) takes adapters"),
    "wildcards": (r"(?<!\w)__[\w/-]+__(?![\w.])", "kn.batch draws {red|blue}, each way once"),
}


def warn_about_texts(k: Kandinsky, runs: Sequence[Params]) -> None:
    """Warn once a text of what the model does not see or does not know."""
    texts = [text for run in runs for text in (run.prompt, run.negative) if text]
    complain(k, texts)
    warn_about_signs(texts)
    if k.spec.advice:
        advise = function_at(k.spec.advice)
        taught = {word for a, scale in k.adapters if scale for word in a.words}
        for prompt in dict.fromkeys(run.prompt for run in runs if run.prompt):
            if advice := advise(prompt, taught):
                warn(advice)


def warn_about_signs(texts: Sequence[str]) -> None:
    """Warn, once for all texts, of signs of other programs, which are drawn as typed here."""
    found = {
        match[0]: advice
        for text in dict.fromkeys(texts)
        for pattern, advice in _SIGNS.values()
        if (match := re.search(pattern, text))
    }
    if found:
        listed = ", ".join(f"“{shorten(sign, 30)}”" for sign in list(found)[:3])
        warn(
            f"{listed} in a text: drawn as typed, its signs mean nothing here; "
            f"{'; '.join(dict.fromkeys(found.values()))}"
        )


def complain(k: Kandinsky, texts: Sequence[str]) -> None:
    """Warn once a text of what the model does not see of it."""
    with k.lock:
        each = [
            complaint for text in dict.fromkeys(texts) for complaint in _complaints(k, text)
        ]
    for complaint in each:
        warn(complaint)


def unknown_words(k: Kandinsky, text: str) -> list[str]:
    """Return the words, in lower case, that a model has not learned; all if it cannot tell."""
    if not k.spec.advice:
        return re.findall(r"[^\W\d_]+", text.lower())
    return function_at(f"{k.spec.advice.partition(':')[0]}:unknown_words")(text)


def _complaints(k: Kandinsky, text: str) -> Iterator[str]:
    reason, end = unread(k, text) or (None, "")
    if isinstance(reason, str):
        yield (
            f"{k.spec.key} takes “{reason}” for the end of the text and passes over the rest: "
            f"“{_quote(end)}”; leave the mark out"
        )
    elif reason:
        yield (
            f"{k.spec.key} reads at most {reason} tokens, so it does not see the end of "
            f"the text: “{_quote(end)}”; put what matters first"
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
            # Decoders have their limit inside, whatever the tokenizer's files say.
            limit = k.spec.tokens if pipeline is k.decoder else tokenizer.model_max_length
            found.append((tokenizer, limit))
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


def _quote(text: str) -> str:
    """Return a long text as its beginning and its end."""
    return text if len(text) <= 80 else f"{text[:40]}…{text[-39:]}"


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True).strip()
