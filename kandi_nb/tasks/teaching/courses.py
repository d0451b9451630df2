"""The loss of each part of a model over prepared pictures, as each training step takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.speed import without_places
from .losses import diffusion_loss, embedding_errors
from .prepared import Prepared
from .training import Loss

if TYPE_CHECKING:
    import torch

DROPPED = 0.1  # share of captions and embeddings left out, which guidance needs
NOISE = 0.1  # on an embedding, in deviations: the prior's are never exact
SMALL = 128  # pixels: above that side a batch is small, and activations are computed twice
# Pictures a step: of small pictures, and of others.
BATCHES = {"prior": (32, 16), "decoder": (16, 2)}


def loss_of(part: str, k: Kandinsky, prepared: Prepared, batch: int | None) -> Loss:
    """Return the loss of a part, "prior" or "decoder", with `batch` pictures a step."""
    size = batch or BATCHES[part][k.spec.native_size > SMALL]
    return (_prior_loss if part == "prior" else _decoder_loss)(k, prepared, size)


def _prior_loss(k: Kandinsky, prepared: Prepared, size: int) -> Loss:
    import torch

    read, alphas = prepared.read, k.prior.scheduler.alphas_cumprod
    longest = int(read.mask.sum(1).max())
    empty = len(read.embeds) - 1

    def loss(network: Any, generator: torch.Generator) -> torch.Tensor:
        index = torch.randint(len(prepared.captions), (size,), generator=generator)
        text = prepared.captions[index]
        text = torch.where(_chance(size, generator) < DROPPED, empty, text)
        t = torch.randint(len(alphas), (size,), generator=generator)
        embeddings = prepared.embeddings[index]
        noise = torch.randn(embeddings.shape, generator=generator)
        where = network.positional_embedding.device
        short = without_places(network, longest, read.mask.shape[1])
        errors = embedding_errors(
            short,
            *(
                each.to(where)
                for each in (
                    embeddings,
                    noise,
                    t,
                    alphas[t],
                    read.embeds[text],
                    read.states[text, :longest],
                    read.mask[text, :longest],
                )
            ),
        )
        return errors.mean()

    return loss


def _decoder_loss(k: Kandinsky, prepared: Prepared, size: int) -> Loss:
    import torch

    own = k.loop().own
    limit = own.config.clip_sample_range if own.config.clip_sample else 1e4
    alphas, spread = own.alphas_cumprod, _spread(prepared.embeddings)

    def loss(network: Any, generator: torch.Generator) -> torch.Tensor:
        index = prepared.batch(size, generator)
        clean = torch.stack([prepared.latents[n] for n in index.tolist()])
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.randint(len(alphas), (size,), generator=generator)
        at = alphas[t].view(-1, 1, 1, 1)
        noisy = at.sqrt() * clean + (1 - at).sqrt() * noise
        blur = torch.randn(size, len(spread), generator=generator)
        rows = prepared.embeddings[index] + NOISE * spread * blur
        unsaid = _chance(size, generator) < DROPPED
        rows[unsaid] = prepared.nothing
        weight = network.conv_in.weight
        where, fits = weight.device, {"device": weight.device, "dtype": weight.dtype}
        out = network(
            noisy.to(**fits), t.to(where), **_said(prepared, index, rows, unsaid, fits)
        ).sample
        return diffusion_loss(
            out, *(each.to(where) for each in (noise, clean, noisy, t, alphas)), limit
        )[0]

    return loss


def _said(
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


def _chance(size: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    return torch.rand(size, generator=generator)
