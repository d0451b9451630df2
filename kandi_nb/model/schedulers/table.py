"""What each scheduler does with a model: a table tried here and now, and refusals from it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, quote
from ...words.tables import Table
from .classes import build, candidates, missing_package, scheduler_name
from .trial import UNTRIED, WORKS, Loop, Verdict, reads_variance_of, try_scheduler

if TYPE_CHECKING:
    import torch

    from ...words.models import ModelSpec

MOST_STEPS = 1000  # as many as a model has learned
_LEFTOVER = ("DDIM", "DPMSolverMultistep")  # what people take first


def schedulers(k: Any) -> Table:
    """Try all schedulers of the installed diffusers with a model; return what each does.

    Each is run through the decoder's real pipeline and the loop of edits, with an ideal network
    in the place of the UNet: one that knows the picture and predicts the noise exactly. So the
    table takes seconds for any model. `verdict` is "works"; "draws wrongly" (the network meets
    other noise than it is told, or the run does not arrive at the picture); "crashes"; "not
    tried" (a package is missing). `why` says what is wrong, or how many steps are the most. The
    last rows are schedulers as `from_config` makes them, with what is left over of the old one.
    """
    if not hasattr(k, "loop"):
        raise KandiError(
            f'schedulers takes a loaded model, k = kn.load("mini-2.2"), not {quote(k)}'
        )
    import diffusers

    loop = k.loop()
    rows = [(name, *_verdict(name, loop)) for name in candidates()]
    if reads_variance_of(loop.own):
        rows += [(f"{name}, from_config", *_from_config(name, loop)) for name in _LEFTOVER]
    rows.sort(key=lambda row: row[1] != WORKS)
    return Table(
        [dict(zip(("scheduler", "verdict", "why"), row, strict=True)) for row in rows],
        ("scheduler", "verdict", "why"),
        note=f"tried with diffusers {diffusers.__version__}; "
        f"this model's own: {_plain(type(loop.own))}",
    )


def _plain(cls: type) -> str:
    return cls.__name__.removesuffix("Scheduler")


@lru_cache(256)  # a refusal tries all of them, to name those that work
def _verdict(name: str, loop: Loop) -> Verdict:
    if package := missing_package(candidates()[name]):
        return Verdict(UNTRIED, f"it needs the package {package}")
    scheduler = build(name, loop.own)
    verdict = try_scheduler(scheduler, loop)
    if verdict.verdict == WORKS and (most := most_steps(scheduler)) < MOST_STEPS:
        return Verdict(WORKS, f"up to {most} steps")
    return verdict


def _from_config(name: str, loop: Loop) -> Verdict:
    return try_scheduler(candidates()[name].from_config(loop.own.config), loop)


def usable(name: Any, loop: Loop) -> str:
    """Return the name of a scheduler that works with a model.

    Raises KandiError, with the reason and those that work, for any other.
    """
    wanted = scheduler_name(name)
    verdict, why = _verdict(wanted, loop)
    if verdict == WORKS:
        return wanted
    work = [one for one in candidates() if _verdict(one, loop).verdict == WORKS]
    reason = why if verdict == UNTRIED else f"it {verdict} ({why})"
    raise KandiError(
        f"{wanted} is no scheduler for this model: {reason}; take one of {', '.join(work)}"
    )


def loop_of(pipeline: str, folder: Path, dtype: torch.dtype) -> Loop:
    """Return what a trial needs to know of a decoder in a folder, whose weights stay unread."""
    import diffusers

    config, unet = (
        json.loads((folder / name).read_text("utf-8"))
        for name in ("scheduler/scheduler_config.json", "unet/config.json")
    )
    own = getattr(diffusers, config["_class_name"]).from_config(config)
    channels = unet.get("out_channels") or unet["in_channels"]
    return Loop(getattr(diffusers, pipeline), own, channels, dtype)


def check_folder(name: str, spec: ModelSpec, folder: Path, dtype: torch.dtype) -> None:
    """Raise KandiError for a scheduler that does not work with a decoder still to be read."""
    try:
        loop = loop_of(spec.roles["decoder"].pipeline, folder, dtype)
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return  # damaged files, which are named when they are read
    usable(name, loop)


def check_steps(scheduler: Any, every: Iterable[int]) -> None:
    """Raise KandiError for a number of steps that a scheduler cannot take."""
    for steps in set(every):
        if not _takes(scheduler, steps):
            raise KandiError(
                f"the scheduler {_plain(type(scheduler))} takes at most "
                f"{most_steps(scheduler)} steps, not {steps}; lower steps, or load the model "
                "with another scheduler"
            )


def most_steps(scheduler: Any) -> int:
    """Return the largest number of steps that a scheduler takes, up to 1000."""
    low, high = 1, MOST_STEPS
    if _takes(scheduler, high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _takes(scheduler, middle) else (low, middle)
    return low


def _takes(scheduler: Any, steps: int) -> bool:
    """Tell whether there are so many steps, each at a time of its own."""
    scheduler = copy.deepcopy(scheduler)  # which remembers how many it was asked for
    try:
        scheduler.set_timesteps(steps)
    except Exception:  # each class raises another kind
        return False
    times = scheduler.timesteps.tolist()
    return len(set(times)) == len(times)
