"""What a model reads of texts, and what not: tokens beyond its limit, words outside its world.

Tokenizers keep their settings from one call to the next, so each is used under `k.lock` alone.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...words.errors import warn

if TYPE_CHECKING:
    import torch

    from ...model.loading.kandinsky import Kandinsky
    from ...words.params import Params


def warn_about_texts(k: Kandinsky, runs: Sequence[Params]) -> None:
    """Warn once a text of what the model does not see or does not know."""
    complain(k, [t for run in runs for t in (run.prompt, run.negative) if t])
    if k.spec.advice:
        module, _, name = k.spec.advice.partition(":")
        advise = getattr(importlib.import_module(module), name)
        taught = {word for a, scale in k.adapters if scale for word in a.words}
        for prompt in dict.fromkeys(run.prompt for run in runs if run.prompt):
            if advice := advise(prompt, taught):
                warn(advice)


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
    module = importlib.import_module(k.spec.advice.partition(":")[0])
    return module.unknown_words(text)


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


def text_states(
    pipeline: Any, prompts: Sequence[str], negatives: Sequence[str] | None, guided: bool
) -> dict[str, torch.Tensor]:
    """Return what Kandinsky 3's UNet is told of texts, by its own names.

    The states [rows, tokens, dim] of each text and which of them count, [rows, tokens]; the
    negative half first where `guided`. A text that says nothing is zeros of which none counts,
    as in the pipeline, which cuts negative texts to the prompts' length: here each has its own.
    Equal texts are read once. Call the UNet inside of `own_lengths`.
    """
    import torch

    texts = [*(negatives or [""] * len(prompts)), *prompts] if guided else list(prompts)
    distinct = list(dict.fromkeys(text for text in texts if text.strip())) or [""]
    wanted, _, mask, _ = pipeline.encode_prompt(
        distinct, False, device=pipeline._execution_device, _cut_context=True
    )
    rows = [distinct.index(text) if text.strip() else 0 for text in texts]
    said = torch.tensor([bool(text.strip()) for text in texts], device=mask.device)
    mask = mask[rows].bool() & said[:, None]
    wanted = wanted[rows].to(pipeline.unet.dtype) * mask[..., None]
    return {"encoder_hidden_states": wanted, "encoder_attention_mask": mask}


@contextmanager
def own_lengths(unet: Any) -> Iterator[None]:
    """Let Kandinsky 3's UNet sum up each text by its own tokens, whatever stands beside it.

    It asks by the mean of a text's places, which counts those that the batch's longest text
    needs. In here it counts those of the text and one more, as in a batch of it alone. Other
    UNets, which have all texts of one length, are left as they are.
    """
    summary = getattr(getattr(unet, "add_time_condition", None), "attention", None)
    if summary is None:
        yield
        return
    hook = summary.register_forward_pre_hook(lambda _, args: (_own_mean(*args[1:]), *args[1:]))
    try:
        yield
    finally:
        hook.remove()


def _own_mean(context: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean [rows, 1, dim] of the places that count, where `mask` is 0, and one more.

    One more, because the pipeline keeps one place of padding behind the longest text.
    """
    import torch

    places = context.shape[1]
    counted = ((mask[:, 0] == 0).sum(1, keepdim=True) + 1).clamp(max=places)
    own = torch.arange(places, device=context.device) < counted
    total = (context.float() * own[..., None]).sum(1, keepdim=True)
    return (total / counted[..., None]).to(context.dtype)


def _quoted(text: str) -> str:
    """Return a long text as its beginning and its end."""
    return text if len(text) <= 80 else f"{text[:40]}…{text[-39:]}"


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True).strip()
