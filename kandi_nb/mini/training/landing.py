"""Write the checkpoint folders that a trained stage completes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import assemble, networks
from .losses.movq import fit_codebook
from .losses.prior import lengthen

if TYPE_CHECKING:
    from torch import nn

    from .data import Data
    from .stages import Stage


def judge(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the judge's weights."""
    return [assemble.save_judge(network, data.weights)]


def priors(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the folders of both priors, with room for texts of any length."""
    text, vision = data.trained.clip_towers()
    prior, tokenizer = lengthen(network), data.trained.tokenizer_folder("clip")
    names = [checkpoint.name for checkpoint in stage.checkpoints]
    kinds = [checkpoint.pipeline for checkpoint in stage.checkpoints]
    return assemble.save_priors(
        dict(zip(names, kinds, strict=True)), prior, text, vision, tokenizer, data.weights
    )


def decoder_22(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the folder of a decoder of 2.2."""
    (checkpoint,) = stage.checkpoints
    return [assemble.save_decoder(checkpoint, network, movq(data), weights=data.weights)]


def decoder_21(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the folder of a decoder of 2.1, which reads texts."""
    (checkpoint,) = stage.checkpoints
    encoder, tokenizer = data.trained.encoder("text-2.1"), data.trained.tokenizer("xlm-r")
    return [
        assemble.save_decoder(
            checkpoint, network, movq(data), encoder, tokenizer, weights=data.weights
        )
    ]


def decoder_3(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write Kandinsky 3's folder."""
    (checkpoint,) = stage.checkpoints
    encoder, tokenizer = data.trained.encoder("text-3"), data.trained.tokenizer("t5")
    return [assemble.save_3(checkpoint, network, movq(data), encoder, tokenizer, data.weights)]


def movq(data: Data) -> nn.Module:
    """Return the MoVQ as it is to land: with the sharper decoder if there is one, codes fitted.

    A landed one comes back as it is, byte for byte, so that all folders hold one file.
    """
    stage = "movq-decoder" if data.trained.checkpointed("movq-decoder") else "movq"
    network = networks.loaded(networks.movq(data.size), data.trained.weights_of(stage))
    if data.trained.checkpointed(stage):
        fit_codebook(network, data.latents())
    return network
