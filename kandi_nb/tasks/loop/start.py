"""Latents that nobody has decoded, and what `edit` and `inpaint` make of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.pipelines import denoiser
from ...pictures.images import pictures
from ...pictures.result import Result
from ...words.errors import KandiError, warn
from .latents import to_pictures

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

START = "kandi_nb start"  # in the info of a picture that latents were decoded to: the latents


@dataclass(repr=False)
class Latents(Result):
    """Hold latents that no MoVQ has decoded; `images` show three of their channels.

    `kn.edit` and `kn.inpaint` take it as `image`; `latents()` gives the numbers, `floats()`
    decodes them.
    """

    def __repr__(self) -> str:
        return super().__repr__().replace("picture", "latent picture", 1)

    def arrays(self) -> Any:
        """Raise KandiError: there are no pixels yet."""
        raise KandiError(
            "these are latents, which have no pixels yet: .floats() decodes them, .latents() "
            "gives their numbers, kn.edit and kn.inpaint take them as image="
        )

    def save(
        self, folder: str | os.PathLike, name: str | None = None, *, inputs: bool = True
    ) -> list[Path]:
        """Raise KandiError: only pictures are saved."""
        raise KandiError(
            "latents are not saved as pictures; draw them with kn.generate without "
            'output="latent", or keep result.latents() by torch.save'
        )


def starting_pictures(k: Kandinsky, source: Any) -> list[Image]:
    """Return the pictures of one source or a list of them, see `pictures`; raise KandiError.

    A Result of `output="latent"`, or a float tensor [n, c, h / 8, w / 8] that can be no
    picture, is decoded, and each picture of it knows its latents: the loop begins with those.
    """
    every = source if isinstance(source, (list, tuple)) else [source]
    begun = [_is_latents(k, each) for each in every]
    if not any(begun):
        return pictures(source)
    return [
        picture
        for each, latent in zip(every, begun, strict=True)
        for picture in (_decode_start(k, each) if latent else pictures(each))
    ]


def latents_of(picture: Any) -> torch.Tensor | None:
    """Return the latents [1, c, h / 8, w / 8] that a picture came of, None for any other."""
    return getattr(picture, "info", {}).get(START)


def inputs_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a job as they were given: latents, not the picture that they are."""
    return {
        name: held if (latents := latents_of(held)) is None else latents
        for name, held in inputs.items()
    }


def _is_latents(k: Kandinsky, source: Any) -> bool:
    """Return whether a source is latents; raise KandiError for what only may be."""
    import torch

    if isinstance(source, Latents):
        return True
    if not isinstance(source, torch.Tensor) or source.ndim != 4 or source.shape[1] != 4:
        return False
    truths = source.dtype == torch.bool
    if not (truths or source.is_floating_point()):
        return False
    if source.layout != torch.strided or source.is_meta:
        return False  # as a picture it is refused for that
    if not source.numel():
        raise KandiError(
            f"image is a tensor of shape {list(source.shape)}, which holds no numbers; give "
            "at least one row"
        )
    _check_finite(source)
    # A picture with transparent parts has four channels as well, but no number below 0.
    if not truths and source.min() < 0:
        return True
    sides = pixel_sides(k, source)
    drawn = all(side % 64 == 0 and side <= 2 * k.spec.native_size for side in sides)
    if drawn and source.max() <= 1:
        raise KandiError(
            f"image, a tensor {list(source.shape)} with all numbers in 0…1, may be latents or "
            "pictures with transparent parts; give the Result of the latents itself, or a "
            "picture as [3, height, width]"
        )
    return False


def pixel_sides(k: Kandinsky, latents: torch.Tensor) -> list[int]:
    """Return height and width of the pictures that latents [n, 4, h / 8, w / 8] decode to."""
    return [k.spec.generation.latent_factor * side for side in latents.shape[2:]]


def _check_finite(numbers: torch.Tensor) -> None:
    if lost := int((~numbers.isfinite()).sum()):
        raise KandiError(
            f"image holds NaN or infinity at {lost:,} of {numbers.numel():,} places; latents "
            "are finite numbers, so put some there, such as torch.nan_to_num(x)"
        )


def _decode_start(k: Kandinsky, source: Any) -> list[Image]:
    if isinstance(source, Latents) and source.model != k.spec.key:
        warn(
            f"these latents are of {source.model}; {k.spec.key} may see something else in them"
        )
    rows = (source.latents() if isinstance(source, Latents) else source).detach()
    sides = pixel_sides(k, rows)
    _check_finite(rows)
    if any(side % 64 or not side for side in sides):
        raise KandiError(
            "latents are numbers [n, 4, height / 8, width / 8], of sides that are multiples "
            f"of 64 pixels, not of shape {list(rows.shape)}; bring them to such a shape"
        )
    with k.alone(roles=["decoder"]):
        pipeline = k.decoder
        fits = {"device": pipeline._execution_device, "dtype": denoiser(pipeline).dtype}
        try:
            drawn = to_pictures(pipeline, rows.to(**fits))
        finally:
            pipeline.maybe_free_model_hooks()
    for picture, row in zip(drawn, rows.float().cpu().split(1), strict=True):
        picture.info = {START: row}
    return drawn
