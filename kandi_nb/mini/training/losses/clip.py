"""The stage `clip`: learn one space for pictures and for captions in five languages."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ...captions import caption
from ...judge import HEADS
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES, STYLES
from .. import networks as parts
from ..loop import Loss
from .judge import labels, word_loss
from .movq import pictures


class Clip(nn.Module):
    """Both towers, the temperature, and (in training only) linear heads that name attributes.

    The heads make a short training enough: contrast alone needs many more pictures to separate,
    say, a bear from a lion. They are thrown away afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        words = sum(len(words) for words in HEADS.values()) + len(STYLES)
        self.text, self.vision = parts.clip_text(), parts.clip_vision()
        self.heads = nn.Linear(parts.EMBEDDING, words)
        self.temperature = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))


def tokenize(tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return ids (n, longest); attention is causal, so that less padding changes nothing."""
    found = tokenizer(list(texts), padding="longest", truncation=True, max_length=parts.TOKENS)
    return torch.tensor(found["input_ids"])


def loss_of(data: np.ndarray, scenes: Sequence[Scene], tokenizer, batch: int = 192) -> Loss:
    """Return the loss of pictures uint8 (n, 64, 64, 3) and their scenes.

    A symmetric contrastive loss (Radford et al. 2021) with a language drawn for each caption,
    plus the naming of attributes from either embedding, plus a mild pull of the norms to
    sqrt(128).
    """
    masks = labels(scenes)
    styles = torch.tensor([STYLES.index(scene.style) for scene in scenes])

    def name(heads: nn.Linear, e: torch.Tensor, index: torch.Tensor):
        logits = heads(e).float()
        words = logits.shape[1] - len(STYLES)
        loss, figures = word_loss(logits[:, :words], masks, index)
        return loss + F.cross_entropy(logits[:, words:], styles[index].to(e.device)), figures

    def loss(model: Clip, generator: torch.Generator, progress: float):
        p = next(model.parameters())
        index = torch.randint(len(data), (batch,), generator=generator)
        draw = random.Random(int(torch.randint(2**62, (), generator=generator)))
        texts = [caption(scenes[i], draw.choice(LANGUAGES), draw) for i in index.tolist()]
        ids = tokenize(tokenizer, texts).to(p.device)
        x = pictures(data, index, p.device, p.dtype, 64)
        dx, dy = (draw.randint(-4, 4) for _ in range(2))
        x = F.pad(x, (4, 4, 4, 4), mode="replicate")[..., 4 + dy : 68 + dy, 4 + dx : 68 + dx]
        x = x + 0.08 * draw.random() * torch.randn_like(x)
        t = model.text(ids).text_embeds
        v = model.vision(x).image_embeds
        tn, vn = F.normalize(t.float(), dim=-1), F.normalize(v.float(), dim=-1)
        logits = tn @ vn.T * model.temperature.float().clamp(max=4.6).exp()
        target = torch.arange(batch, device=logits.device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        root = parts.EMBEDDING**0.5
        seen, by_picture = name(model.heads, (vn * root).to(p.dtype), index)
        read, by_text = name(model.heads, (tn * root).to(p.dtype), index)
        norms = sum((e.float().norm(dim=-1) / root - 1).square().mean() for e in (t, v))
        figures = {
            "contrast": contrast.item(),
            "retrieved": (logits.argmax(1) == target).float().mean().item(),
        }
        figures |= {f"seen_{k}": f for k, f in by_picture.items()}
        figures |= {"read": by_text["object"]}
        return contrast + 0.5 * (seen + read) + 0.1 * norms, figures

    return loss
