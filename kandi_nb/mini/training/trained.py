"""Where a stage finds what earlier stages learned: its training folder, else what has landed.

A clone holds the landed weights but no checkpoints, so any later stage can start there. The
landed files are float16 and are read as float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...words.errors import KandiError
from ..names import DECODER, DECODER_21, DEPTH, INPAINT, INPAINT_21, KANDINSKY_3, PRIOR
from . import loop
from . import networks as parts
from .losses import movq as stage_movq

if TYPE_CHECKING:
    import torch
    from diffusers import KandinskyV22PriorPipeline
    from torch import nn

    from .data import Data

# Stage → (prefix of its names, folder of the landed part).
LANDED = {
    "judge": (("", "judge"),),
    "clip": (("text.", f"{PRIOR}/text_encoder"), ("vision.", f"{PRIOR}/image_encoder")),
    "movq": (("", f"{DECODER}/movq"),),
    "movq-decoder": (("", f"{DECODER}/movq"),),
    "decoder-2.2": (("", f"{DECODER}/unet"),),
    "inpaint-2.2": (("", f"{INPAINT}/unet"),),
    "depth-2.2": (("", f"{DEPTH}/unet"),),
    "text-2.1": (("encoder.", f"{DECODER_21}/text_encoder"),),
    "decoder-2.1": (("", f"{DECODER_21}/unet"),),
    "inpaint-2.1": (("", f"{INPAINT_21}/unet"),),
    "text-3": (("encoder.", f"{KANDINSKY_3}/text_encoder"),),
    "decoder-3": (("", f"{KANDINSKY_3}/unet"),),
}


def checkpointed(stage: str, folder: Path) -> bool:
    """Tell whether the training folder has a checkpoint of the stage."""
    return (Path(folder) / f"{stage}.safetensors").exists()


def weights_of(stage: str, folder: Path, weights: Path) -> dict[str, torch.Tensor]:
    """Return a stage's weights, float32, by their names in its module.

    Raises KandiError, which names the command to type, where the stage neither has a checkpoint
    in ``folder`` nor landed in ``weights``.
    """
    if checkpointed(stage, folder):
        return loop.averaged(folder, stage)
    if found := landed(stage, weights):
        return found
    raise _missing(stage)


def _missing(stage: str) -> KandiError:
    return KandiError(f"stage {stage} has to come first: python -m kandi_nb.mini.train {stage}")


def landed(stage: str, weights: Path) -> dict[str, torch.Tensor]:
    """Return the weights that a stage has landed, float32; none if a part is not there."""
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for prefix, part in LANDED.get(stage, ()):
        files = [
            path
            for path in sorted((Path(weights) / part).glob("*.safetensors"))
            if ".fp16." not in path.name  # the same once more
        ]
        if not files:
            return {}
        for file in files:
            found |= {f"{prefix}{k}": v.float() for k, v in load_file(file).items()}
    return found


def begin(module: nn.Module, stage: str, weights: Path) -> None:
    """Fill a stage's module with what the stage has landed.

    What the stage does not train stays as it is. Raises KandiError where nothing has landed,
    or nothing that could be trained on (a prior lands with more positions than are trained).
    """
    found = landed(stage, weights)
    if not found:
        raise KandiError(f"stage {stage} has nothing in {weights} to begin with")
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    mine = {name: weight for name, weight in found.items() if name not in frozen}
    if wrong := module.load_state_dict(mine, strict=False).unexpected_keys:
        raise KandiError(f"what stage {stage} has landed does not fit it: {wrong[:3]}")


def digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Return eight characters that name weights: what they code is kept under that name."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(weights[name].float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:8]


def loaded(module: nn.Module, weights: Mapping[str, torch.Tensor], prefix: str = ""):
    """Return a module with those of ``weights`` that start with ``prefix``, frozen.

    A tensor that a module has under two names (T5's embeddings) lies in its file once.
    """
    mine = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
    found = module.load_state_dict(mine, strict=False)
    tied = set(getattr(module, "_tied_weights_keys", None) or ())
    if wrong := [*found.unexpected_keys, *(set(found.missing_keys) - tied)]:
        raise KandiError(f"these weights are not those of {type(module).__name__}: {wrong[:3]}")
    return module.eval().requires_grad_(False)


def clip_towers(folder: Path, weights: Path) -> tuple[nn.Module, nn.Module]:
    """Return the trained text and picture towers, frozen."""
    found = weights_of("clip", folder, weights)
    return (
        loaded(parts.clip_text(), found, "text."),
        loaded(parts.clip_vision(), found, "vision."),
    )


def prior(weights: Path, device: str = "cpu") -> KandinskyV22PriorPipeline:
    """Return the prior that has landed, as its pipeline.

    Raises KandiError, which names the command to type, where there is none.
    """
    from diffusers import KandinskyV22PriorPipeline

    folder = Path(weights) / PRIOR
    if not (folder / "model_index.json").exists():
        raise _missing("prior")
    pipe = KandinskyV22PriorPipeline.from_pretrained(folder).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def movq(data: Data) -> nn.Module:
    """Return the MoVQ as it is to land: with the sharper decoder if there is one, codes fitted.

    A landed one comes back as it is, byte for byte, so that all folders hold one file.
    """
    stage = "movq-decoder" if checkpointed("movq-decoder", data.folder) else "movq"
    made = loaded(parts.movq(data.size), weights_of(stage, data.folder, data.weights))
    if checkpointed(stage, data.folder):
        stage_movq.fit_codebook(made, data.latents())
    return made
