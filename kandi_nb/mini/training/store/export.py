"""Write the checkpoint folders that a trained stage completes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import networks
from ..losses.movq import fit_codebook
from ..losses.prior import lengthen
from . import assemble

if TYPE_CHECKING:
    from torch import nn

    from ..data import Data
    from ..stage import Stage


def judge(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the judge's weights."""
    return [assemble.save_judge(network, data.weights)]


def priors(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the folders of both priors, with room for texts of any length."""
    text, vision = data.store.clip_towers()
    prior, tokenizer = lengthen(network), data.store.tokenizer_folder("clip")
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
    encoder, tokenizer = data.store.encoder("text-2.1"), data.store.tokenizer("xlm-r")
    return [
        assemble.save_decoder(
            checkpoint, network, movq(data), encoder, tokenizer, weights=data.weights
        )
    ]


def decoder_3(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write Kandinsky 3's folder."""
    (checkpoint,) = stage.checkpoints
    encoder, tokenizer = data.store.encoder("text-3"), data.store.tokenizer("t5")
    return [assemble.save_3(checkpoint, network, movq(data), encoder, tokenizer, data.weights)]


def sharper(stage: Stage, network: nn.Module, data: Data) -> list[Path]:
    """Write the MoVQ with the sharper decoder into every folder that holds a MoVQ.

    Where a MoVQ is trained as well, the diffusion stages land it: they learn its latents.
    """
    if data.store.checkpointed("movq"):
        return []
    return [
        assemble.replace_movq(config.parent.parent, network)
        for config in sorted(data.weights.glob("*/movq/config.json"))
    ]


def movq(data: Data) -> nn.Module:
    """Return the MoVQ as it is to land: with the sharper decoder if there is one, codes fitted.

    A landed one comes back as it is, byte for byte, so that all folders hold one file, and the
    codes of a landed encoder are those of its latents already.
    """
    stage = "movq-decoder" if data.store.checkpointed("movq-decoder") else "movq"
    network = networks.load_weights(networks.movq(data.size), data.store.weights_of(stage))
    if data.store.checkpointed("movq"):
        fit_codebook(network, data.latents())
    return network
