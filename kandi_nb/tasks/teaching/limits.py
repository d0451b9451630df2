"""What `teach` may be given: models, parts, numbers and steps, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.adapters.scales import check_takes
from ...words.bounds import as_real, real, whole
from ...words.errors import KandiError, quote
from ...words.extras import check_extra
from ...words.fields import check_value
from ..checks import check_model

# Each part's share of the time, and how many steps the prior takes for one of the decoder.
SHARES = {"prior": 1 / 3, "decoder": 2 / 3}
PRIOR_STEPS = 177 / 817


def share_of(part: str, parts: Sequence[str]) -> float:
    return SHARES[part] / sum(SHARES[each] for each in parts)


def check_teachable(k: Any) -> None:
    """Raise KandiError for a model that cannot be taught, and where peft is missing."""
    check_model(k, None)
    check_takes(k.spec)
    if k.adapters:
        raise KandiError(
            f"{k.spec.key} has {k.adapters[0].adapter.name} on; teach the model itself, "
            "k.with_adapter(None), and use both together afterwards"
        )
    if k.memory.store:
        raise KandiError(
            f"{k.memory} keeps weights in fewer bits, through which nothing is learned; load "
            f'the model with memory="{k.memory.place}"'
        )
    check_extra("teach", "teach", "peft")


def read_parts(parts: Any) -> list[str]:
    chosen = [parts] if isinstance(parts, str) else parts
    known = list(SHARES)
    if not isinstance(chosen, (list, tuple)) or not chosen or not set(chosen) <= set(known):
        raise KandiError(f"parts are {', '.join(known)} or both, not {quote(parts)}")
    return [part for part in known if part in chosen]


def check_numbers(
    minutes: Any, rank: Any, scale: Any, rate: Any, batch: Any, snapshots: Any, preview: Any,
    seed: Any,
) -> None:  # fmt: skip
    for name, value, example in (
        ("minutes", minutes, 2),
        ("scale", scale, 1),
        ("rate", rate, 0.002),
    ):
        real(name, value, says=f"{name} is a number above 0, such as {example}", above=0)
    real("preview", preview, 0, says="preview is seconds between two, 0 for none")
    counts = {"rank": (rank, 1), "snapshots": (snapshots, 0), "seed": (seed, 0)}
    if batch is not None:
        counts["batch"] = batch, 1
    for name, (value, least) in counts.items():
        whole(name, value, least)
    check_value("seed", seed)  # which has an upper limit, too


def steps_of(steps: Any, parts: Sequence[str]) -> dict[str, int]:
    """Return part → steps, nothing where minutes count; raise KandiError."""
    if steps is None:
        return {}
    if not isinstance(steps, Mapping):
        fewer = "decoder" in parts
        steps = {
            part: max(1, round(steps * PRIOR_STEPS))
            if fewer and part == "prior" and as_real(steps) is not None
            else steps
            for part in parts
        }
    if set(steps) != set(parts):
        raise KandiError(
            f"steps are for {', '.join(steps)}, but the parts are {', '.join(parts)}"
        )
    for part, value in steps.items():
        whole("steps", value, 1, says=f"the {part}'s steps are a whole number from 1")
    return dict(steps)
