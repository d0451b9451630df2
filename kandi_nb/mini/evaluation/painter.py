"""The bundled models as users have them, for the judge to look at what they draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.loading.load import load
from ...tasks.embeddings.clip import clip
from ...tasks.embeddings.embed import embed
from ...tasks.generate import generate
from ...tasks.inpaint import inpaint
from ...tasks.run import run
from ...tasks.sources import repaint_jobs
from ...words.fields import FIELDS
from ...words.models import spec
from ...words.params import Params
from .. import names

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass
class Painter:
    """A loaded family, with the settings of the evaluation.

    ``size`` is the side of a picture in pixels, by default the family's own.
    """

    weights: Path = names.WEIGHTS
    family: str = "2.2"
    steps: int = 25
    guidance: float | None = None  # None: what the pipelines' authors set
    prior_steps: int = 25
    prior_guidance: float = 4.0
    size: int | None = None
    k: Kandinsky = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.guidance is None:
            self.guidance = FIELDS["guidance"].default
        decoder = spec(f"kandinsky-{self.family}").ids["decoder"].rpartition("/")[2]
        # Not by a key, which would always mean the package's weights; and not by the folder of
        # all, which holds several families.
        self.k = load(self.weights / decoder, device="cpu", dtype="float32")
        self.size = self.size or self.k.spec.native_size

    def params(
        self, prompts: Sequence[str], seeds: Sequence[int] | None = None
    ) -> list[Params]:
        """Return filled settings, one picture a prompt, at seed 0 unless seeds are given."""
        settings: dict[str, Any] = {"steps": self.steps, "guidance": self.guidance}
        settings |= {"width": self.size, "height": self.size}
        if self.k.prior is not None:
            settings["prior_steps"] = self.prior_steps
            settings["prior_guidance"] = self.prior_guidance
        return [
            Params(prompt or None, seed=seed, **settings)
            for prompt, seed in zip(prompts, seeds or [0] * len(prompts), strict=True)
        ]

    def imagine(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return what the prior makes of each prompt at seed 0: (n, 128)."""
        return embed(self.k, self.params(prompts), progress=False).tensor

    def see(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Return CLIP's embeddings of pictures, as the prior is to make them: (n, 128)."""
        return clip(self.k, images)

    def draw(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        embedded: torch.Tensor | None = None,
        depth: Sequence[Any] | None = None,
    ) -> list[Image.Image]:
        """Draw one picture for each prompt and seed, along depth maps if there are some.

        Rows of ``embedded`` (n, 128) take the place of what the prior makes of the prompts.
        """
        inputs = {"embedding": embedded, "depth": depth}
        return generate(self.k, self.params(prompts, seeds), progress=False, **inputs).images

    def repaint(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        images: Sequence[Image.Image],
        masks: Sequence[Image.Image],
    ) -> list[Image.Image]:
        """Repaint pictures where masks are white, as the networks do it: nothing is pasted."""
        task, params = inpaint.__name__, self.params(prompts, seeds)
        jobs = repaint_jobs(task, self.k, params, None, list(images), list(masks))
        return run(task, self.k, jobs, progress=False).images


@cache
def painter(
    weights: Path = names.WEIGHTS, family: str = "2.2", size: int | None = None
) -> Painter:
    """Return the painter of a family, the same one every time."""
    return Painter(weights, family, size=size)
