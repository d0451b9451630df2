"""Captions of the bundled world in five languages: written for training, read for judging.

A *scene* is any object with the attributes `object`, `colour`, `place`, `headwear` and
`style`, holding words of `kandi_nb.mini.world.vocabulary`. What is at its default (natural
colour, plain place and style, no headwear) is not said; everything else always is. An empty
place has no colour and no headwear, and only animals wear anything, so those are not said.
"""

from __future__ import annotations

from random import Random
from typing import Any

from ...words.errors import KandiError, shown
from ..world.scenes import Scene
from ..world.vocabulary import COLOURS, LANGUAGES, OBJECTS, PLACES
from . import phrases, write_de, write_en, write_fr, write_ru, write_zh
from .advice import advise, vocabulary
from .reading import expects, unknown_words

__all__ = [
    "LANGUAGES",
    "LANGUAGE_NAMES",
    "advise",
    "canonical",
    "caption",
    "expects",
    "sentences",
    "unknown_words",
    "vocabulary",
]

LANGUAGE_NAMES = {
    "en": "English",
    "ru": "Русский",
    "zh": "中文",
    "de": "Deutsch",
    "fr": "Français",
}
_WORDS = {"en": write_en, "ru": write_ru, "de": write_de, "fr": write_fr}


def caption(scene: Any, language: str, rng: Random) -> str:
    """Draw one of many wordings of a scene; equal seeds of `rng` give equal wordings.

    Raises KeyError for a language that is not in `LANGUAGES`.
    """
    if language == "zh":
        return write_zh.compose(scene, rng)
    return phrases.compose(_WORDS[language].grammar(), scene, rng)


def canonical(scene: Any, language: str) -> str:
    """Word a scene in the one standard way of a language, as grids and evaluations do.

    >>> from types import SimpleNamespace
    >>> fox = SimpleNamespace(object="fox", colour="red", place="snowy_forest",
    ...                       headwear="none", style="plain")
    >>> canonical(fox, "de")
    'Ein roter Fuchs im verschneiten Wald'
    """
    if language == "zh":
        return write_zh.standard(scene)
    return phrases.standard(_WORDS[language].grammar(), scene)


def sentences(language: str = "en") -> list[str]:
    """Return a sentence for every object of every colour at every place, and each empty place.

    Raises KandiError for a language that is not in `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise KandiError(f"language is one of {', '.join(LANGUAGES)}, not {shown(language)}")
    every = [
        Scene(thing, colour, place)
        for thing in OBJECTS
        for colour in (COLOURS if thing != "nothing" else COLOURS[:1])
        for place in PLACES
    ]
    return [
        canonical(s, language) for s in every if (s.object, s.place) != ("nothing", "plain")
    ]
