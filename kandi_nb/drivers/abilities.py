"""`kn.has`: ask what a model has before a cell that needs it, and hear what is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model.loading.speeds import has_curve
from ..tasks.checks import can
from ..words.errors import KandiError, did_you_mean, quote
from ..words.families import FAMILIES
from ..words.models import SPECS, ModelSpec
from ..words.tasks import TASKS

# What a model may have beside roles and tasks → how to tell, and what is missing without it.
_MORE: dict[str, tuple[Callable[[ModelSpec], bool], str]] = {
    "judge": (
        lambda spec: spec.bundled,
        "no judge, who reads the bundled models' pictures only",
    ),
    "sentences": (
        lambda spec: spec.sentences is not None,
        "no list of sentences of all that it knows",
    ),
    "curve": (
        lambda spec: has_curve(spec.key),
        "no measured curve of steps against what the judge sees",
    ),
}


def has(k: Any, what: str) -> bool:
    """Tell whether a model has something; where it has not, print one line that says so.

    `k` is a loaded model or a client of a service. `what` is a role (prior, inpaint, depth …),
    a task (edit, outpaint …), a family ("2.2"), "judge" (the small network that reads what the
    bundled models draw), "sentences" (see `nearest`) or "curve" (see `curve`). Raises
    KandiError for anything else.

    In a notebook: `if kn.has(k, "judge"):` before what only the bundled model can show.
    """
    spec = getattr(k, "spec", None)
    if not isinstance(spec, ModelSpec):
        raise KandiError(
            f'the first argument is a loaded model, k = kn.load("mini-2.2"), not {quote(k)}'
        )
    there, lack = _looked_up(spec, what)
    if not there:
        print(f"left out: {spec.key} has {lack}")
    return there


def _looked_up(spec: ModelSpec, what: str) -> tuple[bool, str]:
    """Return whether a model has something, and what is missing if it has not."""
    if isinstance(what, str) and what in _MORE:
        tell, lack = _MORE[what]
        return tell(spec), lack
    roles = list(dict.fromkeys(role for known in SPECS.values() for role in known.roles))
    known = list(dict.fromkeys([*_MORE, *roles, *TASKS, *FAMILIES]))
    if what not in known:
        hint = did_you_mean(what, known) if isinstance(what, str) else ""
        raise KandiError(f"no model has {quote(what)}; {hint}known: {', '.join(known)}")
    if what in FAMILIES:
        return spec.family == what, f"another family than {what}"
    if what in TASKS:
        return can(spec, what), f"no way to {what}"
    return what in spec.roles, f"no part for {what}"
