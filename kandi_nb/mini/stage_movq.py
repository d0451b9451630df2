"""The stage `movq`: learn to turn pictures into latents and back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .loop import Loss

FRONT = 3.0
NOISE = 0.15  # standard deviation put on the unit-variance latents, so that the decoder forgives the UNet


def _edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def pictures(data: np.ndarray, index: torch.Tensor, device: str, dtype: torch.dtype) -> torch.Tensor:
    """Return pictures of uint8 (n, h, w, 3) as a channels-last batch (b, 3, h, w) in -1…1."""
    batch = torch.from_numpy(data[index.numpy()]).to(device).permute(0, 3, 1, 2)
    return batch.to(dtype).div_(127.5).sub_(1)


def loss_of(data: np.ndarray, silhouettes: np.ndarray, batch: int = 12) -> Loss:
    """Return the loss of pictures uint8 (n, h, w, 3): L1 on pixels and on their differences.

    What lies under the ``silhouettes`` (n, h, w) weighs `FRONT` times as much as the place behind:
    a face is small, and it is what people look at. Small batches learn faster here than large ones.

    The penalty on the latents' moments keeps each channel at mean 0 and variance 1, which is what
    the diffusion stages rely on: the pipelines decode without any scaling.
    """

    def loss(model: nn.Module, generator: torch.Generator, progress: float):
        p = next(model.parameters())
        index = torch.randint(len(data), (batch,), generator=generator)
        x = pictures(data, index, p.device, p.dtype)
        z = model.encode(x).latents
        flat = z.float().permute(1, 0, 2, 3).flatten(1)
        std, mean = torch.std_mean(flat, 1)
        moments = (mean.square() + (std - 1).square()).mean()
        y = model.decode(z + NOISE * torch.randn_like(z), force_not_quantize=True).sample
        front = torch.from_numpy(silhouettes[index.numpy()]).to(p.device)[:, None].float() / 255
        weight = 1 + (FRONT - 1) * front
        weight = weight / weight.mean()
        gap = (y - x).float()
        l1 = gap.abs().mean()
        across, down = _edges(gap)
        edge = (across.abs() * weight[..., 1:]).mean() + (down.abs() * weight[..., 1:, :]).mean()
        total = (gap.abs() * weight).mean() + 0.5 * edge + 0.1 * moments
        return total, {"l1": l1.item(), "edge": edge.item(), "std": std.mean().item()}

    return loss
