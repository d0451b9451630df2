"""What a UNet is told beside the latents, and how guidance combines what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .texts import text_states

if TYPE_CHECKING:
    import torch


def condition_of(
    pipeline: Any,
    positive: torch.Tensor | None,
    negative: torch.Tensor | None,
    texts: tuple[Sequence[str] | None, Sequence[str] | None],
    hints: torch.Tensor | None,
    both: bool,
) -> dict[str, Any]:
    """Return what the UNet is told beside latents, the negative half first when `both`."""
    import torch

    fits = {"device": pipeline._execution_device, "dtype": pipeline.unet.dtype}
    prompts, negatives = (None if text is None else list(text) for text in texts)
    if positive is None:
        return text_states(pipeline, prompts, negatives, both)
    rows = torch.cat([negative, positive]) if both else positive
    added = {"image_embeds": rows.to(**fits)}
    if hints is not None:
        added["hint"] = torch.cat([hints, hints] if both else [hints]).to(**fits)
    if getattr(pipeline, "text_encoder", None) is None:
        return {"encoder_hidden_states": None, "added_cond_kwargs": added}
    added["text_embeds"], states, _ = pipeline._encode_prompt(
        prompts, fits["device"], 1, both, negatives
    )
    return {"encoder_hidden_states": states, "added_cond_kwargs": added}


def guided(
    predicted: torch.Tensor, guidance: float, channels: int, scheduler: Any
) -> torch.Tensor:
    """Return u + guidance · (c − u), with the variance beside it if the scheduler reads it."""
    import torch

    rows, variance = predicted[:, :channels], predicted[:, channels:]
    if guidance > 1:
        without, told = rows.chunk(2)
        rows, variance = without + guidance * (told - without), variance.chunk(2)[1]
    learned = getattr(scheduler.config, "variance_type", None) in ("learned", "learned_range")
    return torch.cat([rows, variance], 1) if learned else rows
