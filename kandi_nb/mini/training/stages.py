"""The table of stages: what each trains, how fast it learns, and what it completes.

To add a stage, add its loss and one row here: training, landing, model cards and evaluation
read this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ...words.models import spec
from .. import judge, names
from . import assemble, landing, networks
from .loop import Loss, Plan
from .losses import clip, conditions, decoder, depth, movq, prior, text, told
from .losses.judge import loss as judge_loss

if TYPE_CHECKING:
    from .data import Data


@dataclass(frozen=True)
class Checkpoint:
    """One folder below the weights, in the publisher's layout, and what its model card says.

    ``role`` names the pipeline that it is saved as and evaluated in; ``stages`` are those whose
    weights it holds.
    """

    name: str
    family: str
    role: str
    title: str
    about: str
    stages: str

    @property
    def pipeline(self) -> str:
        """The class of the pipeline that is saved."""
        return spec(f"kandinsky-{self.family}").roles[self.role].pipeline


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    ``network(size)`` builds what is trained for pictures of that many pixels, and ``loss(data,
    plan)`` what it learns; ``pace`` are settings of the `Plan`. A network ``begins`` with what
    another stage learned, as far as it fits, and is then prepared by ``prepare(network, data,
    plan)``; weights whose names start with one of ``frozen`` stay as they are. ``landed`` says
    prefix of the weights' names → folder where they lie once they have landed, and
    ``land(stage, network, data)`` writes the ``checkpoints`` that the stage completes.
    """

    network: Callable[[int], nn.Module]
    loss: Callable[[Data, Plan], Loss]
    pace: Mapping[str, float]
    landed: Mapping[str, str] = field(default_factory=dict)
    begins: str | None = None
    prepare: Callable[[nn.Module, Data, Plan], None] | None = None
    frozen: tuple[str, ...] = ()
    land: Callable[[Stage, nn.Module, Data], list[Path]] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()


_MASKED = networks.LATENT_CHANNELS + 1  # inpainting adds the kept latents, and where they are
_COMMON = "judge clip movq movq-decoder"
_MASKS = (
    "White in the mask is repainted. Latent cells are 8 pixels wide, and the pipeline lets "
    "what is repainted grow by one of them."
)
_PRIOR = (
    "CLIP, made anew for five languages, and the diffusion prior that turns a sentence into "
    "the embedding of a picture. The priors of 2.1 and 2.2 are the same here. Of two things "
    "mixed half and half, the decoders draw the left half of one beside the right half of the "
    "other; a sentence without a thing gives its place."
)

