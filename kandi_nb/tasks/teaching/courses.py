"""The loss of each part of a model over prepared pictures, as each training step takes it.

Beside the new pictures stand some that the model draws anyway (prior preservation, Ruiz et al.
2023): of those it shall think as it did before, which is what the same network says with its
new matrices muted. So nothing else is pulled along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...model.adapters.lora import muted
from ...model.loading.kandinsky import Kandinsky
from ...model.speed.padding import without_places
from .losses import diffusion_loss, predicted_embeddings
from .prepared import Prepared
from .training import Loss

if TYPE_CHECKING:
    import torch

KEPT = 0.5  # old pictures a step for each new one
LOYALTY = 4.0  # weight of the old ones' squared change beside the loss of the new ones
UNSAID = 0.2  # share of the old ones without text or embedding, from which guidance starts
NOISE = 0.1  # on an embedding, in deviations: the prior's are never exact
SMALL = 128  # pixels: above that side a batch is small, and activations are computed twice
# Pictures a step: of small pictures, and of others.
BATCHES = {"prior": (32, 16), "decoder": (8, 2)}


def loss_of(part: str, k: Kandinsky, prepared: Prepared, batch: int | None) -> Loss:
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
        with torch.no_grad(), muted(network):
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
        embeddings = prepared.embeddings[index]
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
        clean = torch.stack([prepared.latents[n] for n in index.tolist()])
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.randint(len(alphas), (len(index),), generator=generator)
        at = alphas[t].view(-1, 1, 1, 1)
        noisy = at.sqrt() * clean + (1 - at).sqrt() * noise
        blur = torch.randn(len(index), len(spread), generator=generator)
        rows = prepared.embeddings[index] + NOISE * spread * blur
        rows = torch.where(unsaid[..., None], prepared.nothing, rows)
        weight = network.conv_in.weight
        fits = {"device": weight.device, "dtype": weight.dtype}
        said = _said(prepared, index, rows, unsaid, fits)
        out = network(noisy.to(**fits), t.to(weight.device), **said).sample
        return out.float(), (noise, clean, noisy, t)

    def new(network: Any, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        out, rest = both(network, index, generator, nobody)
        return diffusion_loss(out, *(each.to(out.device) for each in (*rest, alphas)), limit)[0]

    def predicted(
        network: Any, index: torch.Tensor, generator: torch.Generator, unsaid: torch.Tensor
    ) -> torch.Tensor:
        return both(network, index, generator, unsaid)[0]

    return new, predicted


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
