"""What the decoders that read the prompt itself are told: those of 2.1 and of Kandinsky 3."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ...captions import caption
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES
from .. import networks as parts
from .decoder import DROPPED, NOISE, Told
from .text import ids_and_mask


def _captions(
    scenes: Sequence[Scene], index: torch.Tensor, generator: torch.Generator
) -> list[str]:
    """Return a caption for each scene, in a language drawn for each; none for a mixture."""
    draw = random.Random(int(torch.randint(2**62, (), generator=generator)))
    return [
        caption(scenes[i], draw.choice(LANGUAGES), draw) if i < len(scenes) else ""
        for i in index.tolist()
    ]


def told_21(
    scenes: Sequence[Scene],
    embeddings: torch.Tensor,
    nothing: torch.Tensor,
    tokenizer,
    encoder: nn.Module,
) -> Told:
    """Return what 2.1's UNet is told: a picture embedding, and a caption that XLM-R has read.

    A tenth of the samples is told nothing at all, as guidance needs it, a tenth lacks only the
    picture embedding and a tenth only the text: each of the two has to be enough. Embeddings
    behind those of the ``scenes`` are mixtures, which no text describes. Texts are padded to
    all 77 tokens, because the pipelines give the UNet no mask.
    """
    spread = embeddings.std(0)

    def told(index: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        b, p = len(index), next(encoder.parameters())
        e = embeddings[index] + NOISE * spread * torch.randn(b, embeddings.shape[1])
        chance = torch.rand(b)
        mixture = index >= len(scenes)
        e[(chance < DROPPED) | (chance < 2 * DROPPED) & ~mixture] = nothing
        unread = (chance < DROPPED) | (chance > 1 - DROPPED)
        texts = _captions(scenes, index, generator)
        texts = ["" if gone else text for gone, text in zip(unread, texts, strict=True)]
        said = [text for text in texts if text]  # read once for all who are told nothing
        found = iter(range(b))
        row = [next(found) if text else len(said) for text in texts]
        ids, mask = ids_and_mask(tokenizer, [*said, ""], parts.TOKENS, full=True)
        with torch.no_grad():
            embedding, states = encoder(ids.to(p.device), mask.to(p.device))
        added = {"image_embeds": e, "text_embeds": embedding[row]}
        return {"encoder_hidden_states": states[row], "added_cond_kwargs": added}

    return told


def told_3(scenes: Sequence[Scene], tokenizer, encoder: nn.Module) -> Told:
    """Return what Kandinsky 3's UNet is told: the states of a caption and their mask.

    As in the pipeline, states behind the text are zeros, one of them is kept after the longest
    text, and "no negative prompt" is zeros under an empty mask.
    """

    def told(index: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        p = next(encoder.parameters())
        texts = _captions(scenes, index, generator)
        chance = torch.rand(len(texts))
        texts = ["" if c < 0.02 else text for c, text in zip(chance, texts, strict=True)]
        ids, mask = ids_and_mask(tokenizer, texts, parts.TOKENS_3)
        ids, mask = (torch.nn.functional.pad(x, (0, 1)).to(p.device) for x in (ids, mask))
        with torch.no_grad():
            states = encoder(ids, attention_mask=mask).last_hidden_state
        mask = mask * (chance < 1 - DROPPED).to(mask)[:, None]
        states = states * mask[..., None]
        return {"encoder_hidden_states": states, "encoder_attention_mask": mask}

    return told
