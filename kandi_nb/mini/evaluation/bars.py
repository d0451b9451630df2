"""What was read of a checkpoint, and the bars that its figures are to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import judge
from ..world.render import SIZE

if TYPE_CHECKING:
    from PIL import Image

# Least share or cosine; those of `UPPER` must not be passed.
BARS = {
    **{f"judge: {what}": 0.99 for what in judge.HEADS},
    **{f"MoVQ: {what}": 0.98 for what in judge.HEADS},
    "object": 0.90,
    "colour": 0.90,
    "place": 0.95,
    "headwear": 0.85,
    "same scene": 0.9,
    "different scenes": 0.7,
    "put there": 0.85,
    "kept": 0.95,
    "silhouette IoU": 0.75,
    "depth: colour": 0.85,
    "depth: place": 0.85,
    "edit: colour arrives": 0.80,
    "edit: object stays": 0.80,
    "edit: place stays": 0.80,
    "mix: both in the top three": 0.80,
    "mix: cat and dog": 0.80,
    "mix: by chance": 0.20,
    "picture + text": 0.70,
    "sharpness at 128 px": 0.85,
    "seconds": 1.5,
}
AT_SMALL = "64 px: "  # before a figure's name: read of small pictures, beside the large ones
UPPER = ("seconds", "different scenes", "mix: by chance")
COSINES = ("same scene", "different scenes", "silhouette IoU")


@dataclass
class Evaluation:
    """What was read of one checkpoint.

    ``figures`` are shares 0…1, cosines or seconds by name; ``languages`` says language →
    attribute → share where prompts are read. ``picture`` is the contact sheet and ``rows`` says
    what stands in it. ``size`` is the side of the pictures in pixels.
    """

    figures: dict[str, float] = field(default_factory=dict)
    languages: dict[str, dict[str, float]] = field(default_factory=dict)
    picture: Image.Image | None = None
    rows: str = ""
    size: int = SIZE


def bar_of(what: str) -> float | None:
    """Return the bar of a figure, which is the same for small pictures; None without one."""
    return BARS.get(what.removeprefix(AT_SMALL))


def reached_bars(what: str, value: float) -> bool | None:
    """Tell whether a figure reaches its bar; None where there is no bar."""
    bar = bar_of(what)
    if bar is None:
        return None
    return value <= bar if what.removeprefix(AT_SMALL) in UPPER else value >= bar


def table_of(what: str, value: float) -> str:
    """Return a figure as people write it."""
    what = what.removeprefix(AT_SMALL)
    if what == "seconds":
        return f"{value:.2f} s"
    return f"{value:.2f}" if what in COSINES else f"{100 * value:.1f} %"
