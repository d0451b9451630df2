"""The stages `text-2.1` and `text-3`: text encoders learn from the captions what CLIP knows."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ...captions import caption
from ...judge import HEADS
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES, STYLES
from .. import networks as parts
from ..loop import Loss
from .clip import tokenize
from .judge import labels, word_loss

CAPITALS = 0.1  # share of captions in capital letters, which CLIP and SentencePiece fold


class TextEncoder(nn.Module):
    """A text encoder with heads that only training needs.

    ``read`` gives a state a token and, from their mean, an embedding of 128 numbers. XLM-R has
    the layer for that itself (`MultilingualCLIP`), T5 gets one for the training.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        words = sum(len(words) for words in HEADS.values()) + len(STYLES)
        self.heads = nn.Linear(parts.EMBEDDING, words)
        pooled = hasattr(encoder, "LinearTransformation")
        self.project = None if pooled else nn.Linear(parts.STATES, parts.EMBEDDING)

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (b, n, 160) and embeddings (b, 128) of ids and mask (b, n)."""
        if self.project is None:
            embedding, states = self.encoder(ids, mask)
            return states, embedding
        states = self.encoder(ids, attention_mask=mask).last_hidden_state
        there = mask[..., None].to(states.dtype)
        return states, self.project((states * there).sum(1) / there.sum(1))


def ids_and_mask(tokenizer, texts: Sequence[str], length: int, full: bool = False):
    """Return ids and attention mask (n, longest or ``length``) of texts."""
    found = tokenizer(
        list(texts),
        padding="max_length" if full else "longest",
        truncation=True,
        max_length=length,
        return_tensors="pt",
    )
    return found["input_ids"], found["attention_mask"]


def loss_of(
    scenes: Sequence[Scene], tokenizer, clip: nn.Module, clip_tokenizer, batch: int = 192
) -> Loss:
    """Return the loss of scenes: learn CLIP's text embedding, and name what the caption says.

    Teacher learning as in Multilingual-CLIP (Carlsson et al. 2022), where CLIP's text tower
    teaches an XLM-R; here both read the same caption, as ours knows all five languages. A
    twentieth of the texts are empty, as for guidance.
    """
    masks = labels(scenes)
    styles = torch.tensor([STYLES.index(scene.style) for scene in scenes])

    def loss(model: TextEncoder, generator: torch.Generator, progress: float):
        p = next(model.parameters())
        index = torch.randint(len(scenes), (batch,), generator=generator)
        draw = random.Random(int(torch.randint(2**62, (), generator=generator)))
        texts = [caption(scenes[i], draw.choice(LANGUAGES), draw) for i in index.tolist()]
        texts = [t.upper() if draw.random() < CAPITALS else t for t in texts]
        texts = ["" if draw.random() < 0.05 else t for t in texts]
        with torch.no_grad():
            wanted = clip(tokenize(clip_tokenizer, texts).to(p.device)).text_embeds.float()
        ids, mask = ids_and_mask(tokenizer, texts, parts.TOKENS)
        _, found = model.read(ids.to(p.device), mask.to(p.device))
        gap = (found.float() - wanted).square().mean()
        said = torch.tensor([bool(text) for text in texts])
        logits = model.heads(found)[said].float()
        words = logits.shape[1] - len(STYLES)
        named, figures = word_loss(logits[:, :words], masks, index[said])
        named = named + F.cross_entropy(logits[:, words:], styles[index[said]].to(p.device))
        near = F.cosine_similarity(found.float(), wanted).mean().item()
        return gap + 0.2 * named, {"gap": gap.item(), "near": near, **figures}

    return loss
