"""What the two stages are taught by: the published noise, and what they predict of it.

Beside the new pictures stand some that the model draws anyway (prior preservation, Ruiz et al.
2023): of those it shall think as it did before, which is what the same network says with its
new matrices muted. So nothing else is pulled along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...model.adapters.lora import mute
from ...model.loading.kandinsky import Kandinsky
from ...model.speed.padding import without_places
from .prepared import Prepared
from .training import Loss

if TYPE_CHECKING:
    import torch

GAMMA = 5  # of the min-SNR weights, as Hang et al. 2023 recommend
BOUND = 0.01  # weight of the variance's bound; Nichol & Dhariwal 2021 take 0.001
KEPT = 0.5  # old pictures a step for each new one
LOYALTY = 4.0  # weight of the old ones' squared change beside the loss of the new ones
UNSAID = 0.2  # share of the old ones without text or embedding, from which guidance starts
NOISE = 0.1  # on an embedding, in deviations: the prior's are never exact
SMALL = 128  # pixels: above that side a batch is small, and activations are computed twice
# Pictures a step: of small pictures, and of others.
BATCHES = {"prior": (32, 16), "decoder": (8, 2)}


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
    a = alphas[t].view(-1, 1, 1, 1)  # (b, 1, 1, 1)
    before = torch.where(t > 0, alphas[(t - 1).clamp_min(0)], 1.0).view(-1, 1, 1, 1)
    weight = (GAMMA * (1 - a) / a).clamp_max(1)
    error = (predicted - noise).square().mean((1, 2, 3), keepdim=True)  # (b, 1, 1, 1)
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
    a = a[:, None]  # (b, 1)
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


def part_loss(part: str, k: Kandinsky, prepared: Prepared, batch: int | None) -> Loss:
    """Return the loss of a part, "prior" or "decoder", with `batch` new pictures a step."""
    import torch

    size = batch or BATCHES[part][k.spec.native_size > SMALL]
    few = max(1, round(KEPT * size))
    new, predicted = (_of_prior if part == "prior" else _of_decoder)(k, prepared)

    def loss(network: Any, generator: torch.Generator) -> torch.Tensor:
        total = new(network, prepared.batch(size, generator), generator)
        if not prepared.kept:
            return total
        index = prepared.kept_batch(few, generator)
        unsaid = torch.rand(few, generator=generator) < UNSAID
        state = generator.get_state()
        now = predicted(network, index, generator, unsaid)
        with torch.no_grad(), mute(network):
            generator.set_state(state)  # the same noise
            before = predicted(network, index, generator, unsaid)
        return total + LOYALTY * (now - before).square().mean()

    return loss


def _of_prior(k: Kandinsky, prepared: Prepared) -> tuple[Any, Any]:
    """Return the loss of new pictures, and what a prior predicts of others."""
    import torch

    read, alphas = prepared.read, k.prior.scheduler.alphas_cumprod
    longest = int(read.mask.sum(1).max())
    empty = len(read.embeds) - 1

    def both(
        network: Any, index: torch.Tensor, generator: torch.Generator, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = prepared.embeddings[index]  # (b, dim)
        t = torch.randint(len(alphas), (len(index),), generator=generator)
        noise = torch.randn(embeddings.shape, generator=generator)
        said = read.embeds[text], read.states[text, :longest], read.mask[text, :longest]
        where = network.positional_embedding.device
        return predicted_embeddings(
            without_places(network, longest, read.mask.shape[1]),
            *(each.to(where) for each in (embeddings, noise, t, alphas[t], *said)),
        )

    def new(network: Any, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        predicted, clean = both(network, index, generator, prepared.captions[index])
        return (predicted - clean).square().mean()

    def predicted(
        network: Any, index: torch.Tensor, generator: torch.Generator, unsaid: torch.Tensor
    ) -> torch.Tensor:
        text = torch.where(unsaid, empty, prepared.captions[index])
        return both(network, index, generator, text)[0]

    return new, predicted


def _of_decoder(k: Kandinsky, prepared: Prepared) -> tuple[Any, Any]:
    """Return the loss of new pictures, and what a UNet predicts of others."""
    import torch

    own = k.loop().own
    limit = own.config.clip_sample_range if own.config.clip_sample else 1e4
    alphas = own.alphas_cumprod
    spread = _spread(prepared.embeddings[: len(prepared.embeddings) - prepared.kept])
    nobody = torch.tensor(False)

    def both(
        network: Any, index: torch.Tensor, generator: torch.Generator, unsaid: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        clean = torch.stack([prepared.latents[n] for n in index.tolist()])  # (b, 4, h, w)
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.randint(len(alphas), (len(index),), generator=generator)
        at = alphas[t].view(-1, 1, 1, 1)  # (b, 1, 1, 1)
        noisy = at.sqrt() * clean + (1 - at).sqrt() * noise
        blur = torch.randn(len(index), len(spread), generator=generator)
        rows = prepared.embeddings[index] + NOISE * spread * blur  # (b, dim)
        rows = torch.where(unsaid[..., None], prepared.nothing, rows)
        weight = network.conv_in.weight
        fits = {"device": weight.device, "dtype": weight.dtype}
        said = _conditions(prepared, index, rows, unsaid, fits)
        out = network(noisy.to(**fits), t.to(weight.device), **said).sample
        return out.float(), (noise, clean, noisy, t)

    def new(network: Any, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        out, rest = both(network, index, generator, nobody)
        noise, clean, noisy, t, levels = (each.to(out.device) for each in (*rest, alphas))
        return diffusion_loss(out, noise, clean, noisy, t, levels, limit)[0]

    def predicted(
        network: Any, index: torch.Tensor, generator: torch.Generator, unsaid: torch.Tensor
    ) -> torch.Tensor:
        return both(network, index, generator, unsaid)[0]

    return new, predicted


def _conditions(
    prepared: Prepared,
    index: torch.Tensor,
    rows: torch.Tensor,
    unsaid: torch.Tensor,
    fits: dict[str, Any],
) -> dict[str, Any]:
    """Return what a UNet is told: the embedding, and the text where it reads that itself."""
    import torch

    added = {"image_embeds": rows.to(**fits)}
    if prepared.decoded is None:
        return {"encoder_hidden_states": None, "added_cond_kwargs": added}
    texts = prepared.decoded
    text = torch.where(unsaid, len(texts.embeds) - 1, prepared.captions[index])
    added["text_embeds"] = texts.embeds[text].to(**fits)
    return {"encoder_hidden_states": texts.states[text].to(**fits), "added_cond_kwargs": added}


def _spread(embeddings: torch.Tensor) -> torch.Tensor:
    """Return the deviation of each number over the pictures; none for a single one."""
    return embeddings.std(0) if len(embeddings) > 1 else embeddings[0] * 0
