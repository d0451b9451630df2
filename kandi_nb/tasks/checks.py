"""What may be given to a task: checked before anything is computed."""

from __future__ import annotations

from typing import Any

from ..model.load import Kandinsky
from ..model.progress import place
from ..words.errors import KandiError, shown, warn
from ..words.fields import FIELDS
from ..words.models import SPECS
from ..words.params import Params


def check_model(k: Any, task: str | None) -> None:
    """Raise KandiError unless `k` is a loaded model that can do the task (None: any task)."""
    if not isinstance(k, Kandinsky):
        raise KandiError(
            f'the first argument is a loaded model, k = kn.load("mini-2.2"), not {shown(k)}'
        )
    if task and task not in k.spec.tasks:
        able = ", ".join(key for key, known in SPECS.items() if task in known.tasks)
        raise KandiError(f"{k.spec.key} cannot {task}; models that can: {able}")


def listed(params: Any) -> list[Params]:
    """Return the Params, one or a list of them, as a list; raise KandiError for others."""
    runs = [params] if isinstance(params, Params) else params
    if not isinstance(runs, (list, tuple)) or not all(isinstance(p, Params) for p in runs):
        raise KandiError(
            'the second argument is Params("a red fox in space") or a list of Params, not '
            f"{shown(params)}"
        )
    if not runs:
        raise KandiError("the list of Params is empty; give at least one")
    return list(runs)


def singles(params: Any, prompts: Any) -> list[Params]:
    """Return one Params a picture: prompts vary slowest, then params, then count.

    Raises KandiError for what is no list of texts, and for empty texts.
    """
    runs = listed(params)
    if prompts is not None:
        if not isinstance(prompts, (list, tuple)) or not prompts:
            raise KandiError(
                f'prompts is a list of texts, ["a cat", "a dog"], not {shown(prompts)}'
            )
        runs = [run.replace(prompt=prompt) for prompt in prompts for run in runs]
    return [single for run in runs for single in run.singles()]


def used(k: Kandinsky, task: str, runs: list[Params]) -> list[Params]:
    """Return the runs with the default in each field that the task or the model does not use.

    One KandiWarning names what is dropped. Raises KandiError where the runs differ in it, as
    equal pictures would be labelled as different.
    """
    idle = [n for n, field in FIELDS.items() if not field.used_by(task, k.spec.ids)]
    dropped = {}
    for name in idle:
        first, *others = dict.fromkeys(getattr(run, name) for run in runs)
        if others:
            raise KandiError(
                f"{task} with {k.spec.key} does not use {name}, so {first} and {others[0]} "
                "would give the same picture; leave it out"
            )
        if first != FIELDS[name].default:
            dropped[name] = FIELDS[name].default
    if dropped:
        warn(f"{task} with {k.spec.key} does not use {', '.join(dropped)}; left out")
    return [run.replace(**dropped) for run in runs] if dropped else runs


def preview_every(preview: Any, on_preview: Any, progress: bool) -> int:
    """Return every how many steps to show the pictures, 0 for never; raise KandiError.

    Decoding a preview takes time, so there are none that nobody would see.
    """
    if isinstance(preview, bool) or not isinstance(preview, int) or preview < 0:
        raise KandiError(
            f"preview is a number of steps, 0 for no previews, not {shown(preview)}"
        )
    if on_preview is not None and not callable(on_preview):
        raise KandiError(f"on_preview is a function of (pictures, step), not {on_preview!r}")
    if on_preview is not None:
        return preview or 1
    watched = place() if preview and progress else "nobody"
    if watched == "terminal":
        warn("previews are shown in notebooks only; they are left out here")
    return preview if watched == "notebook" else 0


def check_stop(stop: Any) -> None:
    """Raise KandiError unless `stop` is None or can be asked is_set()."""
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise KandiError(f"stop is a threading.Event, not {shown(stop)}")
