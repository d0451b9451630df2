"""The stage `judge`: learn to name object, colour, place and headwear from rendered scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ...judge import HEADS
from ...world.blends import Blend
from ...world.render import render_many
from ...world.scenes import Scene, accepted_colours
from ...world.scenes import scenes as world_scenes
from ...world.vocabulary import ANIMALS, STYLES
from .. import networks
from ..loop import Loss, Plan
from .movq import pictures

if TYPE_CHECKING:
    from ..data import Data

Figures = dict[str, float]


def targets(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    """Return targets: for each attribute a (n, words) mask of the words that are right.

    An all-zero row means that the attribute does not exist there and teaches nothing.
    """
    masks = {}
    for what, words in HEADS.items():
        mask = torch.zeros(len(scenes), len(words))
        for row, scene in zip(mask, scenes, strict=True):
            right = (getattr(scene, what),)
            if what == "colour":
                right = (
                    ()
                    if scene.object == "nothing"
                    else accepted_colours(scene.object, scene.colour)
                )
            if what == "headwear" and scene.object not in ANIMALS:
                right = ("none",)
            for word in right:
                row[words.index(word)] = 1
        masks[what] = mask
    return masks


def word_loss(
    logits: torch.Tensor,
    masks: dict[str, torch.Tensor],
    index: torch.Tensor,
    weight: torch.Tensor | float = 1.0,
) -> tuple[torch.Tensor, Figures]:
    """Return the cross-entropy, for which any accepted word is right, and the accuracies.

    ``logits`` (b, all words) belong to the rows ``index`` (b,) of the ``masks`` (n, words) of
    each attribute; ``weight`` (b,) says how much each counts.
    """
    total, figures = 0.0, {}
    split = torch.split(logits.float(), [len(words) for words in HEADS.values()], 1)
    for votes, (what, mask) in zip(split, masks.items(), strict=True):
        mask = mask[index].to(votes.device)
        there = mask.sum(1) > 0  # (b,)
        chance = (votes.softmax(1) * mask).sum(1)  # (b,)
        total = total - (weight * chance.clamp_min(1e-7).log())[there].mean()
        hit = mask.gather(1, votes.argmax(1, keepdim=True))[there]  # (some, 1)
        figures[what] = hit.mean().item()
    return total, figures


def naming_heads() -> nn.Linear:
    """Build a layer that names attributes and style: embeddings (b, 128) to logits of words."""
    return nn.Linear(networks.EMBEDDING, sum(map(len, HEADS.values())) + len(STYLES))


def naming_loss(
    scenes: Sequence[Scene],
) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, Figures]]:
    """Return the loss of what `naming_heads` says of scenes, and the accuracies.

    It takes logits (b, words and styles) and the numbers (b,) of the scenes.
    """
    masks = targets(scenes)
    styles = torch.tensor([STYLES.index(scene.style) for scene in scenes])

    def naming(logits: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, Figures]:
        words, style = logits.float().tensor_split([-len(STYLES)], 1)
        loss, figures = word_loss(words, masks, index)
        return loss + F.cross_entropy(style, styles[index].to(style.device)), figures

    return naming


def _cells(count: int, channels: int) -> torch.Tensor:
    """Return smooth noise (count, channels, 64, 64) that varies from latent cell to cell."""
    return F.interpolate(
        torch.randn(count, channels, 8, 8), scale_factor=8, mode="bicubic", align_corners=False
    )


def _disturb(x: torch.Tensor) -> torch.Tensor:
    """Shift, warp, dim, tint, blur and dust a batch (b, 3, 64, 64), as other pictures have it.

    How much of each is set by hand.
    """
    dx, dy = (int(torch.randint(-4, 5, ())) for _ in range(2))
    x = F.pad(x, (4, 4, 4, 4), mode="replicate")[..., 4 + dy : 68 + dy, 4 + dx : 68 + dx]
    gain = 1 + 0.12 * torch.randn(len(x), 3, 1, 1, dtype=x.dtype, device=x.device)
    x = x * gain + 0.06 * torch.randn_like(gain)
    # A decoder errs by latent cells: lines are bent and colours are off from cell to cell.
    bent, tinted = (torch.rand(len(x), 1, 1, 1).square() for _ in range(2))
    grid = F.affine_grid(torch.eye(2, 3).expand(len(x), -1, -1), x.shape, align_corners=False)
    grid = grid + (0.06 * bent * _cells(len(x), 2)).permute(0, 2, 3, 1)  # (b, 64, 64, 2)
    x = F.grid_sample(
        x, grid.to(x), mode="bilinear", padding_mode="border", align_corners=False
    )
    x = x + (0.2 * tinted * _cells(len(x), 3)).to(x)
    if torch.rand(()) < 0.6:
        soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        x = torch.lerp(x, soft, torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device))
    if torch.rand(()) < 0.3:
        x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    return x + 0.1 * torch.rand(()).item() * torch.randn_like(x)


def judge_loss_of(
    data: np.ndarray,
    scenes: Sequence[Scene],
    blended: np.ndarray,
    blends: Sequence[Blend],
    batch: int = 96,
) -> Loss:
    """Return the loss of pictures uint8 (n, 64, 64, 3) with their scenes, and of mixtures.

    Half of each batch are mixtures, whose two scenes are right in proportion to their
    shares: the judge is to say of what it sees two things in that it sees both.
    """
    masks = targets(scenes)
    first, second = (targets([getattr(b, n) for b in blends]) for n in ("first", "second"))
    shares = torch.tensor([b.share for b in blends])
    some = batch // 2

    def loss(model: nn.Module, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(data), (batch - some,), generator=generator)
        both = torch.randint(len(blended), (some,), generator=generator)
        x = torch.cat(
            [
                pictures(data, index, p.device, p.dtype, 64),
                pictures(blended, both, p.device, p.dtype, 64),
            ]
        )
        logits = model(_disturb(x).contiguous(memory_format=torch.channels_last))
        share = shares[both].to(p.device)
        total, figures = word_loss(logits[:-some], masks, index)
        one, _ = word_loss(logits[-some:], first, both, share)
        other, _ = word_loss(logits[-some:], second, both, 1 - share)
        mixture = one + other
        return (total + mixture) / 2, figures | {"mixture": mixture.item()}

    return loss


def judge_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of all pictures, of a fifth more of held-out scenes, and of mixtures.

    The judge may know what the generator must not: without the held-out triples it read 97.5 %
    of their objects, with them 99.95 %.
    """
    held_out = list(world_scenes(data.count // 5, held_out=True, salt="judge"))
    pictures = np.concatenate([data.pictures, render_many(held_out, 64, workers=2)])
    return judge_loss_of(
        pictures, [*data.scenes, *held_out], data.blended_pictures, data.blends
    )
