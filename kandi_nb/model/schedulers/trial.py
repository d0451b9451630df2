"""Try a scheduler in the loops that draw, with an ideal network in the place of the real one.

The ideal network knows the picture that shall come out, and predicts exactly the noise that
lies over it: what is left of a fault is the scheduler's. A trial takes a few hundredths of a
second and no weights, so `load` can afford one.
"""

from __future__ import annotations

import inspect
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from ...words.families import Family, family_of
from ..quiet import without_advice

if TYPE_CHECKING:
    import torch

WORKS, WRONG, CRASHES, UNTRIED = "works", "draws wrongly", "crashes", "not tried"
STEPS = 20
_SIDE = 16  # latent cells: enough for the strength of noise to be known within 2 %
_PICTURES = 2
# How strong the noise may be, of what the network is told. Those that work keep within 0.9…1.1.
_FAINTEST, _STRONGEST = 0.75, 1.33
_FARTHEST = 0.2  # of the picture's own deviation: how far from it a run may end


class Verdict(NamedTuple):
    """Hold what a scheduler does: one of WORKS, WRONG, CRASHES, UNTRIED, and why."""

    verdict: str
    why: str = ""


class Loop(NamedTuple):
    """Say what a trial needs to know of a model: no network is loaded for it.

    `pipeline` is the class of its decoder, `own` its scheduler, `channels` how many its UNet
    gives out (twice the latents' where it predicts a variance), `dtype` its number format.
    """

    pipeline: Any
    own: Any
    channels: int
    dtype: torch.dtype