# The paces are set by hand: what goes on from another stage's weights learns more slowly than
# what begins anew. docs/training-log.md tells what came of them.
STAGES: dict[str, Stage] = {
    "judge": Stage(
        network=lambda size: judge.network(),
        loss=judge_loss,
        pace={"rate": 2e-3, "ema": 0.998},
        landed={"": str(Path(names.JUDGE).parent)},
        land=landing.judge,
    ),
    "clip": Stage(
        network=lambda size: clip.Clip(),
        loss=clip.loss,
        pace={"rate": 1e-3, "warmup": 200, "ema": 0.998, "decay": 0.02},
        landed={
            "text.": f"{names.PRIOR}/text_encoder",
            "vision.": f"{names.PRIOR}/image_encoder",
        },
    ),
    "movq": Stage(
        network=networks.movq,
        loss=movq.loss,
        pace={"rate": 1.2e-3, "warmup": 200, "ema": 0.998, "decay": 0.001},
        landed={"": f"{names.DECODER}/movq"},
    ),
    "movq-decoder": Stage(
        network=networks.movq,
        loss=movq.decoder_loss,
        pace={"rate": 8e-4, "warmup": 50, "ema": 0.998, "decay": 0.001},
        landed={"": f"{names.DECODER}/movq"},
        begins="movq",
        frozen=("encoder.", "quant_conv.", "quantize."),
    ),
    "prior": Stage(
        # It lands with more positions than it is trained on, and cannot begin with those.
        network=lambda size: networks.prior(prior.WINDOW),
        loss=prior.loss,
        pace={"rate": 1.5e-3, "ema": 0.998},
        prepare=prior.standardise,
        frozen=("clip_mean", "clip_std"),
        land=landing.priors,
        checkpoints=(
            Checkpoint(
                names.PRIOR,
                "2.2",
                "prior",
                "Kandinsky 2.2 prior",
                _PRIOR,
                "judge clip prior",
            ),
            Checkpoint(
                names.PRIOR_21,
                "2.1",
                "prior",
                "Kandinsky 2.1 prior",
                _PRIOR,
                "judge clip prior",
            ),
        ),
    ),
    "decoder-2.2": Stage(
        network=networks.unet,
        loss=decoder.loss,
        pace={"rate": 1e-3, "warmup": 200},
        landed={"": f"{names.DECODER}/unet"},
        land=landing.decoder_22,
        checkpoints=(
            Checkpoint(
                names.DECODER,
                "2.2",
                "decoder",
                "Kandinsky 2.2 decoder",
                "The decoder draws from a picture embedding alone; it reads no text.",
                f"{_COMMON} decoder-2.2",
            ),
        ),
    ),
    "inpaint-2.2": Stage(
        network=partial(networks.unet, extra=_MASKED),
        loss=conditions.loss,
        pace={"rate": 6e-4, "warmup": 100},
        landed={"": f"{names.INPAINT}/unet"},
        begins="decoder-2.2",
        frozen=assemble.SHARED,
        land=landing.decoder_22,
        checkpoints=(
            Checkpoint(
                names.INPAINT,
                "2.2",
                "inpaint",
                "Kandinsky 2.2 inpainting decoder",
                _MASKS,
                f"{_COMMON} decoder-2.2 inpaint-2.2",
            ),
        ),
    ),
    "depth-2.2": Stage(
        network=partial(networks.unet, extra=networks.LATENT_CHANNELS, hint=True),
        loss=depth.loss,
        pace={"rate": 6e-4, "warmup": 100},
        landed={"": f"{names.DEPTH}/unet"},
        begins="decoder-2.2",
        frozen=assemble.SHARED,
        land=landing.decoder_22,
        checkpoints=(
            Checkpoint(
                names.DEPTH,
                "2.2",
                "depth",
                "Kandinsky 2.2 depth decoder",
                ("The hint is the scene's depth, the same in three channels: 0 far, 1 near."),
                f"{_COMMON} decoder-2.2 depth-2.2",
            ),
        ),
    ),
    "text-2.1": Stage(
        network=lambda size: text.TextEncoder(networks.multilingual_clip()),
        loss=partial(text.loss, "xlm-r"),
        pace={"rate": 1e-3, "warmup": 200, "ema": 0.998, "decay": 0.02},
        landed={"encoder.": f"{names.DECODER_21}/text_encoder"},
    ),
    "decoder-2.1": Stage(
        network=partial(networks.unet, text=True),
        loss=told.loss_21,
        pace={"rate": 8e-4, "warmup": 200},
        landed={"": f"{names.DECODER_21}/unet"},
        begins="decoder-2.2",
        land=landing.decoder_21,
        checkpoints=(
            Checkpoint(
                names.DECODER_21,
                "2.1",
                "decoder",
                "Kandinsky 2.1 decoder",
                "The decoder is told the text itself beside the picture embedding: a small "
                "XLM-R (`MultilingualCLIP`) reads it. `ddpm_scheduler` holds a second "
                "scheduler, as in the published one.",
                f"{_COMMON} text-2.1 decoder-2.1",
            ),
        ),
    ),
    "inpaint-2.1": Stage(
        network=partial(networks.unet, text=True, extra=_MASKED),
        loss=conditions.loss_21,
        pace={"rate": 6e-4, "warmup": 100},
        landed={"": f"{names.INPAINT_21}/unet"},
        begins="decoder-2.1",
        land=landing.decoder_21,
        checkpoints=(
            Checkpoint(
                names.INPAINT_21,
                "2.1",
                "inpaint",
                "Kandinsky 2.1 inpainting decoder",
                _MASKS,
                f"{_COMMON} text-2.1 inpaint-2.1",
            ),
        ),
    ),
    "text-3": Stage(
        network=lambda size: text.TextEncoder(networks.t5()),
        loss=partial(text.loss, "t5"),
        pace={"rate": 1e-3, "warmup": 200, "ema": 0.998, "decay": 0.02},
        landed={"encoder.": f"{names.KANDINSKY_3}/text_encoder"},
    ),
    "decoder-3": Stage(
        network=lambda size: networks.unet_3(),
        loss=told.loss_3,
        pace={"rate": 1e-3, "warmup": 200},
        landed={"": f"{names.KANDINSKY_3}/unet"},
        land=landing.decoder_3,
        checkpoints=(
            Checkpoint(
                names.KANDINSKY_3,
                "3",
                "decoder",
                "Kandinsky 3",
                "A small T5 reads the text, and the decoder draws from its states: there is no "
                "prior. The files of the `fp16` variant hold the same bytes as the plain ones, "
                "which are half precision too.",
                f"{_COMMON} text-3 decoder-3",
            ),
        ),
    ),
}

_ROWS = [row for stage in STAGES.values() for row in stage.checkpoints]
_ROWS.sort(key=lambda row: names.FAMILY.index(row.name))
CHECKPOINTS: dict[str, Checkpoint] = {row.name: row for row in _ROWS}
