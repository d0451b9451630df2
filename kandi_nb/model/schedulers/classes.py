"""Which schedulers the installed diffusers has, by what names, and one made for a model."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ...words.errors import KandiError, did_you_mean, shown

_ENDING = "Scheduler"

# What other programs call them, and names that stop before the whole one.
_ALIASES = {
    "deis": "DEISMultistep",
    "dpm": "DPMSolverMultistep",
    "dpm++": "DPMSolverMultistep",
    "dpm++2m": "DPMSolverMultistep",
    "dpmpp": "DPMSolverMultistep",
    "dpmpp2m": "DPMSolverMultistep",
    "dpmsolver": "DPMSolverMultistep",
    "dpmsolver++": "DPMSolverMultistep",
    "dpm++2s": "DPMSolverSinglestep",
    "dpm++sde": "DPMSolverSDE",
    "dpm2": "KDPM2Discrete",
    "dpm2a": "KDPM2AncestralDiscrete",
    "euler": "EulerDiscrete",
    "eulera": "EulerAncestralDiscrete",
    "eulerancestral": "EulerAncestralDiscrete",
    "heun": "HeunDiscrete",
    "lms": "LMSDiscrete",
    "plms": "PNDM",
    "sa": "SASolver",
    "unipc": "UniPCMultistep",
}


@cache
def candidates() -> Mapping[str, type]:
    """Return name → class of the schedulers that a Kandinsky could take.

    Those are told the noise levels that a model has learned, its betas; the others of diffusers
    serve models of other kinds (flow matching, tokens). One whose package is missing counts too
    if diffusers lists it among the exchangeable ones.
    """
    import diffusers
    from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers

    exchangeable = {one.name for one in KarrasDiffusionSchedulers}
    every = {name: getattr(diffusers, name) for name in dir(diffusers) if _is_one(name)}
    return {
        name.removesuffix(_ENDING): cls
        for name, cls in sorted(every.items())
        if "beta_start" in _takes(cls.__init__) or name in exchangeable
    }


def _is_one(name: str) -> bool:
    return name.endswith(_ENDING) and not name.startswith(("Flax", "_"))


def _takes(function: Any) -> Mapping[str, Any]:
    return inspect.signature(function).parameters


def missing_package(cls: type) -> str | None:
    """Return the package that a scheduler needs and that is not installed.

    Diffusers then has a stand-in of the same name, which names what it needs.
    """
    from diffusers.utils import import_utils

    for package in getattr(cls, "_backends", ()):
        is_there = getattr(import_utils, f"is_{package}_available", None)
        if is_there is not None and not is_there():
            return package
    return None


def scheduler_name(name: Any) -> str:
    """Return the name under which `candidates` has a scheduler; raise KandiError for others.

    Case, spaces and hyphens do not matter, nor whether "Scheduler" stands behind: "ddim",
    "DDIMScheduler", "dpm++", "euler a".
    """
    if isinstance(name, str):
        known = {_folded(one): one for one in candidates()}
        folded = _folded(name.strip().removesuffix(_ENDING))
        wanted = known.get(folded) or _ALIASES.get(folded)
        if wanted in candidates():
            return wanted
        hint = did_you_mean(folded, {*known, *_ALIASES})
    else:
        hint = ""
    raise KandiError(
        f'unknown scheduler {shown(name)}; {hint}take a name such as "ddim" or "dpm++"; '
        f"kn.schedulers(k) says which work. Known: {', '.join(candidates())}"
    )


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def build(name: str, own: Any) -> Any:
    """Return a scheduler with the noise levels of a model's own; its own one stays as it is.

    Only what the class declares is handed on. `from_config` also leaves what it does not know
    in the new configuration; with `variance_type` among it the pipelines believe that the
    scheduler reads the variance, and the first step of DDIM and others crashes. Two settings
    are declared and do not fit all the same: see below.
    """
    cls = candidates()[name]
    if type(own) is cls:
        return own
    takes, config = _takes(cls.__init__), dict(own.config)
    settings = {key: value for key, value in config.items() if key in takes}
    if not reads_variance(cls):
        # DPM-Solver declares it, but then takes the first three channels for the picture's.
        settings.pop("variance_type", None)
    if "use_clipped_model_output" in _takes(cls.step):
        # DDIM clips the picture that it foresees and keeps the noise of the unclipped one, so
        # each step loses a little of both: of 48 pictures of the bundled model, at 25 steps,
        # the judge names the object in 83 % with, in 94 % without. The authors' own DDIM for
        # 2.1 does not clip either.
        settings["clip_sample"] = False
    return cls(**settings)


def reads_variance(cls: type) -> bool:
    """Tell whether a scheduler takes the variance that 2.x networks predict beside noise."""
    find = getattr(cls, "_get_variance", None)
    return find is not None and "predicted_variance" in _takes(find)
