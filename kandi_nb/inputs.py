"""What may be given to a task: checked before anything is computed."""

from __future__ import annotations

from typing import Any

from .errors import KandiError, shown, warn
from .loading import Kandinsky
from .params import Params
from .progress import place
from .registry import SPECS


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
