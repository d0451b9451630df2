"""Captions of the bundled world in five languages: written for training, read for judging.

A *scene* is any object with the attributes `object`, `colour`, `place`, `headwear` and
`style`, holding words of `kandi_nb.mini.world.vocabulary`. What is at its default (natural
colour, plain place and style, no headwear) is not said; everything else always is. An empty
place has no colour and no headwear, and only animals wear anything, so those are not said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from random import Random
from typing import Any

from ...words.errors import KandiError, nearest, quote, shorten
from ...words.tables import Table
from ..world.scenes import Scene
from ..world.vocabulary import ANIMALS, COLOURS, HEADWEAR, LANGUAGES, OBJECTS, PLACES, STYLES
from . import phrases, write_de, write_en, write_fr, write_ru, write_zh
from .reading import expects, read, unknown_words

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
_NAMES = {
    "plain": "plain background",
    "snowy_forest": "snowy forest",
    "sunset": "sunset over mountains",
    "city": "city at night",
    "meadow": "green meadow",
    "blossom": "cherry blossom garden",
    "pencil": "pencil sketch",
    "oil": "oil painting",
}
_MOST = 6  # unknown words that a warning names
# Of eight letters one or two may be wrong: below that "dragon" becomes "garden".
_ALIKE = 0.8


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
        raise KandiError(f"language is one of {', '.join(LANGUAGES)}, not {quote(language)}")
    every = [
        Scene(thing, colour, place)
        for thing in OBJECTS
        for colour in (COLOURS if thing != "nothing" else COLOURS[:1])
        for place in PLACES
    ]
    return [
        canonical(s, language) for s in every if (s.object, s.place) != ("nothing", "plain")
    ]


def advise(prompt: str, taught: Collection[str] = ()) -> str | None:
    """Say in a line what of a prompt the bundled model does not know; None if it knows all.

    It names the unknown words, each with a known one that is spelled alike, several objects at
    once (the model draws one), headwear on something that is no animal, and a prompt without
    any known object or place. Words that an adapter has `taught` are known, too.
    """
    said, unknown = read(prompt)
    learned = len(unknown)
    unknown = [word for word in unknown if word not in taught]
    learned -= len(unknown)
    things = tuple(thing for thing in said.get("object", []) if thing != "nothing")
    worn = said.get("headwear", ["none"])[0]
    reasons = []
    if unknown:
        reasons.append(f"has not learned {', '.join(map(_with_hint, unknown[:_MOST]))}")
    elif "object" not in said and not learned:
        reasons.append("finds no object that it has learned in this prompt")
    if len(things) > 1:
        reasons.append(f"draws one object at a time, and this names {_enumeration(things)}")
    if things and worn != "none" and things[0] not in ANIMALS:
        reasons.append("puts headwear on animals only")
    if not reasons:
        return None
    return (
        f"the bundled model {'; it '.join(reasons)}; what it knows: k.vocabulary, or "
        "`kandi-nb models mini-2.2`"
    )


def vocabulary() -> Table:
    """Return a table of what the bundled model draws; each also in the other languages."""
    rows = {
        "objects": OBJECTS[:-1],
        "colours": (*COLOURS[1:], "or none: the natural one"),
        "places": (*PLACES[1:], PLACES[0]),
        "on animals": HEADWEAR[1:],
        "styles": (*STYLES[1:], "or none"),
    }
    return Table(
        [{"what": what, "words": _enumeration(words)} for what, words in rows.items()],
        note="Each in English, Russian, Chinese, German and French.",
    )


def known_word(word: str) -> str | None:
    """Return the word that the model knows and that is spelled almost like this one.

    >>> known_word("spce"), known_word("dragon")
    ('space', None)
    """
    alike = [known for known in _known_words() if known[0].casefold() == word[0].casefold()]
    return nearest(word, alike, cutoff=_ALIKE)


@cache
def _known_words() -> tuple[str, ...]:
    """Return the words of all captions that say something of a picture, as they are spelled."""
    words: dict[str, None] = {}
    for module in (write_en, write_ru, write_zh, write_de, write_fr):
        for name, table in vars(module).items():
            if name.isupper():
                for text in _texts(table):
                    words |= dict.fromkeys(re.findall(r"[^\W\d_]{3,}", text))
    return tuple(word for word in words if expects(word))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _texts(item)


def _with_hint(word: str) -> str:
    close = known_word(word)
    return f"“{shorten(word, 40)}”" + (f" (did you mean {close}?)" if close else "")


def _enumeration(words: Iterable[str]) -> str:
    return ", ".join(_NAMES.get(word, word) for word in words)
