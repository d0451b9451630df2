"""The stages `text-2.1` and `text-3`: text encoders learn from the captions what CLIP knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from ...captions import caption
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES
from .. import networks
from ..loop import Loss, Plan, python_random
from .clip import tokenize
from .judge import naming_heads, naming_loss

if TYPE_CHECKING:
    from ..data import Data

EMPTY = 0.05  # share of empty texts, which guidance needs
NAMED = 0.2  # weight of naming beside the squared gap; set by hand
CAPITALS = 0.1  # share of captions in capital letters, which CLIP and SentencePiece fold


class TextEncoder(nn.Module):
    """A text encoder with heads that only training needs.

    ``read`` gives a state a token and, from their mean, an embedding of 128 numbers. XLM-R has
    the layer for that itself (`MultilingualCLIP`), T5 gets one for the training.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = naming_heads()
        pooled = hasattr(encoder, "LinearTransformation")
        self.project = None if pooled else nn.Linear(networks.STATES, networks.EMBEDDING)

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (b, n, 160) and embeddings (b, 128) of ids and mask (b, n)."""
        if self.project is None:
            embedding, states = self.encoder(ids, mask)
            return states, embedding
        states = self.encoder(ids, attention_mask=mask).last_hidden_state
        there = mask[..., None].to(states.dtype)  # (b, n, 1)
        return states, self.project((states * there).sum(1) / there.sum(1))


def ids_and_mask(tokenizer, texts: Sequence[str], length: int, full: bool = False):
    """Return ids and attention mask (n, longest or ``length``) of texts."""
    encoded = tokenizer(
        list(texts),
        padding="max_length" if full else "longest",
        truncation=True,
        max_length=length,
        return_tensors="pt",
    )
    return encoded["input_ids"], encoded["attention_mask"]


def text_encoder_loss_of(
    scenes: Sequence[Scene], tokenizer, clip: nn.Module, clip_tokenizer, batch: int = 192
) -> Loss:
    """Return the loss of scenes: learn CLIP's text embedding, and name what the caption says.

    Teacher learning as in Multilingual-CLIP (Carlsson et al. 2022), where CLIP's text tower
    teaches an XLM-R; here both read the same caption, as ours knows all five languages.
    """
    naming = naming_loss(scenes)

    def loss(model: TextEncoder, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(scenes), (batch,), generator=generator)
        draw = python_random(generator)
        texts = [caption(scenes[i], draw.choice(LANGUAGES), draw) for i in index.tolist()]
        texts = [t.upper() if draw.random() < CAPITALS else t for t in texts]
        texts = ["" if draw.random() < EMPTY else t for t in texts]
        with torch.no_grad():
            wanted = clip(tokenize(clip_tokenizer, texts).to(p.device)).text_embeds.float()
        ids, mask = ids_and_mask(tokenizer, texts, networks.TOKENS)
        _, embedding = model.read(ids.to(p.device), mask.to(p.device))
        gap = (embedding.float() - wanted).square().mean()
        spoken = torch.tensor([bool(text) for text in texts])
        named, figures = naming(model.heads(embedding)[spoken], index[spoken])
        near = F.cosine_similarity(embedding.float(), wanted).mean().item()
        return gap + NAMED * named, {"gap": gap.item(), "near": near, **figures}

    return loss


def text_encoder_loss(kind: str, data: Data, plan: Plan) -> Loss:
    """Return the loss of all scenes, for the encoder that reads the tokens of a kind."""
    learned = data.store
    clip = learned.clip_towers()[0].to(plan.device)
    return text_encoder_loss_of(
        data.scenes, learned.tokenizer(kind), clip, learned.tokenizer("clip")
    )
