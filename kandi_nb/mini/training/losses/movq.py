"""The stage `movq`: learn to turn pictures into latents and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import networks
from ..loop import Loss, Plan

if TYPE_CHECKING:
    from ..data import Data

FRONT = 3.0  # times the weight of the place behind; brought eyes to faces
EDGES = 0.5  # weight of differences between neighbours beside pixels; set by hand
CRISPNESS = 0.5  # weight of how much changes around a pixel, wherever; set by hand
AROUND = 4  # pixels: an edge may stand anywhere in a square of this side
MOMENTS = 0.1  # weight of the latents' moments beside pixels; set by hand
BATCH = 12  # small batches learn faster here than large ones
NOISE = 0.15  # on the unit-variance latents, so that the decoder forgives the UNet


def _edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def pictures(
    data: np.ndarray,
    index: torch.Tensor,
    device: str,
    dtype: torch.dtype,
    side: int | None = None,
) -> torch.Tensor:
    """Return pictures of uint8 (n, h, w, 3) as a channels-last batch (b, 3, h, w) in -1…1.

    ``side`` brings larger ones down to that many pixels.
    """
    batch = torch.from_numpy(data[index.numpy()]).to(device).permute(0, 3, 1, 2)
    batch = batch.to(dtype).div_(127.5).sub_(1)
    if side and batch.shape[-1] > side:
        batch = F.avg_pool2d(batch, batch.shape[-1] // side)
    return batch


def _picture_loss(
    y: torch.Tensor, x: torch.Tensor, silhouettes: np.ndarray, index: torch.Tensor
):
    """Return the weighted loss of pictures ``y`` drawn for ``x``, and figures to log.

    Both are (b, 3, h, w), and ``index`` (b,) their rows of the ``silhouettes`` (n, h, w).
    """
    front = torch.from_numpy(silhouettes[index.numpy()]).to(x.device)[:, None].float() / 255
    weight = 1 + (FRONT - 1) * front
    weight = weight / weight.mean()
    gap = (y - x).float()
    across, down = _edges(gap)
    edge = (across.abs() * weight[..., 1:]).mean() + (down.abs() * weight[..., 1:, :]).mean()
    crispness = sum(
        F.l1_loss(F.avg_pool2d(ours.abs(), AROUND), F.avg_pool2d(theirs.abs(), AROUND))
        for ours, theirs in zip(_edges(y.float()), _edges(x.float()), strict=True)
    )
    total = (gap.abs() * weight).mean() + EDGES * edge + CRISPNESS * crispness
    figures = {"l1": gap.abs().mean(), "edge": edge, "crispness": crispness}
    return total, {name: figure.item() for name, figure in figures.items()}


def movq_loss_of(data: np.ndarray, silhouettes: np.ndarray, batch: int = BATCH) -> Loss:
    """Return the loss of pictures uint8 (n, h, w, 3): L1 on pixels and on their differences.

    What lies under the ``silhouettes`` (n, h, w) weighs `FRONT` times as much as the place
    behind: a face is small, and it is what people look at. Small batches learn faster here than
    large ones.

    The penalty on the latents' moments keeps each channel at mean 0 and variance 1, which is
    what the diffusion stages rely on: the pipelines decode without any scaling.
    """

    def loss(model: nn.Module, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(data), (batch,), generator=generator)
        x = pictures(data, index, p.device, p.dtype)
        z = model.encode(x).latents
        flat = z.float().permute(1, 0, 2, 3).flatten(1)  # (c, b h w)
        std, mean = torch.std_mean(flat, 1)
        moments = (mean.square() + (std - 1).square()).mean()
        y = model.decode(z + NOISE * torch.randn_like(z), force_not_quantize=True).sample
        total, figures = _picture_loss(y, x, silhouettes, index)
        return total + MOMENTS * moments, figures | {"std": std.mean().item()}

    return loss


def decoder_loss_of(
    data: np.ndarray, silhouettes: np.ndarray, latents: torch.Tensor, batch: int = BATCH
) -> Loss:
    """Return the loss of the decoder alone, from latents (n, c, h, w) of a frozen encoder.

    The latents of the diffusion stages stay what they are while pictures go on getting sharper.
    """

    def loss(model: nn.Module, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(data), (batch,), generator=generator)
        z = latents[index].to(p.device, p.dtype).contiguous(memory_format=torch.channels_last)
        noise = NOISE * torch.rand(batch, 1, 1, 1).to(z)
        y = model.decode(z + noise * torch.randn_like(z), force_not_quantize=True).sample
        return _picture_loss(y, pictures(data, index, p.device, p.dtype), silhouettes, index)

    return loss


def movq_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of all pictures."""
    return movq_loss_of(data.pictures, data.silhouettes, plan.batch or BATCH)


def decoder_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of all pictures and the latents that they have already."""
    latents = data.latents(plan.device)
    return decoder_loss_of(data.pictures, data.silhouettes, latents, plan.batch or BATCH)


def fit_codebook(model: nn.Module, latents: torch.Tensor, rounds: int = 12) -> float:
    """Fit a MoVQ's codebook to latents (n, c, h, w) by k-means; return the mean squared gap.

    60,000 cells are some sixty a code. The pipelines decode without quantising, so the codes
    are only there for who asks for them.
    """
    cells = latents.float().permute(0, 2, 3, 1).reshape(-1, latents.shape[1])  # (n h w, c)
    cells = cells[
        torch.randperm(len(cells), generator=torch.Generator().manual_seed(0))[:60_000]
    ]
    codes = cells[: networks.CODES].clone()
    for _ in range(rounds):
        near = torch.cat([torch.cdist(some, codes).argmin(1) for some in cells.split(8192)])
        count = torch.bincount(near, minlength=len(codes))[:, None]  # (codes, 1)
        mean = torch.zeros_like(codes).index_add_(0, near, cells) / count.clamp_min(1)
        codes = torch.where(count > 0, mean, codes)
    with torch.no_grad():
        model.quantize.embedding.weight.copy_(codes)
    return (cells - codes[near]).square().mean().item()
