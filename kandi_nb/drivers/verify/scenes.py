"""The scenes that are drawn to verify a model, and how far pictures differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...tasks.generate import generate
from ...words.params import Params
from .rows import Trial

if TYPE_CHECKING:
    from PIL.Image import Image

# Four scenes that every model can draw, in the languages of the workbook.
SCENES = {
    "English": (
        "a red fox in a snowy forest",
        "a blue car on the beach",
        "a golden castle at sunset in the mountains",
        "a green frog in space",
    ),
    "Russian": (
        "красная лиса в снежном лесу",
        "синяя машина на пляже",
        "золотой замок на закате в горах",
        "зелёная лягушка в космосе",
    ),
    "Chinese": (
        "雪林中的红狐狸",
        "海滩上的蓝色汽车",
        "山间日落时的金色城堡",
        "太空中的绿色青蛙",
    ),
    "German": (
        "ein roter Fuchs im verschneiten Wald",
        "ein blaues Auto am Strand",
        "ein goldenes Schloss bei Sonnenuntergang in den Bergen",
        "ein grüner Frosch im Weltraum",
    ),
    "French": (
        "un renard rouge dans une forêt enneigée",
        "une voiture bleue sur la plage",
        "un château doré au coucher du soleil dans les montagnes",
        "une grenouille verte dans l'espace",
    ),
}
QUIET: dict[str, Any] = {"progress": False}


def difference(one: Image, other: Image) -> int:
    """Return by how much two pictures of one size differ at most, of 255."""
    import numpy as np

    if one.size != other.size:
        return 255
    a, b = (np.asarray(each.convert("RGB"), np.int16) for each in (one, other))
    return int(abs(a - b).max())


def settings(trial: Trial, **more: Any) -> Params:
    few = {"prior_steps": trial.steps} if "prior" in trial.k.spec.roles else {}
    return Params(**{"prompt": SCENES["English"][0], "steps": trial.steps, **few, **more})


def first(trial: Trial) -> Any:
    """Return the picture that other checks start from, drawn once."""
    if "first" not in trial.kept:
        trial.kept["first"] = generate(trial.k, settings(trial, seed=7), **QUIET)
    return trial.kept["first"]
