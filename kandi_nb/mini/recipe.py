"""The recipe of the bundled family: what each stage builds, and how fast it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from filelock import FileLock
from torch import nn

from . import (
    assemble,
    names,
    parts,
    pieces,
    record,
    stage_clip,
    stage_decoder,
    stage_depth,
    stage_inpaint,
    stage_judge,
    stage_movq,
    stage_prior,
    stage_reading,
    stage_text,
    trained,
)
from .data import Data
from .judge import network
from .loop import Loss, Plan
from .render import render_many
from .stage_decoder import Extra
from .tokens import make_clip_tokenizer
from .world import scenes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Parts = tuple[nn.Module, Loss]

# ---- tokenizers: those of the training folder, else those that have landed


_TOKENIZERS = {
    "clip": ("CLIPTokenizer", names.PRIOR, make_clip_tokenizer),
    "xlm-r": ("XLMRobertaTokenizer", names.DECODER_21, pieces.make_xlm_r_tokenizer),
    "t5": ("T5Tokenizer", names.KANDINSKY_3, pieces.make_t5_tokenizer),
}


def tokenizer_folder(data: Data, kind: str) -> Path:
    """Return the folder of the tokenizer "clip", "xlm-r" or "t5"; learn it if there is none."""
    _, landed, make = _TOKENIZERS[kind]
    folder = data.folder / ("tokenizer" if kind == "clip" else kind)
    last = "merges.txt" if kind == "clip" else "tokenizer_config.json"  # whole if it is there
    data.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(data.folder / f"tokenizer-{kind}.lock"):  # one process learns, others wait
        for place in (folder, data.weights / landed / "tokenizer"):
            if (place / last).exists():
                return place
        make(folder)
    return folder


def tokenizer(data: Data, kind: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer "clip", "xlm-r" or "t5"."""
    import transformers

    kind_of = getattr(transformers, _TOKENIZERS[kind][0])
    return kind_of.from_pretrained(tokenizer_folder(data, kind))


# ---- what each stage builds


