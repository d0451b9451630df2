"""Read prompts in the five languages back into the attributes they name.

Each language lists patterns in order of precedence: whole names of places come before the
colours and objects that they contain ("green meadow", "космический корабль", 猫头鹰), and
what a pattern has consumed is not looked at again. Where two patterns name the same
attribute the earlier one in the list wins.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from . import captions_de, captions_en, captions_fr, captions_ru, captions_zh
from .vocabulary import ANIMALS, COLOURS, HEADWEAR, OBJECTS, PLACES, STYLES

_GAP = " ; "  # stands where something was consumed; no pattern runs across it
_SPELLINGS = str.maketrans(
    {
        **dict(zip("àáâãäåçèéêëìíîïñòóôõöùúûüýÿ", "aaaaaaceeeeiiiinooooouuuuyy", strict=True)),
        **{"ё": "е", "ß": "ss", "œ": "oe", "æ": "ae", "’": "'", "‘": "'", "`": "'"},
        **{"\N{NO-BREAK SPACE}": " ", "\N{IDEOGRAPHIC SPACE}": " "},
    }
)
_SHOWN = {
    "snowy_forest": "snowy forest",
    "sunset": "sunset over mountains",
    "city": "city at night",
    "meadow": "green meadow",
    "blossom": "cherry blossom garden",
    "pencil": "pencil sketch",
    "oil": "oil painting",
}


class _Language(NamedTuple):
    patterns: tuple[tuple[str, str, re.Pattern[str]], ...]
    harmless: frozenset[str]
    beside: dict[str, frozenset[str]]


class _Read(NamedTuple):
    attributes: dict[str, str]
    unknown: list[str]


@cache
def _language(name: str) -> _Language:
    module = {"en": captions_en, "ru": captions_ru, "de": captions_de, "fr": captions_fr}[name]
    return _Language(
        tuple(
            (attribute, value, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)"))
            for attribute, value, pattern in module.PATTERNS
        ),
        frozenset(module.HARMLESS.split()),
        {place: frozenset(words.split()) for place, words in module.BESIDE.items()},
    )


@cache
def _chinese() -> tuple[tuple[tuple[str, str, re.Pattern[str]], ...], re.Pattern[str]]:
    patterns = tuple((a, v, re.compile(pattern)) for a, v, pattern in captions_zh.PATTERNS)
    return patterns, re.compile(captions_zh.HARMLESS)


def _consume(
    text: str, patterns: tuple[tuple[str, str, re.Pattern[str]], ...], found: dict[str, str]
) -> str:
    for attribute, value, pattern in patterns:
        text, times = pattern.subn(_GAP, text)
        if times and attribute:
            found.setdefault(attribute, value)
    return text


def _read_words(text: str, name: str) -> _Read:
    language = _language(name)
    found: dict[str, str] = {}
    rest = _consume(text, language.patterns, found)
    fitting = language.harmless | language.beside.get(found.get("place", ""), frozenset())
    unknown = [
        word
        for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", rest)
        if word not in fitting and not all(part in fitting for part in word.split("-"))
    ]
    return _Read(found, unknown)


def _read_chinese(text: str) -> _Read:
    patterns, harmless = _chinese()
    found: dict[str, str] = {}
    unknown = re.findall(captions_zh.OTHER, text)
    rest = _consume(re.sub(captions_zh.OTHER, _GAP, text), patterns, found)
    unknown += re.findall(r"[\u3400-\u9fff]+", harmless.sub(_GAP, rest))
    return _Read(found, unknown)


def _read(prompt: str) -> _Read:
    text = re.sub(r"\s+", " ", prompt.lower().translate(_SPELLINGS))
    parts = []
    latin = re.sub(r"[^\u0000-\u024f]+", _GAP, text)
    if re.search(r"[^\W\d_]", latin):
        # Of the languages in Latin letters, the one that knows most of the words.
        readings = [_read_words(latin, name) for name in ("en", "de", "fr")]
        parts.append(min(readings, key=lambda reading: len(reading.unknown)))
    if re.search(r"[\u0400-\u04ff]", text):
        parts.append(_read_words(re.sub(r"[^\u0400-\u04ff\s-]+", _GAP, text), "ru"))
    if re.search(r"[\u3400-\u9fff]", text):
        parts.append(_read_chinese(text))

    found: dict[str, str] = {}
    unknown: list[str] = []
    for part in parts:
        unknown += part.unknown
        for attribute, value in part.attributes.items():
            found.setdefault(attribute, value)
    other = re.findall(r"[^\W\d_\u0000-\u024f\u0400-\u04ff\u3400-\u9fff]+", text)
    unknown = list(dict.fromkeys(unknown + other))
    # A place alone is a picture of the empty place, unless something else was asked for.
    if "object" not in found and "place" in found and not unknown:
        found["object"] = "nothing"
    return _Read(found, unknown)


def expects(prompt: str) -> dict[str, str]:
    """Read the attributes that a prompt says, in any of the five languages.

    Keys are "object", "colour", "place", "headwear" and "style", only those said; values are
    the words of `kandi_nb.mini.vocabulary`. A place without any object gives the object
    "nothing".

    >>> expects("Белая лиса в снежном лесу")
    {'place': 'snowy_forest', 'object': 'fox', 'colour': 'white'}
    """
    return dict(_read(prompt).attributes)


def unknown_words(prompt: str) -> list[str]:
    """List the words of a prompt that the bundled world has no meaning for, in lower case.

    >>> unknown_words("a cute red dragon in space")
    ['dragon']
    """
    return list(_read(prompt).unknown)


def _listed(words: tuple[str, ...], last: str = "and") -> str:
    shown = [_SHOWN.get(word, word) for word in words]
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}" if len(shown) > 1 else shown[0]


def advise(prompt: str) -> str | None:
    """Say what the bundled model knows if a prompt asks for more; None if it does not.

    The sentence names the unknown words; a prompt in which nothing is recognised as an
    object or a place gets it too.
    """
    reading = _read(prompt)
    if not reading.unknown and "object" in reading.attributes:
        return None
    if reading.unknown:
        named = _listed(tuple(f"“{word}”" for word in reading.unknown[:6]), "or")
        start = f"The bundled model has not learned {named}"
    else:
        start = "The prompt names no object that the bundled model has learned"
    return (
        f"{start}, so the picture may show something else. It knows {_listed(OBJECTS[:-1])}; "
        f"in {_listed(COLOURS[1:], 'or')}; "
        f"at these places: {_listed(PLACES[1:])}; a {_listed(HEADWEAR[1:], 'or a')} "
        f"for {ANIMALS[0]} to {ANIMALS[-1]}; drawn plainly, as "
        f"{_listed(STYLES[1:], 'or as')}."
    )
