"""The two stages of a picture: text → embedding (prior), embedding → pixels (decoder).

Only here do our settings become diffusers' arguments, and here stand the guards against what
diffusers does unasked. Everything is read off the pipelines' own signatures, so that 2.1, 2.2
and 3 take the same way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.finite import check_finite, checked_pixels
from ..model.shortage import enough_memory, in_halves

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..model.load import Kandinsky
    from ..words.params import Params

PRIOR_BATCH = 64  # texts: an embedding is small, a prior's activations are not
# Pixels of one decoder batch: four pictures of 768 × 768 (about what 8 GB of GPU memory take).
BATCH_PIXELS = 4 * 768 * 768
BATCH_MOST = 32  # pictures: beyond that a batch only takes memory, not less time

Tick = Callable[[], None]


class Text(NamedTuple):
    """Say which embedding is wanted: a text, and how the prior gets there."""

    text: str
    steps: int
    guidance: float
    seed: int


NOTHING = "the embedding of a black picture"  # what the decoder steers away from by default


def positive(params: Params) -> Text:
    """Return the embedding that the prompt asks for."""
    return Text(params.prompt, params.prior_steps, params.prior_guidance, params.prior_seed)


def negative(params: Params) -> Text | str:
    """Return the embedding that the negative text asks for, `NOTHING` without one.

    It is a run of its own at guidance 1: diffusers would put it in the same batch, where it
    takes noise away from the prompt and so changes the positive embedding too. Guidance 1
    gives the numbers that diffusers has there, as it guides that row away from itself.
    """
    if not (params.negative or "").strip():
        return NOTHING
    return Text(params.negative, params.prior_steps, 1.0, params.prior_seed)


@dataclass
class Step:
    """Hold what the prior knows after one step: predicted embeddings, shape [texts, dim]."""

    number: int
    timestep: int
    predicted: torch.Tensor


def embed_texts(
    k: Kandinsky,
    wanted: Iterable[Text | str],
    tick: Tick,
    on_step: Callable[[Step], None] | None = None,
) -> dict[Text | str, torch.Tensor]:
    """Return wanted → embedding, shape [1, dim], each from its own seed, remembered in `k`.

    One call of the prior for all texts with equal steps and guidance; a generator per text, so
    that company does not change a text's noise. With `on_step` nothing is taken from memory.
    """
    fresh = on_step is not None
    distinct = list(dict.fromkeys(wanted))
    batches = prior_batches(k, distinct, fresh)
    # Taken before anything is added, which may drop it from a memory that is full.
    found = {} if fresh else {t: k.embeddings[t] for t in distinct if t in k.embeddings}
    for batch in batches:
        for text, row in zip(batch, _rows(k, batch, tick, on_step), strict=True):
            found[text] = k.embeddings[text] = row[None]
    if NOTHING in distinct and NOTHING not in found:
        with enough_memory(k.device, NOTHING):
            nothing = k.prior.get_zero_embed()
        check_finite(nothing, k.prior, NOTHING)
        found[NOTHING] = k.embeddings[NOTHING] = nothing
    return found


def prior_batches(
    k: Kandinsky, wanted: Iterable[Text | str], fresh: bool = False
) -> list[list[Text]]:
    """Return the texts that the prior still has to do, in batches of one call each.

    Fresh ones are not cut into batches of `PRIOR_BATCH`: who looks on sees all at each step.
    """
    groups: dict[tuple, list[Text]] = {}
    for text in dict.fromkeys(wanted):
        if isinstance(text, Text) and (fresh or text not in k.embeddings):
            groups.setdefault((text.steps, text.guidance), []).append(text)
    return [
        group[start : start + most]
        for group in groups.values()
        for most in [len(group) if fresh else PRIOR_BATCH]
        for start in range(0, len(group), most)
    ]


def _rows(
    k: Kandinsky, batch: list[Text], tick: Tick, on_step: Callable[[Step], None] | None
) -> list[torch.Tensor]:
    """Run the prior on a batch, in halves where memory is short; return a row a text."""
    if on_step is None:
        work = lambda part: _prior(k, part, tick, None)  # noqa: E731
        return in_halves(work, batch, k.device, lambda text: "the embedding of one text")
    with enough_memory(k.device, f"{len(batch)} embeddings at once"):
        return list(_prior(k, batch, tick, on_step))


def _prior(
    k: Kandinsky, batch: list[Text], tick: Tick, on_step: Callable[[Step], None] | None
) -> torch.Tensor:
    """Run the prior on texts with equal steps and guidance; return [texts, dim]."""
    guidance = batch[0].guidance
    number = 0

    # A hook on the network, because the 2.1 prior calls nobody back between its steps.
    def after_step(module: Any, args: tuple, named: dict, output: Any) -> None:
        nonlocal number
        if on_step is not None:
            guided = _guided(output.predicted_image_embedding, guidance)
            on_step(Step(number, int(named["timestep"]), _final(k.prior, guided)))
        number += 1
        tick()

    hook = k.prior.prior.register_forward_hook(after_step, with_kwargs=True)
    try:
        embeddings = k.prior(
            [text.text for text in batch],
            num_inference_steps=batch[0].steps,
            guidance_scale=guidance,
            generator=[_generator(text.seed) for text in batch],
        ).image_embeds
    except BaseException:  # the keyboard too: give offloaded parts back before it goes on
        k.prior.maybe_free_model_hooks()
        raise
    finally:
        hook.remove()
    check_finite(embeddings, k.prior, "the embedding that the prior made")
    return embeddings


def _guided(predicted: torch.Tensor, guidance: float) -> torch.Tensor:
    """Combine the unguided and guided halves of a batch as the pipeline does."""
    if guidance <= 1:
        return predicted
    free, told = predicted.chunk(2)
    return free + guidance * (told - free)


def _final(prior: Any, predicted: torch.Tensor) -> torch.Tensor:
    """Turn what the network predicts into an embedding, as the last step would.

    Every Kandinsky prior predicts the clean embedding itself (prediction_type "sample"), which
    the scheduler clips and the prior stretches back to CLIP's mean and deviation.
    """
    limits = prior.scheduler.config
    if limits.clip_sample:
        predicted = predicted.clamp(-limits.clip_sample_range, limits.clip_sample_range)
    return prior.prior.post_process_latents(predicted)


def decoder_key(k: Kandinsky, params: Params) -> tuple:
    """Return what pictures of one decoder batch have in common."""
    key = (params.steps, params.guidance, *size(k, params))
    # Kandinsky 3 cuts the negative text to the prompt's length and pads all prompts to the
    # longest: only equal texts share a batch there.
    return key if k.prior is not None else (*key, params.prompt, params.negative)


def size(k: Kandinsky, params: Params) -> tuple[int, int]:
    """Return width and height in pixels; the model's native size stands in for None."""
    native = k.spec.native_size
    return params.width or native, params.height or native


