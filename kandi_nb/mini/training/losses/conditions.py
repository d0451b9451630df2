"""The stages `inpaint-2.2`, `inpaint-2.1`, `depth-2.2`: repaint under masks, follow depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ...world.render import SIZE
from ..loop import Loss, Plan, seed_from
from .decoder import BATCH, Conditioning, Extra, denoising_loss_of, picture_conditioning
from .text_conditioned import text_conditioning

if TYPE_CHECKING:
    from ..data import Data

KINDS = ("box", "strokes", "half", "head", "object", "all", "nothing")
SHARES = (0.22, 0.16, 0.12, 0.2, 0.18, 0.07, 0.05)  # of each kind; set by hand
# How the pipelines' `prepare_mask` lets each repainted cell grow.
NEIGHBOURS = torch.tensor([[[[1.0, 1, 0], [1, 1, 1], [0, 1, 1]]]])


def grow(repaint: torch.Tensor) -> torch.Tensor:
    """Return a mask (b, 1, h, w), 1 = repaint, grown as the pipelines grow it."""
    return F.conv2d(repaint, NEIGHBOURS, padding=1).clamp_max(1)


def _box(rows: tuple[float, float], columns: tuple[float, float], size: int) -> np.ndarray:
    """Return a mask that repaints a box given in fractions of the picture."""
    mask = np.zeros((size, size), np.float32)
    (top, bottom), (left, right) = (
        (max(0, int(a)), int(np.ceil(b))) for a, b in (rows, columns)
    )
    mask[top : max(bottom, top + 1), left : max(right, left + 1)] = 1
    return mask


def draw_mask(kind: str, silhouette: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return a mask of a kind, float32 of the silhouette's size (s, s), 1 = repaint.

    ``silhouette`` (uint8) tells where the object is: "object" covers its box, "head" the upper
    part of the box and what a hat above it would take. Strokes and slack are as wide in
    relation to the picture at any size.
    """
    size = len(silhouette)
    pixel = size / SIZE
    if kind in ("all", "nothing"):
        return np.full((size, size), float(kind == "all"), np.float32)
    rows, columns = (np.flatnonzero((silhouette > 127).any(axis)) for axis in (1, 0))
    if kind in ("head", "object") and len(rows):
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        high, slack = bottom - top, draw.uniform(0, 6, 4) * pixel
        if kind == "head":
            return _box(
                (top - 0.3 * high, top + draw.uniform(0.3, 0.5) * high),
                (left - slack[0], right + slack[1]),
                size,
            )
        return _box(
            (top - slack[0], bottom + slack[1]), (left - slack[2], right + slack[3]), size
        )
    if kind == "strokes":
        mask = np.zeros((size, size), np.float32)
        y, x = np.mgrid[:size, :size]
        for _ in range(int(draw.integers(1, 5))):
            start, end = draw.uniform(0, size, (2, 2))
            for share in np.linspace(0, 1, 24):
                cy, cx = start + share * (end - start)
                mask[(y - cy) ** 2 + (x - cx) ** 2 < (draw.uniform(4, 7) * pixel) ** 2] = 1
        return mask
    if kind == "half":
        y, x = np.mgrid[:size, :size] / size - 0.5
        angle = draw.uniform(0, 2 * np.pi)
        side = np.cos(angle) * x + np.sin(angle) * y
        return (side > draw.uniform(-0.2, 0.2)).astype(np.float32)
    edges = np.sort(draw.uniform(0, size, (2, 2)), 1)
    return _box(tuple(edges[0]), tuple(edges[1]), size)


def masks_of(silhouettes: np.ndarray) -> Extra:
    """Return the inpainting UNet's channels: the kept latents, and where they are.

    As in the pipeline, the mask is brought to the latents' size by nearest neighbour, and 1
    there means *keep*: the reverse of what people give.
    """

    def extra(index: torch.Tensor, clean: torch.Tensor, generator: torch.Generator):
        draw = np.random.default_rng(seed_from(generator))
        kinds = draw.choice(KINDS, len(index), p=SHARES)
        masks = [
            draw_mask(kind, silhouettes[i], draw) for kind, i in zip(kinds, index, strict=True)
        ]
        repaint = torch.from_numpy(np.stack(masks))[:, None]  # (b, 1, s, s)
        repaint = F.interpolate(repaint, clean.shape[-2:], mode="nearest")  # (b, 1, h, w)
        keep = (1 - grow(repaint)).to(clean.device)
        return {"channels": torch.cat([clean * keep, keep], 1)}

    return extra


def _inpaint_loss(data: Data, plan: Plan, conditioning: Conditioning) -> Loss:
    extra = masks_of(data.silhouettes)
    return denoising_loss_of(
        data.latents(plan.device), conditioning, plan.batch or BATCH, extra
    )


def inpaint_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of 2.2's inpainting decoder, of all pictures under masks of all kinds."""
    embeddings = data.embeddings(plan.device)
    return _inpaint_loss(data, plan, picture_conditioning(embeddings, data.store.no_prompt()))


def inpaint_loss_21(data: Data, plan: Plan) -> Loss:
    """Return the same of 2.1's, which reads a caption, too."""
    return _inpaint_loss(
        data, plan, text_conditioning(data, plan, data.embeddings(plan.device))
    )


def hints_of(depths: np.ndarray) -> Extra:
    """Return the depth UNet's hint: the scene's depth (b, 3, 64, 64), 0 far … 1 near."""

    def extra(index: torch.Tensor, clean: torch.Tensor, generator: torch.Generator):
        depth = torch.from_numpy(depths[index.numpy()]).float() / 255
        return {"hint": depth[:, None].expand(-1, 3, -1, -1)}

    return extra


def depth_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of 2.2's depth decoder, of all pictures along their depths."""
    conditioning = picture_conditioning(data.embeddings(plan.device), data.store.no_prompt())
    extra = hints_of(data.depths)
    return denoising_loss_of(
        data.latents(plan.device), conditioning, plan.batch or BATCH, extra
    )
