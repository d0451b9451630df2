"""The bundled 2.2 pipelines as plain diffusers loads them, for the judge to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import assemble, parts

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass
class Painter:
    """The 2.2 pipelines as plain diffusers loads them, with the settings of the evaluation."""

    weights: Path = assemble.WEIGHTS
    steps: int = 25
    guidance: float = 4.0
    prior_steps: int = 25
    prior_guidance: float = 4.0

    def __post_init__(self) -> None:
        from diffusers import KandinskyV22Pipeline, KandinskyV22PriorPipeline

        self.prior = KandinskyV22PriorPipeline.from_pretrained(self.weights / assemble.PRIOR)
        self.decoder = KandinskyV22Pipeline.from_pretrained(self.weights / assemble.DECODER)
        for pipeline in (self.prior, self.decoder):
            pipeline.set_progress_bar_config(disable=True)
        self.size = self.decoder.unet.config.sample_size * parts.SCALE

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], batch: int = 50
    ) -> list[Image.Image]:
        """Draw one picture for each prompt and seed."""
        import torch

        made: list[Image.Image] = []
        for start in range(0, len(prompts), batch):
            some, their = list(prompts[start : start + batch]), seeds[start : start + batch]
            found = self.prior(
                some,
                num_inference_steps=self.prior_steps,
                guidance_scale=self.prior_guidance,
                generator=[torch.Generator().manual_seed(0) for _ in some],
            )
            made += self.decoder(
                image_embeds=found.image_embeds,
                negative_image_embeds=found.negative_image_embeds,
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                height=self.size,
                width=self.size,
                generator=[torch.Generator().manual_seed(seed) for seed in their],
            ).images
        return made

    def embed(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Return CLIP's embeddings of pictures, of length 1: (n, 128)."""
        import torch

        pixels = self.prior.image_processor(list(images), return_tensors="pt").pixel_values
        with torch.inference_mode():
            found = self.prior.image_encoder(pixels).image_embeds
        return torch.nn.functional.normalize(found, dim=-1)
