"""Finished latents → pictures, and what a Result keeps to give latents and floats later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...model.pipelines import picture_decoder
from ...pictures.images import UNDECODED
from ...words.errors import KandiError
from . import windows as tiles
from .windows import Box

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

HELD = "kandi_nb latents"  # in a picture's info, until its Result has them


class Held(NamedTuple):
    """Hold the finished latents of a picture, [1, c, h/f, w/f], and what decodes them."""

    latents: torch.Tensor
    decoder: Any  # a weak reference: a Result must not keep a model

    def floats(self) -> Any:
        """Return the picture before rounding, float32 [h, w, 3] in 0…1; raise KandiError."""
        import torch

        movq = self.decoder()
        if movq is None:
            raise KandiError("the model that drew this is gone; draw it again: kn.replay(…)")
        where = next(movq.parameters())
        with torch.no_grad():
            return _pixels(movq, self.latents.to(where.device, where.dtype))[0]

    def __reduce__(self) -> Any:
        return _without_model, (self.latents,)


def _without_model(latents: torch.Tensor) -> Held:
    return Held(latents, lambda: None)


def to_pictures(
    pipeline: Any, latents: torch.Tensor, windows: Sequence[Box] = ()
) -> list[Image]:
    """Return the pictures that latents hold, half-made ones too; each knows its own."""
    import weakref

    movq = picture_decoder(pipeline)
    pictures = pipeline.numpy_to_pil(_pixels(movq, latents, windows))
    for picture, row in zip(pictures, latents.split(1), strict=True):
        # Of a picture without windows, which alone can be decoded anew by itself.
        held = Held(row.detach().to("cpu"), weakref.ref(movq)) if not windows else None
        picture.info[HELD] = held
    return pictures


def to_maps(pipeline: Any, latents: torch.Tensor) -> list[Image]:
    """Return a small picture of each row of latents, undecoded, [n, c, h, w] → w × h pixels."""
    import weakref

    movq = weakref.ref(picture_decoder(pipeline))
    maps = pipeline.numpy_to_pil(_shades(latents))
    for picture, row in zip(maps, latents.split(1), strict=True):
        picture.info[HELD] = Held(row.detach().to("cpu"), movq)
        picture.info[UNDECODED] = True
    return maps


def _shades(latents: torch.Tensor) -> Any:
    """Return three channels of latents, from −3 to 3, as float32 [n, h, w, 3] in 0…1."""
    return (latents[:, :3] / 6 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()


def _pixels(movq: Any, latents: torch.Tensor, windows: Sequence[Box] = ()) -> Any:
    """Return what MoVQ decodes: float32 [n, h, w, 3] in 0…1, as an array."""
    pixels = tiles.decode(movq, latents, windows)
    return (pixels * 0.5 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()
