"""Join phrases into captions, for the languages that inflect: English, Russian, German, French.

A language's `write_…` module fills a `Grammar` with ready-inflected phrases; `compose` and
`standard` only choose and join them. In every tuple of a grammar the first entry is the
standard wording, and an entry that stands there several times is drawn that much more often.
Chinese orders its sentences otherwise and joins its own (`write_zh`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple

from ..world.vocabulary import ANIMALS


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
    scenery: dict[str, tuple[Phrase, ...]]  # place, as a keyword beside an object
    empty: dict[str, tuple[Phrase, ...]]  # place, as a picture of its own
    at: dict[str, tuple[str, ...]]  # place, as where something is
    wearing: dict[tuple[str, str], tuple[str, ...]]  # (headwear, gender)
    worn: dict[str, tuple[str, ...]]  # headwear as a keyword
    verbs: dict[str, tuple[str, ...]]  # object: "A fox {sits} in space"
    inverted: dict[str, tuple[str, ...]]  # object: "In space {sits} a fox"
    openers: dict[str, tuple[tuple[str, int], ...]]  # style: ("a photo ", field of Phrase)
    tails: dict[str, tuple[str, ...]]  # style: ", oil painting"; the first also go in front
    colon: str = ": "
    spell: Callable[[str, Random], str] | None = None  # spellings people also use
    drop_articles: Callable[[str], str] | None = None


_KINDS = {"owl", "butterfly", "car", "rocket", "sailboat", "mushroom", "apple"}
_FRONT = 5  # so many of the first tails are plain nouns, fit to open a caption


def kind(thing: str) -> str:
    """Name the verbs an object goes with: its own, those of buildings, or of animals."""
    if thing in _KINDS:
        return thing
    return "building" if thing in ("castle", "house") else "animal"


def spread(text: str) -> tuple[str, ...]:
    """Split "one*3 | two" into ("one", "one", "one", "two").

    >>> spread("fox*2 | vixen")
    ('fox', 'fox', 'vixen')
    """
    entries: list[str] = []
    for entry in text.split("|"):
        words, _, times = entry.strip().partition("*")
        entries += [words.strip()] * int(times or 1)
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


def scenery(
    places: dict[str, str], empty: dict[str, str], phrase: Callable[[str], Phrase]
) -> tuple[dict[str, tuple[Phrase, ...]], dict[str, tuple[Phrase, ...]]]:
    """Build `Grammar.scenery` and `Grammar.empty`, which adds wordings of emptiness."""
    beside = {place: tuple(map(phrase, spread(text))) for place, text in places.items()}
    alone = {
        place: phrases + tuple(map(phrase, spread(empty[place])))
        for place, phrases in beside.items()
    }
    return beside, alone


def pick(items: tuple[Any, ...], rng: Random) -> Any:
    """Draw one entry (much faster than `rng.choice`)."""
    return items[int(rng.random() * len(items))]


def capital(text: str) -> str:
    """Make the first letter a capital and leave the rest."""
    return text[:1].upper() + text[1:]


def join_words(parts: Iterable[str]) -> str:
    """Join words by spaces and leave out empty ones."""
    return " ".join(part for part in parts if part)


def wears(scene: Any) -> bool:
    """Tell whether a caption has to say what the object wears."""
    return scene.headwear != "none" and scene.object in ANIMALS


def standard(grammar: Grammar, scene: Any) -> str:
    """Word a scene in the one standard way of its language."""
    beginning, field = grammar.openers[scene.style][0] if scene.style != "plain" else ("", 0)
    if scene.object == "nothing":
        return capital(beginning + grammar.empty[scene.place][0][field])
    phrase = grammar.subjects[scene.object, scene.colour][0]
    worn = grammar.wearing[scene.headwear, phrase.gender][0] if wears(scene) else ""
    place = grammar.at[scene.place][0] if scene.place != "plain" else ""
    return capital(join_words((beginning + phrase[field], worn, place)))


def compose(grammar: Grammar, scene: Any, rng: Random) -> str:
    """Draw one of the many wordings of a scene."""
    chance = rng.random
    shape = chance()
    if shape < 0.1:
        text = standard(grammar, scene)
    elif scene.object == "nothing":
        phrase = pick(grammar.empty[scene.place], rng)
        # "A picture with space" is nobody's wording: `along` is for objects.
        phrase = phrase._replace(along=phrase.of)
        text, style = _open(grammar, scene.style, phrase, rng)
        text = _close(grammar, text, style, rng)
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


def _open(grammar: Grammar, style: str, phrase: Phrase, rng: Random) -> tuple[str, str]:
    """Return the phrase behind a drawn opener, and the style if it is still to be said."""
    chance = rng.random()
    if chance < (0.15 if style == "plain" else 0.5):
        beginning, field = pick(grammar.openers[style], rng)
        return beginning + phrase[field], ""
    return (phrase.bare if chance > 0.9 else phrase.a), ("" if style == "plain" else style)


def _close(grammar: Grammar, text: str, style: str, rng: Random) -> str:
    if not style:
        return text
    chance = rng.random()
    if chance < 0.7:
        return f"{text}, {pick(grammar.tails[style], rng)}"
    tail = pick(grammar.tails[style][:_FRONT], rng)
    return f"{tail}, {text}" if chance < 0.82 else f"{tail}{grammar.colon}{text}"


def _keywords(grammar: Grammar, scene: Any, rng: Random) -> str:
    """Write a comma prompt: "red fox, crown, snowy forest, oil painting"."""
    chance = rng.random
    phrase = pick(grammar.subjects[scene.object, scene.colour], rng)
    words = [phrase.bare]
    if wears(scene):
        if chance() < 0.5:
            words[0] += " " + pick(grammar.wearing[scene.headwear, phrase.gender], rng)
        else:
            words.append(pick(grammar.worn[scene.headwear], rng))
    if scene.place != "plain" or chance() < 0.1:
        words.append(pick(grammar.scenery[scene.place], rng).bare)
    if scene.style != "plain":
        words.append(pick(grammar.tails[scene.style], rng))
    if chance() < 0.25:
        rng.shuffle(words)
    return ", ".join(words)


def _sentence(grammar: Grammar, scene: Any, rng: Random) -> str:
    chance = rng.random
    phrase = pick(grammar.subjects[scene.object, scene.colour], rng)
    worn = pick(grammar.wearing[scene.headwear, phrase.gender], rng) if wears(scene) else ""
    real_place = scene.place != "plain"
    place = pick(grammar.at[scene.place], rng) if real_place or chance() < 0.1 else ""

    text, style = _open(grammar, scene.style, phrase, rng)
    if text is phrase.bare and grammar.drop_articles is not None and chance() < 0.5:
        worn, place = grammar.drop_articles(worn), grammar.drop_articles(place)

    order = chance()
    if real_place and text is phrase.a and order < 0.4:
        if order < 0.15:
            subject = phrase.the if order < 0.05 else text
            verb = pick(grammar.verbs[scene.object], rng)
            text = join_words((subject, worn, verb, place))
        elif order < 0.28:
            text = f"{place}, {join_words((text, worn))}"
        else:
            verb = pick(grammar.inverted[scene.object], rng)
            text = join_words((place, verb, text, worn))
    elif worn and place and order > 0.9:
        text = join_words((text, place, worn))
    else:
        text = join_words((text, worn, place))
    return _close(grammar, text, style, rng)
