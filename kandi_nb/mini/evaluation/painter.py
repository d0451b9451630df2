"""The bundled models as users have them, for the judge to look at what they draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.loading.load import load
from ...tasks.embeddings.clip import clip
from ...tasks.embeddings.embed import embed
from ...tasks.generate import generate
from ...tasks.prior import NOTHING, Ready
from ...tasks.run import Job, run, text_job
from ...words.fields import FIELDS
from ...words.models import spec
from ...words.params import Params
from .. import names

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass
class Painter:
    """A loaded family, with the settings of the evaluation."""

    weights: Path = names.WEIGHTS
    family: str = "2.2"
    steps: int = 25
    guidance: float | None = None  # None: what the pipelines' authors set
    prior_steps: int = 25
    prior_guidance: float = 4.0
    k: Kandinsky = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.guidance is None:
            self.guidance = FIELDS["guidance"].default
        decoder = spec(f"kandinsky-{self.family}").ids["decoder"].rpartition("/")[2]
        # Not by a key, which would always mean the package's weights; and not by the folder of
        # all, which holds several families.
        self.k = load(self.weights / decoder, device="cpu", dtype="float32")

    @property
    def size(self) -> int:
        """Side of a picture in pixels, from MoVQ: Kandinsky 3's UNet does not know its own."""
        return self.k.decoder.movq.config.sample_size

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
        role: str = "decoder",
        inputs: Mapping[str, Sequence[Any]] | None = None,
        **arguments: Any,
    ) -> list[Image.Image]:
        """Draw one picture for each prompt and seed.

        Words alone are drawn by `generate`, the rest by the engine under it. Rows of
        ``embedded`` (n, 128) take the place of what the prior makes of the prompts. ``inputs``
        holds what each picture starts from, by the names of the role's pipeline: tensors
        (1, …) are drawn in batches, PIL pictures alone. ``arguments`` are the same for all.
        """
        params = self.params(prompts, seeds)
        if embedded is None and inputs is None:
            return generate(self.k, params, progress=False).images
        jobs = []
        for number, single in enumerate(params):
            own = {name: each[number] for name, each in (inputs or {}).items()}
            embedding = None if embedded is None else embedded[number]
            jobs.append(self._job(single, role, embedding, own | arguments))
        return run(role, self.k, jobs, progress=False).images

    def _job(
        self,
        params: Params,
        role: str,
        embedding: torch.Tensor | None,
        arguments: dict[str, Any],
    ) -> Job:
        from PIL import Image

        fields: dict[str, Any] = {"role": role, "arguments": arguments}
        if embedding is not None:
            fields["wants"] = (Ready(embedding[None]), NOTHING)
        if any(isinstance(value, Image.Image) for value in arguments.values()):
            fields["key"] = object()  # equal to no other: a batch of its own
        return text_job(self.k, params, **fields)


@cache
def painter(weights: Path = names.WEIGHTS, family: str = "2.2") -> Painter:
    """Return the painter of a family, the same one every time."""
    return Painter(weights, family)
