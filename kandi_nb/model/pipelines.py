"""The networks of diffusers' pipelines by what they do, whatever their family calls them."""

from __future__ import annotations

from typing import Any

from ..words.errors import KandiError
from ..words.families import Family, family_of


def family(pipeline: Any) -> Family:
    """Return the row of a pipeline's family, told by its class; raise KandiError for others."""
    classes = type(pipeline).__mro__
    row = next(filter(None, (family_of(each.__name__) for each in classes)), None)
    if row is None:
        raise KandiError(
            f"{type(pipeline).__name__} is no pipeline of a known family; add its row to "
            "words/families.FAMILIES"
        )
    return row


def denoiser(pipeline: Any) -> Any:
    """Return the network of a decoder's pipeline that predicts the noise at each step."""
    return getattr(pipeline, family(pipeline).denoiser)


def picture_decoder(pipeline: Any) -> Any:
    """Return the network of a decoder's pipeline that turns latents into pixels."""
    return getattr(pipeline, family(pipeline).picture_decoder)


def latent_factor(decoder: Any) -> int:
    """Return how many pixels a latent of a picture decoder has along each side, such as 8."""
    return 2 ** (len(decoder.config.block_out_channels) - 1)