def try_scheduler(scheduler: Any, loop: Loop) -> Verdict:
    """Return what a scheduler does in the pipeline's loop and in ours, of edits."""
    # That the loops do not scale what the network gets is the question, not a mistake.
    with without_advice(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for run in (_draw, _edit):
            network = _Ideal(loop)
            try:
                latents = run(scheduler, loop, network)
            except Exception as error:  # any kind: that is the question
                return Verdict(CRASHES, _reason(error))
            if fault := _fault(scheduler, network, latents):
                return Verdict(WRONG, fault)
    return Verdict(WORKS)


class _Ideal:
    """Stand for a UNet: predict the very noise that lies over one picture."""

    def __init__(self, loop: Loop) -> None:
        import torch

        self.levels = loop.own.alphas_cumprod.double().cpu()
        self.dtype = loop.dtype
        self.config = SimpleNamespace(in_channels=4, out_channels=loop.channels)
        shape = (1, 4, _SIDE, _SIDE)  # [n, c, h, w]
        # Between the bounds within which schedulers clip.
        self.picture = (
            torch.rand(shape, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
        )
        self.strengths: list[float] = []

    def __call__(self, sample: Any, timestep: Any, *rest: Any, **named: Any) -> tuple[Any]:
        import torch

        last = len(self.levels) - 1
        level = self.levels[min(max(round(float(timestep)), 0), last)]
        picture = self.picture.to(sample.device)
        noise = (sample.double() - level.sqrt() * picture) / (1 - level).sqrt()  # [n, 4, h, w]
        self.strengths.append(noise.std().item())
        predicted = noise.to(sample.dtype)
        if self.config.out_channels > 4:  # −1 is the least variance, that of a sure network
            predicted = torch.cat([predicted, -torch.ones_like(predicted)], 1)  # [n, 8, h, w]
        return (predicted,)


class _Decoder:
    """Stand for MoVQ: give latents back as they are."""

    config = SimpleNamespace(block_out_channels=(1, 1, 1, 1))

    def decode(self, latents: Any, **rest: Any) -> dict[str, Any]:
        return {"sample": latents}


def _draw(scheduler: Any, loop: Loop, network: _Ideal) -> torch.Tensor:
    """Run the real pipeline with stand-ins for all its networks; return its latents."""
    import torch

    row = family_of(loop.pipeline.__name__) or Family("", "")
    parts = {row.denoiser: network, "scheduler": scheduler, row.picture_decoder: _Decoder()}
    names = list(inspect.signature(loop.pipeline.__init__).parameters)[1:]
    pipeline = loop.pipeline(**{name: parts.get(name) for name in names})
    pipeline.set_progress_bar_config(disable=True)
    rows = torch.zeros(_PICTURES, 1, dtype=loop.dtype)
    # What 2.1 and 3 read of the texts: the network does not look at it.
    pipeline._encode_prompt = lambda *args, **named: (rows, rows, rows)
    pipeline.encode_prompt = lambda *args, **named: (rows,) * 4
    takes = inspect.signature(loop.pipeline.__call__).parameters
    asked = {
        "prompt": [""] * _PICTURES,
        "image_embeds": rows,
        "negative_image_embeds": rows,
        "height": row.latent_factor * _SIDE,
        "width": row.latent_factor * _SIDE,
        "num_inference_steps": STEPS,
        "guidance_scale": 4.0,
        "generator": _generators(),
        "output_type": "pt",
    }
    return pipeline(**{name: value for name, value in asked.items() if name in takes}).images


def _edit(scheduler: Any, loop: Loop, network: _Ideal) -> torch.Tensor:
    """Take the later half of the steps from the picture under noise, as edits do."""
    from diffusers.utils.torch_utils import randn_tensor

    clean = network.picture.to(loop.dtype).repeat(_PICTURES, 1, 1, 1)  # [n, 4, h, w]
    generators = _generators()
    noise = randn_tensor(clean.shape, generator=generators, dtype=loop.dtype)
    scheduler.set_timesteps(STEPS)
    later = scheduler.timesteps[STEPS // 2 :]
    latents = scheduler.add_noise(clean, noise, later[:1])
    for t in later:
        predicted = network(latents, t)[0]
        if not reads_variance_of(scheduler):
            predicted = predicted[:, :4]  # [n, 4, h, w]
        latents = scheduler.step(predicted, t, latents, generator=generators).prev_sample
    return latents


def reads_variance_of(scheduler: Any) -> bool:
    """Tell, as the pipelines do, whether a scheduler reads the predicted variance."""
    learned = ("learned", "learned_range")
    return getattr(scheduler.config, "variance_type", None) in learned


def _generators() -> list[torch.Generator]:
    import torch

    return [torch.Generator().manual_seed(n) for n in range(_PICTURES)]


def _fault(scheduler: Any, network: _Ideal, latents: torch.Tensor) -> str:
    """Return what went wrong in a run that raised nothing; "" if all was right."""
    import torch

    # The first that is off: later ones answer the faults of those before.
    off = [n for n in network.strengths if not _FAINTEST < n < _STRONGEST]
    if off:
        times = f"{off[0]:.2g}" if off[0] < 100 else f"{off[0]:,.0f}"
        why = f"the network meets {times} times the noise that it is told"
        if _scales(scheduler):
            why += ": the pipelines never call scale_model_input"
        return why
    picture = network.picture.to(latents.device)
    away = (latents.double() - picture).std() / picture.std()
    if not torch.isfinite(away) or away > _FARTHEST:
        return f"it does not arrive at the picture: {away:.0%} of it is noise at the end"
    return ""


def _scales(scheduler: Any) -> bool:
    """Tell whether a scheduler wants to scale what the network gets."""
    import torch

    scheduler.set_timesteps(STEPS)
    ones = torch.ones(1, 4, 1, 1)
    scaled = scheduler.scale_model_input(ones, scheduler.timesteps[0])
    return not torch.allclose(scaled.float(), ones)


def _reason(error: Exception) -> str:
    """Return an error in words: the one that nine of ten are, in ours."""
    said = next(iter(str(error).splitlines()), "") or type(error).__name__
    if isinstance(error, TypeError) and "unexpected keyword argument 'generator'" in said:
        return "its step takes no generator, and the pipelines hand it one"
    if isinstance(error, AttributeError):
        return f"{said}, which the loops need"
    return said
