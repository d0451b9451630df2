"""The bundled pipelines, loaded by diffusers itself, for the judge to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.speed import ease, skip_padding
from .. import names
from ..training.stages import CHECKPOINTS

if TYPE_CHECKING:
    import torch
    from PIL import Image

# What the pipelines' authors set. Kandinsky 3's formula makes 3 as strong as 4 is in 2.x.
GUIDANCE = {"2.2": 4.0, "2.1": 4.0, "3": 3.0}

Embedded = tuple["torch.Tensor", "torch.Tensor"]  # (n, 128) each: asked for, and negative


def pipelines(family: str) -> dict[str, tuple[str, str]]:
    """Return what a family does → checkpoint folder and class of diffusers."""
    return {
        kind: (row.name, class_name)
        for row in CHECKPOINTS.values()
        if row.family == family
        for kind, class_name in row.pipelines.items()
    }


@dataclass
class Painter:
    """The pipelines of one family, with the settings of the evaluation."""

    weights: Path = names.WEIGHTS
    family: str = "2.2"
    steps: int = 25
    guidance: float | None = None
    prior_steps: int = 25
    prior_guidance: float = 4.0
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.guidance = GUIDANCE[self.family] if self.guidance is None else self.guidance
        self.size = self.pipeline("text").movq.config.sample_size

    def pipeline(self, kind: str) -> Any:
        """Return the pipeline that does one kind of thing, loaded when it is first needed."""
        if kind not in self._loaded:
            import diffusers

            folder, class_name = pipelines(self.family)[kind]
            pipe = getattr(diffusers, class_name).from_pretrained(self.weights / folder)
            pipe.set_progress_bar_config(disable=True)
            if hasattr(pipe, "unet"):
                ease(pipe.unet)
            if kind == "prior":
                skip_padding(pipe.prior)
            self._loaded[kind] = pipe
        return self._loaded[kind]

    @property
    def prior(self) -> Any:
        return self.pipeline("prior")

    def imagine(self, prompts: Sequence[str]) -> Embedded | None:
        """Return what the prior makes of each prompt at seed 0; None in Kandinsky 3."""
        if "prior" not in pipelines(self.family):
            return None
        import torch

        output = self.prior(
            list(prompts),
            num_inference_steps=self.prior_steps,
            guidance_scale=self.prior_guidance,
            generator=[torch.Generator().manual_seed(0) for _ in prompts],
        )
        return output.image_embeds, output.negative_image_embeds

    def draw(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        kind: str = "text",
        *,
        embedded: Embedded | None = None,
        batch: int = 50,
        inputs: dict[str, Sequence] | None = None,
        **settings: Any,
    ) -> list[Image.Image]:
        """Draw one picture for each prompt and seed.

        ``embedded`` takes the place of what the prior makes of the prompts. ``inputs`` holds
        what each picture starts from, by the pipeline's own names ("image", "mask_image",
        "hint"); ``settings`` are the same for all.
        """
        import torch

        images: list[Image.Image] = []
        if (self.family, kind) != ("3", "image"):  # that one takes the size of its picture
            settings = {"height": self.size, "width": self.size} | settings
        for start in range(0, len(prompts), batch):
            part = slice(start, start + batch)
            some = list(prompts[part])
            arguments: dict[str, Any] = {} if self.family == "2.2" else {"prompt": some}
            both = tuple(e[part] for e in embedded) if embedded else self.imagine(some)
            if both:
                arguments |= {"image_embeds": both[0], "negative_image_embeds": both[1]}
            for name, each in (inputs or {}).items():
                arguments[name] = each[part] if name == "hint" else list(each[part])
            if batch == 1:  # the inpainting pipelines take no list
                alone = {"image", "mask_image"} & set(arguments)
                arguments |= {name: arguments[name][0] for name in alone}
            with torch.inference_mode():
                images += self.pipeline(kind)(
                    **arguments,
                    **settings,
                    num_inference_steps=self.steps,
                    guidance_scale=self.guidance,
                    generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
                ).images
        return images

    def see(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Return CLIP's embeddings of pictures, as the prior is to make them: (n, 128)."""
        import torch

        pixels = self.prior.image_processor(list(images), return_tensors="pt").pixel_values
        with torch.inference_mode():
            return self.prior.image_encoder(pixels).image_embeds.clone()


@cache
def painter(weights: Path = names.WEIGHTS, family: str = "2.2") -> Painter:
    """Return the painter of a family, the same one every time."""
    return Painter(weights, family)
