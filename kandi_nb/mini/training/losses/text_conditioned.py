"""The stages `decoder-2.1` and `decoder-3`: the decoders that read the prompt itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ...captions import caption
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES
from .. import networks
from ..loop import Loss, Plan, python_random
from .decoder import (
    BATCH,
    DROPPED,
    NOISE,
    Conditioning,
    denoising_loss_of,
    schedule,
    with_mixtures,
)
from .text import ids_and_mask

if TYPE_CHECKING:
    from ..data import Data

EMPTY = 0.02  # share of empty prompts of 3, beside those without any states; set by hand


def _captions(
    scenes: Sequence[Scene], index: torch.Tensor, generator: torch.Generator
) -> list[str]:
    """Return a caption for each scene, in a language drawn for each; none for a mixture."""
    draw = python_random(generator)
    return [
        caption(scenes[i], draw.choice(LANGUAGES), draw) if i < len(scenes) else ""
        for i in index.tolist()
    ]


def conditioning_21(
    scenes: Sequence[Scene],
    embeddings: torch.Tensor,
    nothing: torch.Tensor,
    tokenizer,
    encoder: nn.Module,
) -> Conditioning:
    """Condition 2.1's UNet on a picture embedding and a caption that XLM-R has read.

    A tenth of the samples gets neither, as guidance needs it, a tenth lacks only the
    picture embedding and a tenth only the text: each of the two has to be enough. Embeddings
    behind those of the ``scenes`` are mixtures, which no text describes. Texts are padded to
    all 77 tokens, because the pipelines give the UNet no mask.
    """
    spread = embeddings.std(0)

    def conditioning(index: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        b, p = len(index), next(encoder.parameters())
        e = embeddings[index] + NOISE * spread * torch.randn(b, embeddings.shape[1])  # (b, 128)
        chance = torch.rand(b)
        mixture = index >= len(scenes)
        e[(chance < DROPPED) | (chance < 2 * DROPPED) & ~mixture] = nothing
        unread = (chance < DROPPED) | (chance > 1 - DROPPED)
        texts = _captions(scenes, index, generator)
        texts = ["" if gone else text for gone, text in zip(unread, texts, strict=True)]
        captions = [text for text in texts if text]  # the empty one is read once for all
        number = iter(range(b))
        row = [next(number) if text else len(captions) for text in texts]
        ids, mask = ids_and_mask(tokenizer, [*captions, ""], networks.TOKENS, full=True)
        with torch.no_grad():
            embedding, states = encoder(ids.to(p.device), mask.to(p.device))
        added = {"image_embeds": e, "text_embeds": embedding[row]}
        return {"encoder_hidden_states": states[row], "added_cond_kwargs": added}

    return conditioning


def conditioning_3(scenes: Sequence[Scene], tokenizer, encoder: nn.Module) -> Conditioning:
    """Condition Kandinsky 3's UNet on the states of a caption and their mask.

    As in the pipeline, states behind the text are zeros, one of them is kept after the longest
    text, and "no negative prompt" is zeros under an empty mask.
    """

    def conditioning(index: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        p = next(encoder.parameters())
        texts = _captions(scenes, index, generator)
        chance = torch.rand(len(texts))
        texts = ["" if c < EMPTY else text for c, text in zip(chance, texts, strict=True)]
        ids, mask = ids_and_mask(tokenizer, texts, networks.TOKENS_3)
        ids, mask = (torch.nn.functional.pad(x, (0, 1)).to(p.device) for x in (ids, mask))
        with torch.no_grad():
            states = encoder(ids, attention_mask=mask).last_hidden_state
        mask = mask * (chance < 1 - DROPPED).to(mask)[:, None]
        states = states * mask[..., None]  # (b, n, width)
        return {"encoder_hidden_states": states, "encoder_attention_mask": mask}

    return conditioning


def text_conditioning(data: Data, plan: Plan, embeddings: torch.Tensor) -> Conditioning:
    """Condition 2.1's UNet on embeddings (n, 128), and on captions through its own encoder."""
    learned = data.store
    encoder = learned.encoder("text-2.1").to(plan.device, plan.dtype)
    words = learned.tokenizer("xlm-r")
    return conditioning_21(data.scenes, embeddings, learned.no_prompt(), words, encoder)


def text_conditioned_loss_21(data: Data, plan: Plan) -> Loss:
    """Return the loss of 2.1's decoder, of all pictures, and of all mixtures twice.

    It learns fewer samples a second than 2.2's, and mixtures more slowly than the rest.
    """
    latents, embeddings = with_mixtures(data, plan, times=2)
    return denoising_loss_of(
        latents, text_conditioning(data, plan, embeddings), plan.batch or BATCH
    )


def text_conditioned_loss_3(data: Data, plan: Plan) -> Loss:
    """Return the loss of Kandinsky 3's decoder, of all pictures."""
    encoder = data.store.encoder("text-3").to(plan.device, plan.dtype)
    conditioning = conditioning_3(data.scenes, data.store.tokenizer("t5"), encoder)
    alphas = schedule(networks.scheduler_3())
    return denoising_loss_of(
        data.latents(plan.device), conditioning, plan.batch or BATCH, alphas=alphas
    )
