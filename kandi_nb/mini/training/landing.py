"""Write the checkpoint folders that a trained stage completes."""

from __future__ import annotations

from pathlib import Path

from ...words.errors import KandiError
from ..judge import network
from . import assemble, loop, trained
from . import networks as parts
from . import stages as recipe
from .data import Data
from .losses import prior as stage_prior


def land(stage: str, data: Data) -> list[Path]:
    """Write the checkpoint folders that a stage completes, from its average weights.

    Raises KandiError where the stage has no checkpoint in the training folder.
    """
    folder, weights = data.folder, data.weights
    if not trained.checkpointed(stage, folder):
        raise KandiError(f"{folder} has no checkpoint of {stage}: train it first")
    if stage == "judge":
        net = network()
        net.load_state_dict(loop.averaged(folder, "judge"))
        return [assemble.save_judge(net, weights)]
    if stage == "prior":
        short = parts.prior(stage_prior.WINDOW)
        short.load_state_dict(loop.averaged(folder, "prior"))
        text, vision = trained.clip_towers(folder, weights)
        prior, tokenizer = stage_prior.lengthen(short), recipe.tokenizer_folder(data, "clip")
        return assemble.save_priors(prior, text, vision, tokenizer, weights)
    if stage == "decoder-3":
        unet = trained.loaded(parts.unet_3(), loop.averaged(folder, stage))
        encoder = recipe.encoder_of("text-3", data)
        tokenizer = recipe.tokenizer(data, "t5")
        return [assemble.save_3(unet, trained.movq(data), encoder, tokenizer, weights)]
    if stage not in recipe.SHAPES:
        return []
    unet = parts.unet(**recipe.SHAPES[stage], size=data.size)
    trained.loaded(unet, loop.averaged(folder, stage))
    reading = ()
    if recipe.SHAPES[stage].get("text"):
        reading = recipe.encoder_of("text-2.1", data), recipe.tokenizer(data, "xlm-r")
    return [assemble.save_decoder(stage, unet, trained.movq(data), *reading, weights=weights)]
