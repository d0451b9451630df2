"""Paint and repaint, whole or where masks cover pictures: one loop of steps for 2.1, 2.2, 3.

Diffusers' 2.2 inpainting pipeline keeps the first picture's pixels in the whole batch, its 2.1
one keeps none by itself, and 3 has none at all; their image-to-image pipelines turn pictures
that are not square, and fail where strength × steps is below 1. Those of 3 add one to the
guidance, switch it off up to 1, cut negative texts and mix up the lengths of prompts. So the
loop is ours here, over their networks, schedulers and encoders. It draws from noise, too: a
loop that knows all its steps computes once what the pipelines compute at each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.pipelines import denoiser, latent_factor, picture_decoder
from ...model.speed.conditioning_cache import cached_conditioning
from ...words.errors import KandiError, quote
from . import windows as tiles
from .conditions import apply_guidance, condition_of, own_lengths
from .latents import to_maps, to_pictures
from .windows import Box

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

# Called after each step with its number, its timestep and the latents [n, c, h/f, w/f].
OnStep = Callable[[int, int, Any], Any]


def paint(
    pipeline: Any,
    positive: torch.Tensor | None,
    negative: torch.Tensor | None,
    size: tuple[int, int],
    generators: Sequence[torch.Generator],
    *,
    steps: int,
    guidance: float,
    hints: torch.Tensor | None = None,
    latents: torch.Tensor | None = None,
    prompts: Sequence[str] | None = None,
    negatives: Sequence[str] | None = None,
    tick: Callable[[], None] = lambda: None,
    on_latents: Callable[[int, torch.Tensor], None] | None = None,
    on_step: OnStep | None = None,
    decode: bool = True,
) -> list[Image]:
    """Return one picture for each generator, out of noise.

    `size`: width and height, multiples of 64. `latents`: the noise, [n, c, h/8, w/8]. Unless
    `decode`, MoVQ does nothing: small pictures of the latents come back. The rest is as in
    `repaint`.
    """
    import torch

    try:
        with torch.no_grad():
            texts = (prompts, negatives)
            condition = condition_of(pipeline, positive, negative, texts, hints, guidance > 1)
            start = _noise(pipeline, size, latents, generators, steps)
            calls = (tick, on_latents, on_step)
            latents = _denoise(pipeline, condition, start, guidance, (), *calls)
            return to_pictures(pipeline, latents) if decode else to_maps(pipeline, latents)
    finally:
        pipeline.maybe_free_model_hooks()


def repaint(
    pipeline: Any,
    positive: torch.Tensor | None,
    negative: torch.Tensor | None,
    images: torch.Tensor,
    masks: torch.Tensor | None,
    generators: Sequence[torch.Generator],
    *,
    steps: int,
    guidance: float,
    strength: float = 1.0,
    windows: Sequence[Box] = (),
    hints: torch.Tensor | None = None,
    latents: torch.Tensor | None = None,
    prompts: Sequence[str] | None = None,
    negatives: Sequence[str] | None = None,
    tick: Callable[[], None] = lambda: None,
    on_latents: Callable[[int, torch.Tensor], None] | None = None,
    on_step: OnStep | None = None,
) -> list[Image]:
    """Return one picture for each of n rows; every row has its own picture, mask and noise.

    `positive`, `negative`: embeddings [n, dim], None for Kandinsky 3. `images`: [n, 3, h, w] in
    −1…1, sides multiples of 64, or the latents that MoVQ makes of them. `masks`: [n, 1, h, w],
    1 = repaint, 0 = keep; None repaints all. `guidance`: the effective weight, for all
    families. `strength`: share of the steps that are taken, from the picture under that much
    noise; `latents` [n, c, h/f, w/f] are that noise instead of the generators'.
    `windows`: overlapping parts of the canvas, [left, top, right, bottom] in pixels, none for
    one go. `hints`: depth maps [n, 3, h, w] in 0…1 for a depth
    UNet, without windows. `prompts`, `negatives`: texts for the families whose decoder reads
    some. `on_latents(number, latents)` sees the latents after each step but the last,
    `on_step(number, timestep, latents)` after each, and may give others back. Nothing is
    pasted back: kept pixels have been through MoVQ.
    """
    import torch

    try:
        with torch.no_grad():
            texts = (prompts, negatives)
            condition = condition_of(pipeline, positive, negative, texts, hints, guidance > 1)
            start = _start(
                pipeline, images, masks, generators, latents, steps, strength, windows
            )
            calls = (tick, on_latents, on_step)
            latents = _denoise(pipeline, condition, start, guidance, windows, *calls)
            return to_pictures(pipeline, latents, windows)
    finally:  # an interrupted run, too, gives offloaded components back
        pipeline.maybe_free_model_hooks()


def kept_cells(masks: torch.Tensor, factor: int) -> torch.Tensor:
    """Return which latent cells stay: [n, 1, h, w], 1 = repaint → [n, 1, h/f, w/f], 1 = keep.

    A cell with a single repainted pixel is repainted. The pipelines look at one pixel of a cell
    only, which loses thin strokes, and then repaint the neighbours of a repainted cell as well.
    """
    import torch.nn.functional as F

    return 1 - F.max_pool2d((masks > 0).float(), factor)


def steps_taken(steps: int, strength: float) -> int:
    """Return how many of the steps are taken at a strength: at least one.

    >>> steps_taken(25, 0.3), steps_taken(25, 0.01)
    (7, 1)
    """
    return max(1, min(steps, int(steps * strength + 1e-9)))


@dataclass
class _Start:
    """Hold what the steps begin with; `keep` is 1 where a latent cell stays as in `clean`.

    `keeps` is False where it is 0 everywhere.
    """

    clean: torch.Tensor
    noise: torch.Tensor
    latents: torch.Tensor
    keep: torch.Tensor
    timesteps: torch.Tensor
    generators: list[torch.Generator]
    keeps: bool


def _start(
    pipeline: Any,
    images: torch.Tensor,
    masks: torch.Tensor | None,
    generators: Sequence[torch.Generator],
    noise: torch.Tensor | None,
    steps: int,
    strength: float,
    windows: Sequence[Box],
) -> _Start:
    """Encode the pictures and put them under noise."""
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    fits = {"device": pipeline._execution_device, "dtype": denoiser(pipeline).dtype}
    clean = images.to(**fits)  # [n, 3, h, w], or latents
    if images.shape[1] == 3:  # pictures: latents have another number of channels
        clean = tiles.encode(picture_decoder(pipeline), clean, windows)
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(steps, device=fits["device"])
    timesteps = scheduler.timesteps[-steps_taken(steps, strength) :]
    # Not the pipelines' own way to noise: each class has another.
    if noise is None:
        noise = randn_tensor(clean.shape, generator=list(generators), **fits)
    noise = noise.to(**fits)
    if masks is None:
        keep = torch.zeros_like(clean[:, :1])  # [n, 1, h/f, w/f]
    else:
        keep = kept_cells(masks, masks.shape[-1] // clean.shape[-1]).to(**fits)
    # A masked part at full strength is new; everything else shines through its noise.
    new = masks is not None and len(timesteps) == steps
    latents = scheduler.add_noise(clean, noise, timesteps[:1])
    if new:
        latents = noise * scheduler.init_noise_sigma
    return _Start(clean, noise, latents, keep, timesteps, list(generators), masks is not None)


def _noise(
    pipeline: Any,
    size: tuple[int, int],
    latents: torch.Tensor | None,
    generators: Sequence[torch.Generator],
    steps: int,
) -> _Start:
    """Begin with noise alone, of which nothing is kept."""
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    fits = {"device": pipeline._execution_device, "dtype": denoiser(pipeline).dtype}
    if latents is None:
        movq = picture_decoder(pipeline)
        factor = latent_factor(movq)
        inner = size[1] // factor, size[0] // factor
        shape = (len(generators), movq.config.latent_channels, *inner)  # [n, c, h/f, w/f]
        latents = randn_tensor(shape, generator=list(generators), **fits)
    noise = latents.to(**fits)
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(steps, device=fits["device"])
    nothing = torch.zeros_like(noise)
    return _Start(
        clean=nothing,
        noise=noise,
        latents=noise * scheduler.init_noise_sigma,
        keep=nothing[:, :1],  # [n, 1, h/f, w/f]
        timesteps=scheduler.timesteps,
        generators=list(generators),
        keeps=False,
    )


def _denoise(
    pipeline: Any,
    condition: dict[str, Any],
    start: _Start,
    guidance: float,
    windows: Sequence[Box],
    tick: Callable[[], None],
    on_latents: Callable[[int, torch.Tensor], None] | None,
    on_step: OnStep | None,
) -> torch.Tensor:
    """Take all steps; return the finished latents [n, c, h/f, w/f]."""
    import torch

    unet, scheduler = denoiser(pipeline), pipeline.scheduler
    clean, keep, latents = start.clean, start.keep, start.latents
    channels = clean.shape[1]
    # An inpainting UNet sees what is kept, and where; a depth one reads its hint by itself.
    told = unet.config.in_channels == 2 * channels + 1
    traced = getattr(pipeline, "traced", None)
    known = cached_conditioning(unet, start.timesteps, apart=bool(windows), traced=traced)
    with own_lengths(unet), known as begin:
        for number, t in enumerate(start.timesteps):
            rows = torch.cat([latents, clean * keep, keep], 1) if told else latents
            rows = torch.cat([rows] * 2) if guidance > 1 else rows  # [2 n, …]
            begin(number)
            predicted = tiles.predict_noise(unet, rows, t, condition, windows, tick)
            predicted = apply_guidance(predicted, guidance, channels, scheduler)
            stepped = scheduler.step(predicted, t, latents, generator=start.generators)
            latents = stepped.prev_sample
            later = start.timesteps[number + 1 : number + 2]
            if start.keeps:
                latents = _keep_known(scheduler, start, latents, later)
            if on_step is not None:
                latents = _latents_of_callback(on_step(number, int(t), latents), latents)
            if on_latents is not None and len(later):
                on_latents(number, latents)
    return latents


def _latents_of_callback(given: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return the latents that a callback gives back, as they were where it gives none."""
    import torch

    if given is None:
        return latents
    if not isinstance(given, torch.Tensor) or given.shape != latents.shape:
        shape = list(getattr(given, "shape", ()))
        raise KandiError(
            f"on_step returns latents of shape {list(latents.shape)}, or None to leave them, "
            f"not {quote(type(given).__name__)} of shape {shape}"
        )
    return given.to(latents)


def _keep_known(
    scheduler: Any, start: _Start, latents: torch.Tensor, later: torch.Tensor
) -> torch.Tensor:
    """Return the latents with what is kept under the noise of the step to come.

    So both parts fit together. Going back under noise to take a step again (resampling,
    Lugmayr et al. 2022) was tried with Kandinsky 3: of 67 places around a thing 49 to 51 came
    out instead of 47, in twice the time; crowns and things come out without it.
    """
    known = scheduler.add_noise(start.clean, start.noise, later) if len(later) else start.clean
    return start.keep * known + (1 - start.keep) * latents
