"""The measurements that decide claims: each a function, and what kind of knowledge it gives."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...model.loading.load import load
from ...model.plan.fit import plan
from ...model.plan.names import read_card
from ...model.plan.options import WORKS, options
from ...model.quiet import quiet, without_advice
from ...pictures.editing.lettering import lettering
from ...tasks.generate import generate
from ...words.models import spec
from ...words.params import Params
from . import judged
from .claims import rates

MEASURED, PREDICTED, READ = "measured", "predicted by kn.plan", "read off the class"
ARITHMETIC, READ_MANIFEST = "arithmetic", "read off the publisher's files"
PICTURE = Params("a red fox in a snowy forest", steps=25, seed=7)


def peaks(model: str, side: int) -> dict[str, float]:
    """Return GB: `resident`, all networks there; `exact`, the least that moves no pixel."""
    rows = plan(model, width=side, height=side)
    exact = [row["peak_gb"] for row in rows if row["drift"] == 0]
    return {"resident": rows[0]["peak_gb"], "exact": min(exact)}


def cards(model: str, side: int, cards: Sequence[str]) -> dict[str, int]:
    """Return how many cards hold a model `whole`, and how many by some `exact` plan."""
    sizes = [read_card(name).memory_gb for name in cards]
    needed = peaks(model, side)
    whole = sum(needed["resident"] <= size for size in sizes)
    return {"whole": whole, "exact": sum(needed["exact"] <= size for size in sizes)}


def rent(card: str, hours: float) -> float:
    """Return the dollars of some hours by the guides' own rate of one."""
    return rates()[card] * hours


def download(model: str) -> float:
    """Return the GB of a model's published files."""
    return spec(model).download_gb


def ever_slower(card: str, models: Sequence[str], sides: Sequence[int]) -> bool:
    """Tell whether each model takes longer on a card than the one before, by its best plan."""
    seconds = []
    for model, side in zip(models, sides, strict=True):
        plans = plan(model, card=card, width=side, height=side)
        seconds += [row["seconds"] for row in plans if row["plan"] == plans.best]
    return all(one < other for one, other in itertools.pairwise(seconds))


def usual_side(pipeline: str) -> int:
    """Return the height in pixels that a pipeline of diffusers draws without being asked."""
    import diffusers

    return inspect.signature(getattr(diffusers, pipeline).__call__).parameters["height"].default


def has_class(family: str, word: str) -> bool:
    """Tell whether diffusers has a class of a family for something."""
    import diffusers

    return any(name.startswith(family) and word in name for name in dir(diffusers))


def lacks_class(family: str, word: str) -> bool:
    """Tell whether diffusers has no class of a family for something."""
    return not has_class(family, word)


def option_acts(model: str, option: str, network: str) -> bool:
    """Tell whether an option changes what a call of a network is made of."""
    (row,) = options(model, only=[option])
    return row[network] == WORKS


def offloads_stack(model: str) -> bool:
    """Tell whether model offload's hooks outlive a call for sequential offload.

    Both are aimed at the CPU, so that they can be turned on without a GPU.
    """
    pipe = load(model, device="cpu").decoder
    with quiet(), without_advice():
        pipe.enable_model_cpu_offload(device="cpu")
        pipe.enable_sequential_cpu_offload(device="cpu")
    return bool(pipe._all_hooks)


def zero_is_random(model: str) -> bool:
    """Tell whether seed 0 draws two different pictures."""
    k = load(model, device="cpu")
    params = PICTURE.replace(seed=0, steps=3, prior_steps=3)
    first, second = (generate(k, params, progress=False).arrays() for _ in range(2))
    return bool((first != second).any())


def times_as_long(model: str, few: int, many: int) -> float:
    """Return how many times as long `many` steps take as `few`, of a warm model."""
    k = load(model, device="cpu")
    runs = [PICTURE.replace(steps=steps, prior_steps=2) for steps in (few, few, many)]
    _, less, more = (generate(k, run, progress=False).seconds for run in runs)
    return more / less


def mixing_example_runs(model: str) -> bool:
    """Tell whether 2.1's documented way to hand over a mixture reaches a picture."""
    k = load(model, device="cpu")
    settings = {"height": 64, "width": 64, "num_inference_steps": 1}
    with quiet(), without_advice():
        mixture = k.prior.interpolate(["a cat", "a dog"], [0.5, 0.5], num_inference_steps=2)
        image_embeds, negative_embeds = mixture
        named = {"image_embeds": image_embeds, "negative_image_embeds": negative_embeds}
        try:
            k.decoder("", **named, **settings)
        except (AttributeError, TypeError):
            return False
    return True


def letters_stay_inside() -> bool:
    """Tell whether `kn.lettering` leaves every pixel outside of its box as it was."""
    import numpy as np

    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    written = np.asarray(lettering(picture, "OPEN", (16, 32, 112, 64)))
    outside = np.ones((96, 128), bool)
    outside[32:64, 16:112] = False
    return bool((written[outside] == picture[outside]).all())


@dataclass(frozen=True)
class Measure:
    """Name a measurement's function, and on what its figure rests; `judged` ones read."""

    run: Callable[..., Any]
    basis: str = MEASURED
    judged: bool = False


MEASURES: Mapping[str, Measure] = {
    "peaks": Measure(peaks, PREDICTED),
    "cards": Measure(cards, PREDICTED),
    "rent": Measure(rent, ARITHMETIC),
    "download": Measure(download, READ_MANIFEST),
    "ever_slower": Measure(ever_slower, PREDICTED),
    "usual_side": Measure(usual_side, READ),
    "has_class": Measure(has_class, READ),
    "lacks_class": Measure(lacks_class, READ),
    "option_acts": Measure(option_acts),
    "offloads_stack": Measure(offloads_stack),
    "zero_is_random": Measure(zero_is_random),
    "times_as_long": Measure(times_as_long),
    "mixing_example_runs": Measure(mixing_example_runs),
    "letters_stay_inside": Measure(letters_stay_inside),
    "least_right": Measure(judged.least_right, judged=True),
    "points_lost": Measure(judged.points_lost, judged=True),
    "colours_right": Measure(judged.colours_right, judged=True),
}
