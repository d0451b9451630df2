"""How a caption is put together from a language's phrases, for the languages with articles or cases.

A language module (`captions_en`, `captions_ru`, `captions_de`, `captions_fr`) fills a
`Grammar` with ready-inflected phrases; `compose` and `standard` only choose and join them. In
every tuple of a grammar the first entry is the standard wording, and an entry that stands
there several times is drawn that much more often. Chinese orders its sentences otherwise and
joins its own (`captions_zh`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple

from .vocabulary import ANIMALS


class Phrase(NamedTuple):
    """One noun phrase in the forms that captions need."""

    a: str  # standing alone: "a red fox"
    bare: str  # without an article: "red fox"
    of: str  # after "a photo", preposition included: "of a red fox"
    along: str  # after "a picture", preposition included: "with a red fox"
    the: str  # definite: "the red fox"
    gender: str = "m"


class Grammar(NamedTuple):
    """The phrases of one language; see the module's docstring for the order of the tuples."""

    subjects: dict[tuple[str, str], tuple[Phrase, ...]]  # (object, colour)
    scenery: dict[str, tuple[Phrase, ...]]  # place, as a picture of its own
    at: dict[str, tuple[str, ...]]  # place, as where something is
    wearing: dict[tuple[str, str], tuple[str, ...]]  # (headwear, gender)
    worn: dict[str, tuple[str, ...]]  # headwear as a keyword
    verbs: dict[str, tuple[str, ...]]  # object: "A fox {sits} in space"
    inverted: dict[str, tuple[str, ...]]  # object: "In space {sits} a fox"
    openers: dict[str, tuple[tuple[str, int], ...]]  # style: ("a photo ", field of Phrase)
    tails: dict[str, tuple[str, ...]]  # style: ", oil painting"
    spell: Callable[[str, Random], str] | None = None  # spellings people also use
    drop_articles: Callable[[str], str] | None = None


def spread(text: str) -> tuple[str, ...]:
    """Split "one*3 | two" into ("one", "one", "one", "two").

    >>> spread("fox*2 | vixen")
    ('fox', 'fox', 'vixen')
    """
    entries: list[str] = []
    for entry in text.split("|"):
        words, _, times = entry.strip().partition("*")
        entries += [words] * int(times or 1)
    return tuple(entries)


def spread_all(table: dict[Any, str]) -> dict[Any, tuple[str, ...]]:
    """Apply `spread` to every value."""
    return {key: spread(text) for key, text in table.items()}


def openers(text: str) -> tuple[tuple[str, int], ...]:
    """Parse "a photo {of} | picture: {a}" into (beginning, index of the Phrase field)."""
    pairs = []
    for entry in spread(text):
        beginning, _, field = entry.rstrip("}").partition("{")
        pairs.append((beginning, Phrase._fields.index(field)))
    return tuple(pairs)


def pick(items: tuple[Any, ...], rng: Random) -> Any:
    """Draw one entry (much faster than `rng.choice`)."""
    return items[int(rng.random() * len(items))]


def capital(text: str) -> str:
    """Make the first letter a capital and leave the rest."""
    return text[:1].upper() + text[1:]


def _joined(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)


def standard(grammar: Grammar, scene: Any) -> str:
    """Word a scene in the one standard way of its language."""
    beginning, field = grammar.openers[scene.style][0] if scene.style != "plain" else ("", 0)
    if scene.object == "nothing":
        return capital(beginning + grammar.scenery[scene.place][0][field])
    phrase = grammar.subjects[scene.object, scene.colour][0]
    worn = place = ""
    if scene.headwear != "none" and scene.object in ANIMALS:
        worn = grammar.wearing[scene.headwear, phrase.gender][0]
    if scene.place != "plain":
        place = grammar.at[scene.place][0]
    return capital(_joined((beginning + phrase[field], worn, place)))


def compose(grammar: Grammar, scene: Any, rng: Random) -> str:
    """Draw one of the many wordings of a scene."""
    chance = rng.random
    shape = chance()
    if shape < 0.1:
        text = standard(grammar, scene)
    elif scene.object == "nothing":
        text = _scenery(grammar, scene, rng)
    elif shape < 0.28:
        text = _keywords(grammar, scene, rng)
    else:
        text = _sentence(grammar, scene, rng)

    start = chance()
    if start < 0.5:
        text = capital(text)
    elif start < 0.75:
        text = text.lower()
    if grammar.spell is not None:
        text = grammar.spell(text, rng)
    return text + "." if chance() < 0.12 else text


def _opened(grammar: Grammar, style: str, phrase: Phrase, rng: Random) -> tuple[str, str]:
    """The phrase behind a drawn opener, and the style's words still to be said."""
    chance = rng.random()
    if chance < (0.15 if style == "plain" else 0.5):
        beginning, field = pick(grammar.openers[style], rng)
        return beginning + phrase[field], ""
    rest = "" if style == "plain" else pick(grammar.tails[style], rng)
    if chance > 0.9:
        return phrase.bare, rest
    return phrase.a, rest


def _finished(text: str, style: str, rng: Random) -> str:
    if not style:
        return text
    chance = rng.random()
    if chance < 0.7:
        return f"{text}, {style}"
    return f"{style}, {text}" if chance < 0.85 else f"{style}: {text}"


def _scenery(grammar: Grammar, scene: Any, rng: Random) -> str:
    phrase = pick(grammar.scenery[scene.place], rng)
    text, style = _opened(grammar, scene.style, phrase, rng)
    return _finished(text, style, rng)


def _keywords(grammar: Grammar, scene: Any, rng: Random) -> str:
    """A comma prompt: "red fox, crown, snowy forest, oil painting"."""
    chance = rng.random
    phrase = pick(grammar.subjects[scene.object, scene.colour], rng)
    words = [phrase.bare]
    if scene.headwear != "none" and scene.object in ANIMALS:
        if chance() < 0.5:
            words[0] += " " + pick(grammar.wearing[scene.headwear, phrase.gender], rng)
        else:
            words.append(pick(grammar.worn[scene.headwear], rng))
    if scene.place != "plain":
        words.append(pick(grammar.scenery[scene.place], rng).bare)
    if scene.style != "plain":
        words.append(pick(grammar.tails[scene.style], rng))
    if chance() < 0.25:
        rng.shuffle(words)
    return ", ".join(words)


def _sentence(grammar: Grammar, scene: Any, rng: Random) -> str:
    chance = rng.random
    phrase = pick(grammar.subjects[scene.object, scene.colour], rng)
    worn = place = ""
    if scene.headwear != "none" and scene.object in ANIMALS:
        worn = pick(grammar.wearing[scene.headwear, phrase.gender], rng)
    real_place = scene.place != "plain"
    if real_place or chance() < 0.1:
        place = pick(grammar.at[scene.place], rng)

    text, style = _opened(grammar, scene.style, phrase, rng)
    plain_start = text is phrase.a
    if text is phrase.bare and grammar.drop_articles is not None and chance() < 0.5:
        worn, place = grammar.drop_articles(worn), grammar.drop_articles(place)

    order = chance()
    if real_place and plain_start and order < 0.4:
        if order < 0.05:
            text = phrase.the
        if order < 0.15:
            text = _joined((text, worn, pick(grammar.verbs[scene.object], rng), place))
        elif order < 0.28:
            text = f"{place}, {_joined((text, worn))}"
        else:
            verb = pick(grammar.inverted[scene.object], rng)
            text = _joined((place, verb, text, worn))
    elif worn and place and order > 0.88:
        text = _joined((text, place, worn))
    else:
        text = _joined((text, worn, place))
    return _finished(text, style, rng)