def batch_limit(width: int, height: int) -> int:
    """Return how many pictures of a size are decoded at once."""
    return max(1, min(BATCH_MOST, BATCH_PIXELS // (width * height)))


def draw(
    k: Kandinsky,
    batch: Sequence[Params],
    embeddings: dict[Text | str, torch.Tensor],
    tick: Tick,
    on_latents: Callable[[int, torch.Tensor], None] | None = None,
) -> list[Image]:
    """Run the decoder on pictures with one `decoder_key`; return them in order.

    `on_latents(number, latents)` sees the latents after each step but the last.
    """
    import torch

    first = batch[0]
    width, height = size(k, first)
    takes = inspect.signature(type(k.decoder).__call__).parameters
    arguments: dict[str, Any] = {
        "num_inference_steps": first.steps,
        "guidance_scale": first.guidance,
        "width": width,
        "height": height,
        # One generator each, on the CPU: a picture's noise then depends neither on the size
        # of the batch nor on the device.
        "generator": [_generator(params.seed) for params in batch],
    }
    if "image_embeds" in takes:
        # Cast here, because the pipelines forget it at guidance 1.
        fits = {"device": k.decoder.unet.device, "dtype": k.decoder.unet.dtype}
        for name, which in (("image_embeds", positive), ("negative_image_embeds", negative)):
            rows = [embeddings[which(params)] for params in batch]
            arguments[name] = torch.cat(rows).to(**fits)
    if "prompt" in takes:
        arguments["prompt"] = [params.prompt for params in batch]
        told = [params.negative or "" for params in batch]
        arguments["negative_prompt"] = told if any(map(str.strip, told)) else None

    def after_step(number: int, latents: torch.Tensor) -> None:
        if on_latents is not None and number < first.steps - 1:
            on_latents(number, latents)
        tick()

    arguments |= _callback(takes, after_step)
    try:
        with checked_pixels(k.decoder):
            return k.decoder(**arguments).images
    except BaseException:  # the keyboard too
        k.decoder.maybe_free_model_hooks()
        raise


def _callback(takes: Any, after_step: Callable[[int, torch.Tensor], None]) -> dict[str, Any]:
    """Return the arguments that make a pipeline call back; 2.1 has the older way."""
    if "callback_on_step_end" not in takes:
        return {"callback": lambda number, t, latents: after_step(number, latents)}

    def on_step_end(pipeline: Any, number: int, t: Any, tensors: dict) -> dict:
        after_step(number, tensors["latents"])
        return tensors  # the pipelines go on with what they get back

    return {"callback_on_step_end": on_step_end}


def to_pictures(k: Kandinsky, latents: torch.Tensor) -> list[Image]:
    """Return the pictures that latents hold, half-made ones too."""
    pixels = k.decoder.movq.decode(latents, force_not_quantize=True).sample
    pixels = (pixels * 0.5 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()
    return k.decoder.numpy_to_pil(pixels)


def _generator(seed: int) -> torch.Generator:
    import torch

    return torch.Generator("cpu").manual_seed(seed)
