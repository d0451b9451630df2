"""The guides' way: plain diffusers pipelines of any family, one picture a call."""

from __future__ import annotations

import inspect
from typing import Any

PRIOR_SEED, GUIDANCE = 0, 4.0


class Plain:
    """Hold the pipelines of a model as diffusers loads them, and draw as guides do."""

    def __init__(self, model: Any, device: str = "cpu", **reading: Any) -> None:
        """Load a key, a folder or what a loaded model was read from.

        `reading` goes to `from_pretrained`, such as a `dtype`.
        """
        import diffusers

        from ...model.find import find, places
        from ...model.quiet import quiet

        known, folders = (model.spec, model.folders) if hasattr(model, "spec") else find(model)
        here = places(known, folders, known.ids)
        with quiet():
            self.pipelines = {
                role: getattr(diffusers, known.roles[role].pipeline)
                .from_pretrained(here[role], variant=_variant(known, here[role]), **reading)
                .to(device)
                for role in known.ids
            }
        for pipeline in self.pipelines.values():
            # Two bars a picture would cost this side time that is not the models'.
            pipeline.set_progress_bar_config(disable=True)
        self.side, self.offset = known.native_size, known.generation.guidance_offset

    def draw(self, prompt: str, seed: int = 0, steps: int = 25, **more: Any) -> Any:
        """Return a picture; guidance is the effective 4 of all families."""
        import torch

        decoder = self.pipelines["decoder"]
        # Of effective guidance, what the pipelines do not add by themselves.
        told: dict[str, Any] = {"guidance_scale": GUIDANCE - self.offset}
        if "prior" in self.pipelines:
            embeddings = self.pipelines["prior"](
                prompt,
                num_inference_steps=steps,
                guidance_scale=GUIDANCE,
                generator=torch.Generator().manual_seed(PRIOR_SEED),
            )
            told |= {
                "image_embeds": embeddings.image_embeds,
                "negative_image_embeds": embeddings.negative_image_embeds,
            }
        if "prompt" in inspect.signature(type(decoder).__call__).parameters:
            told["prompt"] = prompt
        size = {"height": self.side, "width": self.side}
        return decoder(
            **told | size | more,
            num_inference_steps=steps,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]


def _variant(known: Any, folder: Any) -> str | None:
    """Return the kind of weight files that is read, None for the plain ones."""
    there = known.variant and list(folder.rglob(f"*.{known.variant}.safetensors"))
    return known.variant if there else None
