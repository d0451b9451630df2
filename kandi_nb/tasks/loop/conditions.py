"""What a UNet is told beside the latents, and how guidance combines what it predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...model.pipelines import denoiser, family

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

    fits = {"device": pipeline._execution_device, "dtype": denoiser(pipeline).dtype}
    prompts, negatives = (None if text is None else list(text) for text in texts)
    if positive is None:
        return text_states(pipeline, prompts or [], negatives, both)
    rows = torch.cat([negative, positive]) if both else positive  # [n or 2 n, dim]
    added = {"image_embeds": rows.to(**fits)}
    if hints is not None:
        added["hint"] = torch.cat([hints, hints] if both else [hints]).to(**fits)
    if not family(pipeline).decoder_reads_text:
        return {"encoder_hidden_states": None, "added_cond_kwargs": added}
    added["text_embeds"], states, _ = pipeline._encode_prompt(
        prompts, fits["device"], 1, both, negatives
    )
    return {"encoder_hidden_states": states, "added_cond_kwargs": added}


def apply_guidance(
    predicted: torch.Tensor, guidance: float, channels: int, scheduler: Any
) -> torch.Tensor:
    """Apply classifier-free guidance: return u + guidance · (c − u) of [2 n, c, h/f, w/f].

    The unconditional half comes first; at guidance 1 there is none. The variance stands beside
    it if the scheduler reads it.
    """
    import torch

    rows, variance = predicted[:, :channels], predicted[:, channels:]
    if guidance > 1:
        uncond, cond = rows.chunk(2)  # [n, c, h/f, w/f] each
        rows, variance = uncond + guidance * (cond - uncond), variance.chunk(2)[1]
    learned = getattr(scheduler.config, "variance_type", None) in ("learned", "learned_range")
    return torch.cat([rows, variance], 1) if learned else rows


def text_states(
    pipeline: Any, prompts: Sequence[str], negatives: Sequence[str] | None, guided: bool
) -> dict[str, torch.Tensor]:
    """Return what Kandinsky 3's UNet is told of texts, by its own names.

    The states [rows, tokens, dim] of each text and which of them count, [rows, tokens]; the
    negative half first where `guided`. A text that says nothing is zeros of which none counts,
    as in the pipeline, which cuts negative texts to the prompts' length: here each has its own.
    Equal texts are read once. Call the UNet inside of `own_lengths`.
    """
    import torch

    texts = [*(negatives or [""] * len(prompts)), *prompts] if guided else list(prompts)
    distinct = list(dict.fromkeys(text for text in texts if text.strip())) or [""]
    wanted, _, mask, _ = pipeline.encode_prompt(
        distinct, False, device=pipeline._execution_device, _cut_context=True
    )
    rows = [distinct.index(text) if text.strip() else 0 for text in texts]
    said = torch.tensor([bool(text.strip()) for text in texts], device=mask.device)
    mask = mask[rows].bool() & said[:, None]  # [rows, tokens]
    wanted = wanted[rows].to(denoiser(pipeline).dtype) * mask[..., None]
    return {"encoder_hidden_states": wanted, "encoder_attention_mask": mask}


@contextmanager
def own_lengths(unet: Any) -> Iterator[None]:
    """Let Kandinsky 3's UNet sum up each text by its own tokens, whatever stands beside it.

    It asks by the mean of a text's places, which counts those that the batch's longest text
    needs. In here it counts those of the text and one more, as in a batch of it alone. Other
    UNets, which have all texts of one length, are left as they are.
    """
    summary = getattr(getattr(unet, "add_time_condition", None), "attention", None)
    if summary is None:
        yield
        return
    hook = summary.register_forward_pre_hook(lambda _, args: (_own_mean(*args[1:]), *args[1:]))
    try:
        yield
    finally:
        hook.remove()


def _own_mean(context: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean [rows, 1, dim] of the places that count, where `mask` is 0, and one more.

    One more, because the pipeline keeps one place of padding behind the longest text.
    """
    import torch

    places = context.shape[1]
    counted = ((mask[:, 0] == 0).sum(1, keepdim=True) + 1).clamp(max=places)  # [rows, 1]
    own = torch.arange(places, device=context.device) < counted  # [rows, places]
    total = (context.float() * own[..., None]).sum(1, keepdim=True)  # [rows, 1, dim]
    return (total / counted[..., None]).to(context.dtype)
