"""The stage `clip`: learn one space for pictures and for captions in five languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ...captions import caption
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES
from .. import networks
from ..loop import Loss, Plan, python_random
from .judge import naming_heads, naming_loss
from .movq import pictures

if TYPE_CHECKING:
    from ..data import Data

SHIFT = 4  # pixels, half a patch, so that what is seen does not hang on the patches' grid
DUST = 0.08  # largest noise on pixels in -1…1; set by hand
LARGEST_TEMPERATURE = 4.6  # logits are scaled by 100 at most (Radford et al. 2021)


class Clip(nn.Module):
    """Both towers, the temperature, and (in training only) linear heads that name attributes.

    The heads make a short training enough: contrast alone needs many more pictures to separate,
    say, a bear from a lion. They are thrown away afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text, self.vision = networks.clip_text(), networks.clip_vision()
        self.heads = naming_heads()
        # Radford et al. 2021 begin with 0.07, too.
        self.temperature = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))


def tokenize(tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return ids (n, longest); attention is causal, so that less padding changes nothing."""
    encoded = tokenizer(
        list(texts), padding="longest", truncation=True, max_length=networks.TOKENS
    )
    return torch.tensor(encoded["input_ids"])


def clip_loss_of(
    data: np.ndarray, scenes: Sequence[Scene], tokenizer, batch: int = 192
) -> Loss:
    """Return the loss of pictures uint8 (n, 64, 64, 3) and their scenes.

    A symmetric contrastive loss (Radford et al. 2021) with a language drawn for each caption,
    plus the naming of attributes from either embedding, plus a mild pull of the norms to
    sqrt(128), the length of 128 numbers of variance 1, which the prior is to predict. The
    weights of the three are set by hand.
    """
    naming = naming_loss(scenes)

    def loss(model: Clip, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(data), (batch,), generator=generator)
        draw = python_random(generator)
        texts = [caption(scenes[i], draw.choice(LANGUAGES), draw) for i in index.tolist()]
        ids = tokenize(tokenizer, texts).to(p.device)
        x = pictures(data, index, p.device, p.dtype, 64)
        right, down = (draw.randint(-SHIFT, SHIFT) + SHIFT for _ in range(2))
        x = F.pad(x, (SHIFT,) * 4, mode="replicate")[..., down : down + 64, right : right + 64]
        x = x + DUST * draw.random() * torch.randn_like(x)
        t = model.text(ids).text_embeds  # (b, 128)
        v = model.vision(x).image_embeds
        tn, vn = F.normalize(t.float(), dim=-1), F.normalize(v.float(), dim=-1)
        logits = tn @ vn.T * model.temperature.float().clamp(max=LARGEST_TEMPERATURE).exp()
        target = torch.arange(batch, device=logits.device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        root = networks.EMBEDDING**0.5
        seen, by_picture = naming(model.heads((vn * root).to(p.dtype)), index)
        read, by_text = naming(model.heads((tn * root).to(p.dtype)), index)
        norms = sum((e.float().norm(dim=-1) / root - 1).square().mean() for e in (t, v))
        figures = {
            "contrast": contrast.item(),
            "retrieved": (logits.argmax(1) == target).float().mean().item(),
        }
        figures |= {f"seen_{k}": f for k, f in by_picture.items()}
        figures |= {"read": by_text["object"]}
        return contrast + 0.5 * (seen + read) + 0.1 * norms, figures

    return loss


def clip_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of all pictures and captions of them."""
    return clip_loss_of(data.pictures, data.scenes, data.store.tokenizer("clip"))
