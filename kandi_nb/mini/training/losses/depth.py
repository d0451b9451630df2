"""The stage `depth-2.2`: learn to follow a depth map, from the decoder's weights on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..loop import Loss, Plan
from .decoder import Extra, loss_of, pictured

if TYPE_CHECKING:
    from ..data import Data


def hints_of(depths: np.ndarray) -> Extra:
    """Return the depth UNet's hint: the scene's depth (b, 3, 64, 64), 0 far … 1 near."""

    def extra(index: torch.Tensor, clean: torch.Tensor, generator: torch.Generator):
        depth = torch.from_numpy(depths[index.numpy()]).float() / 255
        return {"hint": depth[:, None].expand(-1, 3, -1, -1)}

    return extra


def loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of 2.2's depth decoder, of all pictures along their depths."""
    conditioning = pictured(data.embeddings(plan.device), data.trained.no_prompt())
    extra = hints_of(data.depths)
    return loss_of(data.latents(plan.device), conditioning, extra=extra)