def _judge(data: Data, plan: Plan) -> Parts:
    # The judge may know what the generator must not: it gets scenes of the held-out triples
    # too.
    extra = list(scenes(data.count // 5, held_out=True, salt="judge"))
    pictures = np.concatenate([data.pictures, render_many(extra, 64, workers=2)])
    plan.rate, plan.ema = 2e-3, 0.998
    seen = [*data.scenes, *extra]
    return network(), stage_judge.loss_of(pictures, seen, data.blended, data.blends)


def _clip(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 1e-3, 200, 0.998, 0.02
    loss = stage_clip.loss_of(data.pictures, data.scenes, tokenizer(data, "clip"))
    return stage_clip.Clip(), loss


def _movq(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 1.2e-3, 200, 0.998, 0.001
    return parts.movq(data.size), stage_movq.loss_of(data.pictures, data.silhouettes)


def _movq_decoder(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 8e-4, 50, 0.998, 0.001
    latents = data.latents(plan.device)
    model = parts.movq(data.size)
    model.load_state_dict(trained.weights_of("movq", data.folder, data.weights))
    for part in (model.encoder, model.quant_conv, model.quantize):
        part.requires_grad_(False)
    return model, stage_movq.decoder_loss_of(data.pictures, data.silhouettes, latents)


def _prior(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.ema = 1.5e-3, 0.998
    embeddings = data.embeddings(plan.device)
    text = trained.clip_towers(data.folder, data.weights)[0].to(plan.device, plan.dtype)
    model = parts.prior(stage_prior.WINDOW)
    with torch.no_grad():
        model.clip_mean.copy_(embeddings.mean(0, keepdim=True))
        model.clip_std.copy_(embeddings.std(0, keepdim=True))
    model.clip_mean.requires_grad_(False)
    model.clip_std.requires_grad_(False)
    return model, stage_prior.loss_of(data.scenes, embeddings, text, tokenizer(data, "clip"))


def no_prompt(data: Data) -> torch.Tensor:
    """Return the embedding (128,) that the pipelines take for "nothing asked"."""
    vision = trained.clip_towers(data.folder, data.weights)[1]
    with torch.inference_mode():
        return vision(torch.zeros(1, 3, 64, 64)).image_embeds[0].clone()


def _with_mixtures(data: Data, plan: Plan, times: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Return latents and embeddings of all pictures, and behind them of all mixtures.

    ``times`` is how often the mixtures are there, and with it how often they are met.
    """
    device = plan.device
    latents = [data.latents(device)] + times * [data.latents(device, blended=True)]
    embeddings = [data.embeddings(device)] + times * [data.mixtures(device)]
    return torch.cat(latents), torch.cat(embeddings)


def _pictured(data: Data, plan: Plan) -> stage_decoder.Told:
    return stage_decoder.pictured(data.embeddings(plan.device), no_prompt(data))


def _decoder(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup = 1e-3, 200
    latents, embeddings = _with_mixtures(data, plan)
    told = stage_decoder.pictured(embeddings, no_prompt(data))
    return parts.unet(size=data.size), stage_decoder.loss_of(latents, told)


def _continued(
    stage: str, start: str, data: Data, plan: Plan, told: stage_decoder.Told, extra: Extra
) -> Parts:
    """Go on from the decoder ``start`` with what ``extra`` tells beside.

    From 2.2's decoder the coarsest part stays as it is: its weights lie in one file, which the
    folders have in common.
    """
    plan.rate, plan.warmup = 6e-4, 100
    loss = stage_decoder.loss_of(data.latents(plan.device), told, extra=extra)
    unet = _grown(stage, start, data, plan)
    if start == "decoder-2.2":
        for name, weight in unet.named_parameters():
            weight.requires_grad_(not name.startswith(assemble.SHARED))
    return unet, loss


def _grown(stage: str, start: str, data: Data, plan: Plan) -> nn.Module:
    plan.began = record.trained_so_far(start, start, data.weights)
    weights = trained.weights_of(start, data.folder, data.weights)
    return stage_decoder.grown(parts.unet(**SHAPES[stage], size=data.size), weights)


def _inpaint(data: Data, plan: Plan) -> Parts:
    told, masks = _pictured(data, plan), stage_inpaint.masks_of(data.silhouettes)
    return _continued("inpaint-2.2", "decoder-2.2", data, plan, told, masks)


def _depth(data: Data, plan: Plan) -> Parts:
    told, hints = _pictured(data, plan), stage_depth.hints_of(data.depths)
    return _continued("depth-2.2", "decoder-2.2", data, plan, told, hints)


def _text(encoder: nn.Module, kind: str, data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 1e-3, 200, 0.998, 0.02
    clip = trained.clip_towers(data.folder, data.weights)[0].to(plan.device)
    loss = stage_text.loss_of(data.scenes, tokenizer(data, kind), clip, tokenizer(data, "clip"))
    return stage_text.TextEncoder(encoder), loss


def _text_21(data: Data, plan: Plan) -> Parts:
    return _text(parts.multilingual_clip(), "xlm-r", data, plan)


def _text_3(data: Data, plan: Plan) -> Parts:
    return _text(parts.t5(), "t5", data, plan)


def encoder_of(stage: str, data: Data) -> nn.Module:
    """Return the trained text encoder of the stage `text-2.1` or `text-3`, frozen."""
    made = parts.multilingual_clip() if stage == "text-2.1" else parts.t5()
    weights = trained.weights_of(stage, data.folder, data.weights)
    return trained.loaded(made, weights, "encoder.")


def _written(data: Data, plan: Plan, embeddings: torch.Tensor) -> stage_decoder.Told:
    encoder = encoder_of("text-2.1", data).to(plan.device, plan.dtype)
    words = tokenizer(data, "xlm-r")
    return stage_reading.told_21(data.scenes, embeddings, no_prompt(data), words, encoder)


def _decoder_21(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup = 8e-4, 200
    # It learns fewer samples a second than 2.2's, and mixtures more slowly than the rest.
    latents, embeddings = _with_mixtures(data, plan, times=2)
    loss = stage_decoder.loss_of(latents, _written(data, plan, embeddings))
    return _grown("decoder-2.1", "decoder-2.2", data, plan), loss


def _inpaint_21(data: Data, plan: Plan) -> Parts:
    told = _written(data, plan, data.embeddings(plan.device))
    masks = stage_inpaint.masks_of(data.silhouettes)
    return _continued("inpaint-2.1", "decoder-2.1", data, plan, told, masks)


def _decoder_3(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup = 1e-3, 200
    encoder = encoder_of("text-3", data).to(plan.device, plan.dtype)
    told = stage_reading.told_3(data.scenes, tokenizer(data, "t5"), encoder)
    alphas = stage_decoder.schedule(parts.scheduler_3())
    loss = stage_decoder.loss_of(data.latents(plan.device), told, alphas=alphas)
    return parts.unet_3(), loss


STAGES: dict[str, Callable[[Data, Plan], Parts]] = {
    "judge": _judge,
    "clip": _clip,
    "movq": _movq,
    "movq-decoder": _movq_decoder,
    "prior": _prior,
    "decoder-2.2": _decoder,
    "inpaint-2.2": _inpaint,
    "depth-2.2": _depth,
    "text-2.1": _text_21,
    "decoder-2.1": _decoder_21,
    "inpaint-2.1": _inpaint_21,
    "text-3": _text_3,
    "decoder-3": _decoder_3,
}

# The keywords of `parts.unet` for each 2.x decoder.
_MASKED = parts.LATENT_CHANNELS + 1
SHAPES: dict[str, dict] = {
    "decoder-2.2": {},
    "inpaint-2.2": {"extra": _MASKED},
    "depth-2.2": {"extra": 4, "hint": True},
    "decoder-2.1": {"text": True},
    "inpaint-2.1": {"text": True, "extra": _MASKED},
}
