"""The table of stages: what each trains, how fast it learns, and what it completes.

To add a stage, add its loss and one row here: training, landing, model cards and evaluation
read this table.
"""

from __future__ import annotations

from functools import partial

from .. import judge, names
from . import networks
from .losses import clip, conditions, decoder, movq, prior, text, text_conditioned
from .losses.judge import judge_loss
from .stage import Checkpoint, Stage
from .store import assemble, export

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
        land=export.judge,
    ),
    "clip": Stage(
        network=lambda size: clip.Clip(),
        loss=clip.clip_loss,
        pace={"rate": 1e-3, "warmup": 200, "ema": 0.998, "decay": 0.02},
    ),
    "movq": Stage(
        network=networks.movq,
        loss=movq.movq_loss,
        pace={"rate": 1.2e-3, "warmup": 200, "ema": 0.998, "decay": 0.001},
        sizes=True,
        share=3.0,
        card_batch=64,
    ),
    "movq-decoder": Stage(
        network=networks.movq,
        loss=movq.decoder_loss,
        pace={"rate": 8e-4, "warmup": 50, "ema": 0.998, "decay": 0.001},
        begins="movq",
        land=export.sharper,
        frozen=("encoder.", "quant_conv.", "quantize."),
        sizes=True,
        needs=("movq",),
        share=3.0,
        card_batch=64,
    ),
    "prior": Stage(
        # It lands with more positions than it is trained on, and cannot begin with those.
        network=lambda size: networks.prior(prior.WINDOW),
        loss=prior.prior_loss,
        pace={"rate": 1.5e-3, "ema": 0.998},
        prepare=prior.standardise,
        frozen=("clip_mean", "clip_std"),
        land=export.priors,
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
        needs=("clip",),
    ),
    "decoder-2.2": Stage(
        network=networks.unet,
        loss=decoder.decoder_loss,
        pace={"rate": 1e-3, "warmup": 200},
        land=export.decoder_22,
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
        sizes=True,
        needs=("movq", "prior"),
        share=4.0,
        card_batch=256,
    ),
    "inpaint-2.2": Stage(
        network=partial(networks.unet, extra=_MASKED),
        loss=conditions.inpaint_loss,
        pace={"rate": 6e-4, "warmup": 100},
        begins="decoder-2.2",
        frozen=assemble.SHARED,
        land=export.decoder_22,
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
        sizes=True,
        needs=("decoder-2.2",),
        card_batch=256,
    ),
    "depth-2.2": Stage(
        network=partial(networks.unet, extra=networks.LATENT_CHANNELS, hint=True),
        loss=conditions.depth_loss,
        pace={"rate": 6e-4, "warmup": 100},
        begins="decoder-2.2",
        frozen=assemble.SHARED,
        land=export.decoder_22,
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
        sizes=True,
        needs=("decoder-2.2",),
        card_batch=256,
    ),
    "text-2.1": Stage(
        network=lambda size: text.TextEncoder(networks.multilingual_clip()),
        loss=partial(text.text_encoder_loss, "xlm-r"),
        pace={"rate": 1e-3, "warmup": 200, "ema": 0.998, "decay": 0.02},
        needs=("clip",),
        share=0.5,
    ),
    "decoder-2.1": Stage(
        network=partial(networks.unet, text=True),
        loss=text_conditioned.text_conditioned_loss_21,
        pace={"rate": 8e-4, "warmup": 200},
        begins="decoder-2.2",
        land=export.decoder_21,
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
        sizes=True,
        needs=("decoder-2.2", "text-2.1"),
        share=4.0,
        card_batch=256,
    ),
    "inpaint-2.1": Stage(
        network=partial(networks.unet, text=True, extra=_MASKED),
        loss=conditions.inpaint_loss_21,
        pace={"rate": 6e-4, "warmup": 100},
        begins="decoder-2.1",
        land=export.decoder_21,
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
        sizes=True,
        needs=("decoder-2.1",),
        share=1.5,
        card_batch=256,
    ),
    "text-3": Stage(
        network=lambda size: text.TextEncoder(networks.t5()),
        loss=partial(text.text_encoder_loss, "t5"),
        pace={"rate": 1e-3, "warmup": 200, "ema": 0.998, "decay": 0.02},
        needs=("clip",),
        share=0.5,
    ),
    "decoder-3": Stage(
        network=lambda size: networks.unet_3(),
        loss=text_conditioned.text_conditioned_loss_3,
        pace={"rate": 1e-3, "warmup": 200},
        land=export.decoder_3,
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
        sizes=True,
        needs=("movq", "text-3"),
        share=4.0,
        card_batch=256,
    ),
}

_ROWS = [row for stage in STAGES.values() for row in stage.checkpoints]
_ROWS.sort(key=lambda row: names.FAMILY.index(row.name))
CHECKPOINTS: dict[str, Checkpoint] = {row.name: row for row in _ROWS}

# What may stand for several stages on the command line → those stages.
GROUPS = {
    "all": list(STAGES),
    "decoders": [name for name, stage in STAGES.items() if stage.sizes and name != "movq"],
}
