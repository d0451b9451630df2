"""Train the bundled model: ``python -m kandi_nb.mini.train STAGE --minutes N``.

Stages, in their order: judge, clip, movq, movq-decoder, prior, decoder-2.2; then, from that
decoder's weights, inpaint-2.2 and depth-2.2. Each goes on from its own checkpoint in
``--folder`` when there is one; judge, prior and the decoders also write their checkpoint folder
below ``--weights``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import (
    assemble,
    cards,
    loop,
    parts,
    stage_clip,
    stage_decoder,
    stage_depth,
    stage_inpaint,
    stage_judge,
    stage_movq,
    stage_prior,
)
from .data import Data, clip_towers
from .judge import network
from .loop import Loss, Plan
from .render import render_many
from .tokens import make_clip_tokenizer
from .world import scenes

Parts = tuple[nn.Module, Loss]


def _tokenizer(folder: Path):
    from transformers import CLIPTokenizer

    path = folder / "tokenizer"
    if not (path / "merges.txt").exists():
        make_clip_tokenizer(path)
    return CLIPTokenizer.from_pretrained(path)


def _judge(data: Data, plan: Plan) -> Parts:
    # The judge may know what the generator must not: it gets scenes of the held-out triples
    # too.
    extra = list(scenes(data.count // 5, held_out=True, salt="judge"))
    pictures = np.concatenate([data.pictures, render_many(extra, 64, workers=2)])
    plan.rate, plan.ema = 2e-3, 0.998
    return network(), stage_judge.loss_of(pictures, [*data.scenes, *extra])


def _clip(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 1e-3, 200, 0.998, 0.02
    tokenizer = _tokenizer(plan.folder)
    return stage_clip.Clip(), stage_clip.loss_of(data.pictures, data.scenes, tokenizer)


def _movq(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 1.2e-3, 200, 0.998, 0.001
    return parts.movq(data.size), stage_movq.loss_of(data.pictures, data.silhouettes)


def _movq_decoder(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup, plan.ema, plan.decay = 8e-4, 50, 0.998, 0.001
    latents = data.latents(plan.device)
    model = parts.movq(data.size)
    model.load_state_dict(loop.averaged(plan.folder, "movq"))
    for part in (model.encoder, model.quant_conv, model.quantize):
        part.requires_grad_(False)
    return model, stage_movq.decoder_loss_of(data.pictures, data.silhouettes, latents)


def _prior(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.ema = 1.5e-3, 0.998
    embeddings = data.embeddings(plan.device)
    text = clip_towers(plan.folder)[0].to(plan.device, plan.dtype)
    model = parts.prior(stage_prior.WINDOW)
    with torch.no_grad():
        model.clip_mean.copy_(embeddings.mean(0, keepdim=True))
        model.clip_std.copy_(embeddings.std(0, keepdim=True))
    model.clip_mean.requires_grad_(False)
    model.clip_std.requires_grad_(False)
    return model, stage_prior.loss_of(data.scenes, embeddings, text, _tokenizer(plan.folder))


def no_prompt(folder: Path) -> torch.Tensor:
    """Return the embedding (128,) that the pipelines take for "nothing asked"."""
    vision = clip_towers(folder)[1]
    with torch.inference_mode():
        return vision(torch.zeros(1, 3, 64, 64)).image_embeds[0].clone()


def _decoder(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup = 1e-3, 200
    latents, embeddings = data.latents(plan.device), data.embeddings(plan.device)
    return parts.unet(size=data.size), stage_decoder.loss_of(
        latents, embeddings, no_prompt(plan.folder)
    )


def _inpaint(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup = 6e-4, 100
    latents, embeddings = data.latents(plan.device), data.embeddings(plan.device)
    start = loop.averaged(plan.folder, "decoder-2.2")
    unet = stage_decoder.grown(parts.unet(parts.LATENT_CHANNELS + 1, size=data.size), start)
    masks = stage_inpaint.masks_of(data.silhouettes)
    return unet, stage_decoder.loss_of(latents, embeddings, no_prompt(plan.folder), extra=masks)


def _depth(data: Data, plan: Plan) -> Parts:
    plan.rate, plan.warmup = 6e-4, 100
    latents, embeddings = data.latents(plan.device), data.embeddings(plan.device)
    start = loop.averaged(plan.folder, "decoder-2.2")
    unet = stage_decoder.grown(parts.unet(4, hint=True, size=data.size), start)
    hints = stage_depth.hints_of(data.depths)
    return unet, stage_decoder.loss_of(latents, embeddings, no_prompt(plan.folder), extra=hints)


STAGES: dict[str, Callable[[Data, Plan], Parts]] = {
    "judge": _judge,
    "clip": _clip,
    "movq": _movq,
    "movq-decoder": _movq_decoder,
    "prior": _prior,
    "decoder-2.2": _decoder,
    "inpaint-2.2": _inpaint,
    "depth-2.2": _depth,
}


def land(stage: str, data: Data, weights: Path = assemble.WEIGHTS) -> Path | None:
    """Write the checkpoint folder that a stage completes, from its average weights."""
    folder = data.folder
    if stage == "judge":
        net = network()
        net.load_state_dict(loop.averaged(folder, "judge"))
        return assemble.save_judge(net, weights)
    if stage == "prior":
        short = parts.prior(stage_prior.WINDOW)
        short.load_state_dict(loop.averaged(folder, "prior"))
        text, vision = clip_towers(folder)
        prior = stage_prior.lengthen(short)
        return assemble.save_prior(prior, text, vision, folder / "tokenizer", weights)
    decoders = {
        "decoder-2.2": ({}, assemble.DECODER),
        "inpaint-2.2": ({"extra": parts.LATENT_CHANNELS + 1}, assemble.INPAINT),
        "depth-2.2": ({"extra": 4, "hint": True}, assemble.DEPTH),
    }
    if stage not in decoders:
        return None
    shape, name = decoders[stage]
    unet = parts.unet(**shape, size=data.size)
    unet.load_state_dict(loop.averaged(folder, stage))
    return assemble.save_decoder(unet, _movq_of(data), weights, name)


def _movq_of(data: Data) -> nn.Module:
    """Return the trained MoVQ, with the sharper decoder if there is one, and fit its codes."""
    movq = parts.movq(data.size)
    sharper = (data.folder / "movq-decoder.safetensors").exists()
    movq.load_state_dict(loop.averaged(data.folder, "movq-decoder" if sharper else "movq"))
    stage_movq.fit_codebook(movq, data.latents())
    return movq


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="kandi-nb mini train", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument(
        "--minutes",
        type=float,
        default=20.0,
        help="training time in all, earlier runs counted in",
    )
    parser.add_argument("--steps", type=int, help="length in steps instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--size", type=int, choices=(64, 128), default=64, help="pixels of the pictures"
    )
    parser.add_argument(
        "--scenes", type=int, default=40_000, help="how many scenes to learn from"
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument(
        "--folder", type=Path, default=Path("training"), help="checkpoints and logs"
    )
    parser.add_argument(
        "--land",
        action="store_true",
        help="write the weights of the checkpoint as it is, and stop",
    )
    parser.add_argument(
        "--weights", type=Path, default=assemble.WEIGHTS, help="where checkpoint folders land"
    )
    given = parser.parse_args(argv)
    if given.threads:
        torch.set_num_threads(given.threads)
    torch.manual_seed(loop.seed_of(given.stage, -1))
    data = Data(given.folder, given.scenes, given.size)
    if not given.land:
        plan = Plan(given.stage, given.folder, given.minutes, given.steps, device=given.device)
        module, loss_of = STAGES[given.stage](data, plan)
        loop.train(plan, module, loss_of)
        cards.record(given.stage, plan.log, cards.hardware(given.device), given.weights)
    path = land(given.stage, data, given.weights)
    if path:
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
