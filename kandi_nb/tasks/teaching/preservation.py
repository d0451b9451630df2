"""What a model shall go on drawing while it is taught: a few old pictures of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.loading.kandinsky import Kandinsky
from ...pictures.result import Result
from ...words.errors import KandiError, collected_warnings, quote
from ...words.fields import readable
from ...words.params import Params
from ..generate import generate
from .losses import SMALL

# Things and places that every Kandinsky knows, the bundled ones, too; and the languages that
# people ask in. What a text calls to mind differs by language, so each has its share.
TEXTS = (
    "a red fox in a snowy forest",
    "a house on the beach",
    "a blue car in a city at night",
    "an owl in space",
    "a green frog on a green meadow",
    "a white cat with a crown",
    "a golden castle at sunset over mountains",
    "a butterfly in a cherry blossom garden",
    "a purple dog in space",
    "a bear with a hat in a snowy forest",
    "a rocket",
    "a red apple on a green meadow",
    "синий кролик на пляже",
    "красный дом в снежном лесу",
    "белая сова в городе ночью",
    "зелёная машина в космосе",
    "лев на закате в горах",
    "城市夜晚的蓝色狗",
    "雪林中的白色兔子",
    "太空中的金色苹果",
    "海滩上的紫色汽车",
    "草地上的狐狸",
    "ein weißes Schloss am Strand",
    "ein blauer Frosch im Weltraum",
    "eine rote Katze auf einer grünen Wiese",
    "ein goldener Löwe im verschneiten Wald",
    "ein Segelboot am Strand",
    "un château violet dans l'espace",
    "une pomme blanche dans une forêt enneigée",
    "un chien vert sur la plage",
    "un champignon rouge dans un pré vert",
    "un papillon bleu en ville la nuit",
)
FEW = 8  # of them for large pictures, which take long to draw
SETTINGS = Params(steps=15, prior_steps=10)


def texts_to_keep(keep: Any, k: Kandinsky) -> list[str]:
    """Return the texts that a model shall go on drawing; raise KandiError."""
    if keep is True:
        return list(TEXTS[:FEW] if k.spec.native_size > SMALL else TEXTS)
    if keep is False or keep is None:
        return []
    if not isinstance(keep, (list, tuple)) or not all(isinstance(t, str) for t in keep):
        raise KandiError(
            'keep is True, False or a list of texts, ["a red fox", "a house"], not '
            f"{quote(keep)}"
        )
    for text in keep:
        readable("a text to keep", text)
        if not text.strip():
            raise KandiError("keep has an empty text; say what shall be drawn as before")
    return list(keep)


def pictures_of(k: Kandinsky, texts: Sequence[str], seed: int, stop: Any) -> Result | None:
    """Return what a model draws for texts before it is taught; None for no texts."""
    if not texts:
        return None
    runs = [
        SETTINGS.replace(prompt=text, seed=seed + n, prior_seed=seed + n)
        for n, text in enumerate(texts)
    ]
    with collected_warnings():
        return generate(k, runs, progress=False, stop=stop)
