"""Which schedulers the installed diffusers has, by what names, and one made for a model."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ...words.errors import KandiError, nearest, quote

_ENDING = "Scheduler"

# What other programs call them, and names that stop before the whole one: as `_fold_name` has
# them, without "k_" in front. The samplers of Kandinsky's own code base are the first three.
_ALIASES = {
    "p": "DDPM",
    "ddim": "DDIM",
    "plms": "PNDM",
    "deis": "DEISMultistep",
    "dpm": "DPMSolverMultistep",
    "dpm++": "DPMSolverMultistep",
    "dpm++2m": "DPMSolverMultistep",
    "dpmsolver": "DPMSolverMultistep",
    "dpmsolver++": "DPMSolverMultistep",
    "dpm++2s": "DPMSolverSinglestep",
    "dpm++sde": "DPMSolverSDE",
    "dpm2": "KDPM2Discrete",
    "dpm2a": "KDPM2AncestralDiscrete",
    "euler": "EulerDiscrete",
    "eulera": "EulerAncestralDiscrete",
    "heun": "HeunDiscrete",
    "lms": "LMSDiscrete",
    "sa": "SASolver",
    "unipc": "UniPCMultistep",
}
# Samplers of other programs that are none of ours, however alike the names look.
_ELSEWHERE = {
    "dpm++2msde", "dpm++3msde", "dpm++2sa", "dpmfast", "dpmadaptive", "heun++2", "unipcbh2",
    "ipndm", "ipndmv", "restart", "resmultistep", "gradientestimation", "erssde", "euler++",
    "eulera++", "ddim++", "karrasdpm", "flowmatcheulerdiscrete", "flowmatchheundiscrete",
    "edmdpmsolvermultistep",
}  # fmt: skip
# Noise levels that other programs choose with the sampler, in its name.
_LEVELS = (
    "karras",
    "polyexponential",
    "exponential",
    "sgmuniform",
    "beta",
    "simple",
    "normal",
    "k",
)
_LIKENESS = 0.75  # of a slip in typing: what is less alike is another sampler


@cache
def candidates() -> Mapping[str, Any]:
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

    Case, spaces and hyphens do not matter, nor whether "Scheduler" or "sampler" stands behind:
    "ddim", "DDIMScheduler", "dpm++", "euler a", "k_euler", "p_sampler".
    """
    hint = ""
    if isinstance(name, str):
        folded = _fold_name(name)
        if wanted := _class_of(folded):
            return wanted
        hint = _hint(folded)
    raise KandiError(
        f'unknown scheduler {quote(name)}; {hint}take a name such as "ddim" or "dpm++"; '
        f"kn.schedulers(k) says which work. Known: {', '.join(candidates())}"
    )


def _class_of(folded: str) -> str | None:
    """Return the scheduler of a folded name; "k" stands before those of k-diffusion."""
    known = {_fold_name(one): one for one in candidates()}
    for each in (folded, folded.removeprefix("k")):
        if (wanted := known.get(each) or _ALIASES.get(each)) in candidates():
            return wanted
    return None


def _hint(folded: str) -> str:
    """Return which scheduler was probably meant, "" where none here is that one."""
    for levels in _LEVELS:
        if folded.endswith(levels) and (same := _class_of(folded.removesuffix(levels))):
            return f"did you mean {same}? It has the model's own noise levels here. "
    if folded.removeprefix("k") in _ELSEWHERE:
        return "none here is that one; "
    known = {_fold_name(one): one for one in candidates()} | _ALIASES
    close = nearest(folded, [one for one in known if len(one) > 2], _LIKENESS)
    return f"did you mean {known[close]}? " if close else ""


def _fold_name(name: str) -> str:
    """Return a name as it is compared.

    >>> _fold_name("DPM++ 2M"), _fold_name("dpmpp_2m"), _fold_name("k_euler_ancestral")
    ('dpm++2m', 'dpm++2m', 'keulera')
    """
    plain = re.sub(r"[\s_-]", "", name).casefold()
    plain = re.sub("(scheduler|sampler)$", "", plain).removesuffix("gpu")
    return plain.replace("pp", "++").replace("ancestral", "a")


def build(name: str, own: Any) -> Any:
    """Return a scheduler with the noise levels of a model's own; its own one stays as it is.

    Only what the class declares is handed on. `from_config` also leaves what it does not know
    in the new configuration; with `variance_type` among it the pipelines believe that the
    scheduler reads the variance, and the first step of DDIM and others crashes. Two settings
    are declared and do not fit all the same: see below.
    """
    cls: Any = candidates()[name]
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
