"""The guides' way: plain diffusers pipelines of any bundled family, one picture a call."""

from __future__ import annotations

import inspect
from typing import Any

PRIOR_SEED = 0


class Plain:
    """Hold the pipelines of a model as diffusers loads them, and draw as guides do."""

    def __init__(self, model: str) -> None:
        import diffusers

        from kandi_nb.model.find import find
        from kandi_nb.model.quiet import quiet

        known, folders = find(model)
        with quiet():
            self.pipelines = {
                role: getattr(diffusers, known.roles[role].pipeline).from_pretrained(
                    folders[role]
                )
                for role in known.ids
            }
        for pipeline in self.pipelines.values():
            # Two bars a picture would cost this side time that is not the models'.
            pipeline.set_progress_bar_config(disable=True)
        self.side = known.native_size

    def draw(self, prompt: str, seed: int = 0, steps: int = 25, **more: Any) -> Any:
        """Return a picture; guidance is the effective 4 of all families."""
        import torch

        decoder = self.pipelines["decoder"]
        told: dict[str, Any] = {"guidance_scale": 3.0}  # to which Kandinsky 3 adds one
        if "prior" in self.pipelines:
            embeddings = self.pipelines["prior"](
                prompt,
                num_inference_steps=steps,
                guidance_scale=4.0,
                generator=torch.Generator().manual_seed(PRIOR_SEED),
            )
            told = {
                "guidance_scale": 4.0,
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
