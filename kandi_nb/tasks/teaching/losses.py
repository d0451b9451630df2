"""What the two stages are taught by: the published noise, and what they predict of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

GAMMA = 5  # of the min-SNR weights, as Hang et al. 2023 recommend
BOUND = 0.01  # weight of the variance's bound; Nichol & Dhariwal 2021 take 0.001


def diffusion_loss(
    out: torch.Tensor,
    noise: torch.Tensor,
    clean: torch.Tensor,
    noisy: torch.Tensor,
    t: torch.Tensor,
    alphas: torch.Tensor,
    clip: float = 4,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the loss of a prediction ``out`` (b, 2 c, h, w) of noise and its variance.

    A UNet with ``out`` (b, c, h, w) predicts the noise alone. ``noise``, ``clean`` and
    ``noisy`` are (b, c, h, w), ``t`` (b,) the steps and ``alphas`` (1000,) their schedule;
    ``clip`` is `clip_sample_range` of the scheduler. Returned are the loss, a scalar, the
    squared error of each sample (b,), and the bound.

    The squared error of the noise with min-SNR weights (Hang et al. 2023, gamma 5) plus, for
    the variance only, the variational bound of Nichol & Dhariwal 2021 (their eq. 15 and 16).
    """
    import torch

    alone = out.shape[1] == noise.shape[1]
    predicted, between = (out.float(), None) if alone else out.float().chunk(2, 1)
    a = alphas[t].view(-1, 1, 1, 1)
    before = torch.where(t > 0, alphas[(t - 1).clamp_min(0)], 1.0).view(-1, 1, 1, 1)
    weight = (GAMMA * (1 - a) / a).clamp_max(1)
    error = (predicted - noise).square().mean((1, 2, 3), keepdim=True)
    if between is None:
        return (weight * error).mean(), error.flatten(), torch.zeros(())
    beta = 1 - a / before
    small = (beta * (1 - before) / (1 - a)).clamp_min(1e-8).log()
    guess = (noisy - (1 - a).sqrt() * predicted.detach()) / a.sqrt()
    guess = guess.clamp(-clip, clip)
    # Between the posterior means: the noisy latent's share is the same in both and cancels.
    gap = before.sqrt() * beta / (1 - a) * (guess - clean)
    mix = (between + 1) / 2
    wide = mix * beta.log() + (1 - mix) * small
    bound = wide - small + (small - wide).exp() + gap.square() * (-wide).exp() - 1
    bound = (0.5 * bound.mean((1, 2, 3)) * (t > 0)).mean()
    return (weight * error).mean() + BOUND * bound, error.flatten(), bound


def predicted_embeddings(
    model: torch.nn.Module,
    embeddings: torch.Tensor,
    noise: torch.Tensor,
    t: torch.Tensor,
    a: torch.Tensor,
    text_embeds: torch.Tensor,
    states: torch.Tensor,
    mask: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a prior makes of noised embeddings (b, dim), and what it should.

    ``noise`` is (b, dim), ``t`` (b,) the steps and ``a`` (b,) their cumulative alphas;
    ``text_embeds`` (b, dim), ``states`` (b, tokens, width) and ``mask`` (b, tokens) are what
    CLIP reads. The prior predicts the clean, standardised embedding (`prediction_type`
    "sample"), as the published one does. Both are float32 (b, dim).
    """
    dtype = next(model.parameters()).dtype
    clean = (embeddings - model.clip_mean.float()) / model.clip_std.float()
    a = a[:, None]
    noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
    predicted = model(
        noisy.to(dtype),
        t,
        proj_embedding=text_embeds.to(dtype),
        encoder_hidden_states=states.to(dtype),
        attention_mask=mask,
    ).predicted_image_embedding
    return predicted.float(), clean


def embedding_errors(*words: Any) -> torch.Tensor:
    """Return how far a prior is off, (b,): mean squared errors; see `predicted_embeddings`."""
    predicted, clean = predicted_embeddings(*words)
    return (predicted - clean).square().mean(1)
