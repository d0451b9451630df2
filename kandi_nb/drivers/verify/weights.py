"""Checks of what lies in the files and what was loaded: no picture is drawn for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...model import hub, integrity
from ...model.bundled import folders_of
from ...model.finite import not_finite
from ...model.pipelines import picture_decoder
from ...words.errors import KandiError
from ...words.models import SPECS
from .rows import Row, Trial

if TYPE_CHECKING:
    import torch

# What a scheduler must agree in with that of the publisher: all else may vary.
_SCHEDULER = (
    "num_train_timesteps",
    "beta_schedule",
    "beta_start",
    "beta_end",
    "prediction_type",
    "variance_type",
)
LEAST_PSNR = 15.0  # dB: what MoVQ must give back of a plain picture


def files(trial: Trial) -> Iterator[Row]:
    """Compare the files of each role with their pins, or with the sums that lie beside them."""
    spec = trial.k.spec
    for role in spec.roles:
        folder = trial.k.folders.get(role) if trial.k.folders else hub.cached_folder(spec, role)
        if folder is None:
            yield trial.absent(f"files of {role}", "not downloaded")
            continue
        pin = None if trial.k.folders else spec.pins.get(role)  # a folder may hold any weights
        summed = (folder / integrity.SUMS).is_file()
        expected = "every file as pinned" if pin else "every file whole"
        try:
            integrity.check_folder(folder, spec.variant)
            if pin and (broken := hub.damaged_files(folder, None, pin.files)):
                raise KandiError(f"damaged: {', '.join(broken)}")
        except KandiError as error:
            yield trial.row(f"files of {role}", expected, error, False)
            continue
        seen = "as pinned" if pin else f"whole{', as SHA256SUMS says' if summed else ''}"
        known = bool(pin) or summed
        seen = seen if known else f"{seen}; nobody pinned them"
        yield trial.row(f"files of {role}", expected, seen, True if known else None)


def numbers(trial: Trial) -> Iterator[Row]:
    """Look for weights that are no numbers, and for networks that were never trained."""
    found, broken = [], []
    for role, name, network in networks(trial):
        if fault := not_finite(network):
            broken.append(f"{role}'s {name} ({fault})")
        elif is_untrained(network):
            found.append(f"{role}'s {name}")
    trial.untrained = tuple(found)
    yield trial.row("weights", "all finite", ", ".join(broken) or "all finite", not broken)
    yield trial.row(
        "training",
        "every network has learned",
        f"never trained: {', '.join(found)}" if found else "every network has learned",
        None if found else True,
    )


def networks(trial: Trial) -> Iterator[tuple[str, str, torch.nn.Module]]:
    """Return role, name and module of each network that `load` reads, each once."""
    import torch

    seen = set()
    for role in trial.k.spec.ids:
        for name, part in trial.k.pipeline(role).components.items():
            if isinstance(part, torch.nn.Module) and id(part) not in seen:
                seen.add(id(part))
                yield role, name, part


def is_untrained(network: Any) -> bool:
    """Tell whether each norm is as it is made: ones and zeros, which no training leaves."""
    import torch

    norms = [
        layer
        for layer in network.modules()
        if isinstance(layer, (torch.nn.LayerNorm, torch.nn.GroupNorm))
        and layer.weight is not None
    ]
    return bool(norms) and all(
        bool((layer.weight == 1).all()) and (layer.bias is None or not layer.bias.any())
        for layer in norms
    )


def scheduler(trial: Trial) -> Iterator[Row]:
    """Compare the settings of each scheduler with those of the bundled model of its family."""
    for role in trial.k.spec.ids:
        config = _scheduler_config(trial, role)
        wanted = _published_scheduler(trial.k.spec.family, role)
        other = {
            name: config.get(name)
            for name in _SCHEDULER
            if name in wanted and name in config and config[name] != wanted[name]
        }
        expected = ", ".join(f"{name} {wanted[name]}" for name in _SCHEDULER if name in wanted)
        seen = ", ".join(f"{name} {value}" for name, value in other.items()) or "the same"
        yield trial.row(f"scheduler of {role}", expected, seen, not other)


def _scheduler_config(trial: Trial, role: str) -> dict[str, Any]:
    k = trial.k
    own = k.loop().own if role == "decoder" else k.pipeline(role).scheduler
    return dict(own.config)


def _published_scheduler(family: str, role: str) -> dict[str, Any]:
    """Return the scheduler of a family as its publisher set it; the bundled ones hold it."""
    bundled = next(s for s in SPECS.values() if s.bundled and s.family == family)
    file = folders_of(bundled)[role] / "scheduler" / "scheduler_config.json"
    return json.loads(file.read_text("utf-8"))


def movq(trial: Trial) -> Iterator[Row]:
    """Let MoVQ give back a plain picture: a disc before two colours."""
    import numpy as np
    import torch

    network = picture_decoder(trial.k.decoder)
    side = trial.k.spec.native_size
    y, x = np.mgrid[:side, :side] / side
    disc = ((x - 0.5) ** 2 + (y - 0.55) ** 2 < 0.07)[..., None]
    sky = np.where(y[..., None] < 0.6, [0.55, 0.75, 0.95], [0.3, 0.6, 0.3])
    picture = np.where(disc, [0.8, 0.3, 0.2], sky).astype(np.float32)
    given = torch.from_numpy(picture).permute(2, 0, 1)[None] * 2 - 1
    given = given.to(network.device, network.dtype)
    with trial.k.alone(roles=["decoder"]):
        latents = network.encode(given).latents
        back = network.decode(latents, force_not_quantize=True).sample.float().clamp(-1, 1)
    if not back.isfinite().all():
        yield trial.row("MoVQ", "gives a picture back", "numbers that are not finite", False)
        return
    error = float(((back - given.float()) / 2).square().mean())
    psnr = 99.0 if error == 0 else -10 * float(np.log10(error))
    yield trial.meaning(
        "MoVQ",
        f"gives a plain picture back, at least {LEAST_PSNR:g} dB",
        f"{psnr:.1f} dB",
        psnr >= LEAST_PSNR,
    )
