"""Read prompts in the five languages back into the attributes they name.

Each `read_…` module lists patterns in order of precedence: whole names of places come before
the colours and objects that they contain ("green meadow", "космический корабль", 猫头鹰), and
what a pattern has consumed is not looked at again. Of several objects (or colours) the first in
the prompt counts, of several places the first in the list: a sunset over snow is a sunset.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

from . import read_de, read_en, read_fr, read_ru, read_zh

_GAP = ";"  # stands for every letter that was consumed; no pattern runs across it
_SPELLINGS = str.maketrans(
    {
        **dict(zip("àáâãäåçèéêëìíîïñòóôõöùúûüýÿ", "aaaaaaceeeeiiiinooooouuuuyy", strict=True)),
        **{"ё": "е", "ß": "ss", "œ": "oe", "æ": "ae", "’": "'", "‘": "'", "`": "'"},
    }
)
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_CHINESE = "\u3400-\u9fff"
_CYRILLIC = "\u0400-\u04ff"
_LATIN = "\u0000-\u024f"
_Patterns = tuple[tuple[str, str, re.Pattern[str]], ...]


class _Language(NamedTuple):
    patterns: _Patterns
    harmless: frozenset[str]
    beside: dict[str, frozenset[str]]


class Read(NamedTuple):
    said: dict[str, list[str]]  # attribute: its values, the one that counts first
    unknown: list[str]


@cache
def _language(name: str) -> _Language:
    module = {"en": read_en, "ru": read_ru, "de": read_de, "fr": read_fr}[name]
    return _Language(
        tuple(
            (attribute, value, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)"))
            for attribute, value, pattern in module.PATTERNS
        ),
        frozenset(module.HARMLESS.split()),
        {place: frozenset(words.split()) for place, words in module.BESIDE.items()},
    )


@cache
def _chinese() -> tuple[_Patterns, re.Pattern[str]]:
    patterns = tuple((a, v, re.compile(pattern)) for a, v, pattern in read_zh.PATTERNS)
    return patterns, re.compile(read_zh.HARMLESS)


def _spell(text: str) -> str:
    return re.sub(r"\s+", " ", text.lower().translate(_SPELLINGS))


def _consume(text: str, patterns: _Patterns, said: dict[str, list[str]]) -> str:
    """Collect what the patterns find in `said` and return the text with gaps in its place."""
    starts: dict[tuple[str, str], int] = {}
    for attribute, value, pattern in patterns:
        match = pattern.search(text)
        if match is None:
            continue
        start = starts.setdefault((attribute, value), match.start())
        starts[attribute, value] = min(start, match.start())
        text = pattern.sub(_gap, text)
    for attribute, value in starts:
        said.setdefault(attribute, []).append(value)
    for attribute in ("object", "colour"):
        if attribute in said:
            said[attribute].sort(key=lambda value: starts[attribute, value])
    return text


def _gap(match: re.Match[str]) -> str:
    return _GAP * len(match.group())


def _only(letters: str, text: str) -> str:
    """Leave a text's letters of one script, each at its place."""
    return re.sub(rf"[^{letters}\s-]", _GAP, text)


def _read_words(text: str, name: str) -> Read:
    language = _language(name)
    said: dict[str, list[str]] = {}
    rest = _consume(text, language.patterns, said)
    place = said.get("place", [""])[0]
    fitting = language.harmless | language.beside.get(place, frozenset())
    unknown = [
        word
        for word in _WORD.findall(rest)
        if not (
            word[0].isdigit() or word in fitting or all(p in fitting for p in word.split("-"))
        )
    ]
    return Read(said, unknown)


def _read_latin(text: str) -> Read:
    """Read as the language that knows most of the words; German also without umlauts."""
    readings = [_read_words(text, name) for name in ("en", "de", "fr")]
    readings.append(_read_words(re.sub("([aou])e", r"\1", text), "de"))
    return min(readings, key=lambda reading: len(reading.unknown))


def _read_mixed(text: str) -> list[Read]:
    """Read by the best language, and what that does not know by the next best."""
    readings = [_read_latin(text)]
    while unknown := readings[-1].unknown:
        reading = _read_latin(" ; ".join(unknown))
        if len(reading.unknown) == len(unknown):
            break
        readings[-1] = readings[-1]._replace(unknown=[])
        readings.append(reading)
    return readings


def _read_chinese(text: str) -> Read:
    patterns, harmless = _chinese()
    said: dict[str, list[str]] = {}
    unknown = re.findall(read_zh.OTHER, text)
    rest = _consume(re.sub(read_zh.OTHER, _gap, text), patterns, said)
    unknown += re.findall(rf"[{_CHINESE}]+", harmless.sub(_GAP, rest))
    return Read(said, unknown)


@lru_cache(maxsize=256)
def read(prompt: str) -> Read:
    """Read all that a prompt says; whoever hands a part of it out copies it first."""
    # Some keyboards and files take letters apart: u and ̈ are read as ü.
    prompt = unicodedata.normalize("NFC", prompt)
    text = _spell(prompt)
    readings = []
    if _WORD.search(_only(_LATIN, text)):
        readings += _read_mixed(_only(_LATIN, text))
    if re.search(rf"[{_CYRILLIC}]", text):
        readings.append(_read_words(_only(_CYRILLIC, text), "ru"))
    if re.search(rf"[{_CHINESE}]", text):
        readings.append(_read_chinese(text))

    said: dict[str, list[str]] = {}
    unknown: list[str] = []
    for reading in readings:
        unknown += reading.unknown
        for attribute, values in reading.said.items():
            kept = said.setdefault(attribute, [])
            kept += [value for value in values if value not in kept]
    unknown += re.findall(rf"[^\W\d_{_LATIN}{_CYRILLIC}{_CHINESE}]+", text)
    # Report words as they were typed, accents included.
    typed = {_spell(word): word.lower() for word in _WORD.findall(prompt)}
    unknown = list(dict.fromkeys(typed.get(word, word) for word in unknown))
    # A place alone is a picture of the empty place, unless something else was asked for.
    if "object" not in said and "place" in said and not unknown:
        said["object"] = ["nothing"]
    return Read(said, unknown)


def expects(prompt: str) -> dict[str, str]:
    """Read the attributes that a prompt says, in any of the five languages.

    Keys are "object", "colour", "place", "headwear" and "style", only those said; values are
    the words of `kandi_nb.mini.world.vocabulary`. A place without any object gives the object
    "nothing".

    >>> expects("Белая лиса в снежном лесу")
    {'place': 'snowy_forest', 'object': 'fox', 'colour': 'white'}
    """
    return {attribute: values[0] for attribute, values in read(prompt).said.items()}


def unknown_words(prompt: str) -> list[str]:
    """List the words of a prompt that the bundled world has no meaning for, in lower case.

    >>> unknown_words("a cute red dragon in space")
    ['dragon']
    """
    return list(read(prompt).unknown)
