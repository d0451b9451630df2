"""The stages of the 2.x decoders: learn to draw latents from a picture embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ....tasks.teaching.losses import diffusion_loss
from .. import networks
from ..loop import Loss, Plan

if TYPE_CHECKING:
    from ..data import Data

DROPPED = 0.1  # share of embeddings replaced by the black picture's, which guidance needs
NOISE = 0.1  # on the standardised embedding: the prior's are never exact
BATCH = 64
LATE = 700  # of 1000 steps: above it little but noise is left

# ``index`` (b,) and generator → keyword arguments of the UNet that say what to draw.
Conditioning = Callable[[torch.Tensor, torch.Generator], dict[str, Any]]
# ``index`` (b,), clean latents (b, c, h, w) and generator → what lies beside the latents.
Extra = Callable[[torch.Tensor, torch.Tensor, torch.Generator], dict[str, torch.Tensor]]


def schedule(settings: dict | None = None) -> torch.Tensor:
    """Return the cumulative products of alpha (1000,) of a schedule, by default the 2.x one."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(**(settings or networks.decoder_scheduler())).alphas_cumprod


def picture_conditioning(embeddings: torch.Tensor, nothing: torch.Tensor) -> Conditioning:
    """Condition 2.2's UNet on picture embeddings (n, 128), blurred a little.

    ``nothing`` (128,) is the embedding that the pipelines take for no prompt.
    """
    spread = embeddings.std(0)

    def conditioning(index: torch.Tensor, generator: torch.Generator) -> dict[str, Any]:
        e = embeddings[index] + NOISE * spread * torch.randn(len(index), embeddings.shape[1])
        e[torch.rand(len(index)) < DROPPED] = nothing
        return {"encoder_hidden_states": None, "added_cond_kwargs": {"image_embeds": e}}

    return conditioning


def denoising_loss_of(
    latents: torch.Tensor,
    conditioning: Conditioning,
    batch: int = BATCH,
    extra: Extra | None = None,
    alphas: torch.Tensor | None = None,
) -> Loss:
    """Return the loss of latents (n, c, h, w) that are drawn under some conditioning.

    ``conditioning(index, generator)`` gives keyword arguments of the UNet. ``extra(index,
    clean, generator)`` gives what lies beside: "channels" (b, c, 8, 8) to put beside the noisy
    latents, or "hint" (b, 3, 64, 64). ``alphas`` is another schedule than the 2.x decoders'.
    """
    alphas = schedule() if alphas is None else alphas

    def loss(model: nn.Module, generator: torch.Generator):
        p = next(model.parameters())
        index = torch.randint(len(latents), (batch,), generator=generator)
        clean = latents[index].to(p.device, torch.float32)
        arguments = conditioning(index, generator)
        beside = extra(index, clean, generator) if extra else {}
        t = torch.randint(1000, (batch,), generator=generator).to(p.device)
        noise = torch.randn_like(clean)
        a = alphas.to(p.device)
        at = a[t].view(-1, 1, 1, 1)  # (b, 1, 1, 1)
        noisy = at.sqrt() * clean + (1 - at).sqrt() * noise
        x = noisy
        if "channels" in beside:
            x = torch.cat([noisy, beside["channels"].to(noisy)], 1)  # (b, 2 c + 1, h, w)
        if "hint" in beside:
            arguments["added_cond_kwargs"]["hint"] = beside["hint"]
        x = x.to(p.dtype).contiguous(memory_format=torch.channels_last)
        out = model(x, t, **_to(arguments, p)).sample
        total, error, bound = diffusion_loss(out, noise, clean, noisy, t, a)
        late = error[t > LATE]
        figures = {"error": error.mean().item(), "bound": bound.item()}
        return total, figures | {"late": late.mean().item() if len(late) else 0.0}

    return loss


def _to(value: Any, like: torch.Tensor) -> Any:
    """Return keyword arguments with their tensors on the device and in the dtype of one."""
    if isinstance(value, dict):
        return {name: _to(each, like) for name, each in value.items()}
    return value.to(like.device, like.dtype) if isinstance(value, torch.Tensor) else value


def widen(unet: nn.Module, weights: dict[str, torch.Tensor]) -> nn.Module:
    """Load a decoder's weights into a UNet with more inputs; what is new starts silent.

    The first convolution's new channels are zeros, so that training starts from the decoder.
    2.1 turns the picture embedding into fewer tokens than 2.2, and takes the first of them.
    """
    mine = unet.state_dict()
    for name, weight in weights.items():
        if name not in mine:
            continue
        if name == "conv_in.weight":
            mine[name].zero_()
            mine[name][:, : weight.shape[1]] = weight
        elif name.startswith("encoder_hid_proj.image_embeds."):
            mine[name].copy_(weight[: len(mine[name])])
        elif mine[name].shape == weight.shape:
            mine[name].copy_(weight)
    unet.load_state_dict(mine)
    return unet


def with_mixtures(data: Data, plan: Plan, times: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Return latents and embeddings of all pictures, and behind them of all mixtures.

    ``times`` is how often the mixtures are there, and with it how often they are met.
    """
    device = plan.device
    latents = [data.latents(device)] + times * [data.latents(device, blended=True)]
    embeddings = [data.embeddings(device)] + times * [data.mixtures(device)]
    return torch.cat(latents), torch.cat(embeddings)


def decoder_loss(data: Data, plan: Plan) -> Loss:
    """Return the loss of 2.2's decoder, of all pictures and mixtures."""
    latents, embeddings = with_mixtures(data, plan)
    return denoising_loss_of(
        latents, picture_conditioning(embeddings, data.store.no_prompt()), plan.batch or BATCH
    )
