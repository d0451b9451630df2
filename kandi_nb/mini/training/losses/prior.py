"""The stage `prior`: learn to draw a picture embedding from a caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from ....tasks.teaching.losses import embedding_errors
from ...captions import caption
from ...world.scenes import Scene
from ...world.vocabulary import LANGUAGES
from .. import networks
from ..loop import Loss, Plan, python_random
from .clip import tokenize

if TYPE_CHECKING:
    from ..data import Data

WINDOW = 40  # tokens seen in training: the longest caption has 32
DROPPED = 0.1  # share of captions replaced by the empty one, which guidance needs
LATE = 800  # of 1000 steps: above it little but noise is left


def lengthen(short: nn.Module, tokens: int = networks.TOKENS) -> nn.Module:
    """Return a prior for ``tokens`` text states with the weights of one trained on fewer.

    Positions beyond the window take the last one's place; the four after the text keep their
    own.
    """
    long = networks.prior(tokens)
    weights = short.state_dict()
    place = weights["positional_embedding"]
    text, rest = place[:, :-4], place[:, -4:]
    filler = text[:, -1:].expand(-1, tokens - text.shape[1], -1)
    weights["positional_embedding"] = torch.cat([text, filler, rest], 1)  # (1, places, width)
    weights.pop("causal_attention_mask", None)
    long.load_state_dict(weights, strict=False)
    return long


def prior_loss_of(
    scenes: Sequence[Scene],
    embeddings: torch.Tensor,
    text: nn.Module,
    tokenizer,
    batch: int = 192,
) -> Loss:
    """Return the loss of scenes and their picture embeddings (n, 128), float32.

    ``text`` is the frozen text tower. The prior predicts the clean, standardised embedding
    (`prediction_type` "sample"), as the published one does.
    """
    from diffusers import UnCLIPScheduler

    scheduler = UnCLIPScheduler(**networks.prior_scheduler())
    alphas = scheduler.alphas_cumprod

    def loss(model: nn.Module, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(scenes), (batch,), generator=generator)
        draw = python_random(generator)
        texts = [
            "" if draw.random() < DROPPED else caption(scenes[i], draw.choice(LANGUAGES), draw)
            for i in index.tolist()
        ]
        ids = tokenize(tokenizer, texts)[:, :WINDOW].to(p.device)
        ends = ids.eq(networks.VOCABULARY - 1).int().argmax(1, keepdim=True)  # (b, 1)
        mask = torch.arange(WINDOW, device=p.device)[None] <= ends  # (b, WINDOW)
        with torch.no_grad():
            out = text(ids)
            states = F.pad(out.last_hidden_state, (0, 0, 0, WINDOW - ids.shape[1]))
        t = torch.randint(1000, (batch,), generator=generator).to(p.device)
        wanted = embeddings[index].to(p.device)
        noise = torch.randn_like(wanted)
        a = alphas.to(p.device)[t]
        error = embedding_errors(model, wanted, noise, t, a, out.text_embeds, states, mask)
        late = error[t > LATE]
        return error.mean(), {"from_noise": late.mean().item() if len(late) else 0.0}

    return loss


def prior_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of all scenes and the embeddings of their pictures."""
    embeddings = data.embeddings(plan.device)
    text = data.store.clip_towers()[0].to(plan.device, plan.dtype)
    return prior_loss_of(data.scenes, embeddings, text, data.store.tokenizer("clip"))


def standardise(model: nn.Module, data: Data, plan: Plan) -> None:
    """Let a prior know mean and spread of what it is to predict, as the published one does."""
    embeddings = data.embeddings(plan.device)
    with torch.no_grad():
        model.clip_mean.copy_(embeddings.mean(0, keepdim=True))
        model.clip_std.copy_(embeddings.std(0, keepdim=True))
