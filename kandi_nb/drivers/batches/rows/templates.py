r"""Cells that stand for several values: templates in texts, and seeds by chance.

In a prompt, `a {red|blue} {cat|dog}` stands for every combination.
Choices may stand inside choices, and one may be empty; a brace or bar that is meant as such is
written \{, \} or \|.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ....words.errors import KandiError, quote
from ....words.files import write
from ....words.params import ABOVE
from ..folder.claims import HIDDEN

_MARKS = "{|}"
_PLAIN = re.compile(r"[^\\{|}]+")
_DEEPEST = 50  # choices inside choices


@dataclass(frozen=True)
class _Choice:
    """Hold the ways to go on: each is a sequence of texts and further choices."""

    ways: tuple[tuple[str | _Choice, ...], ...]


class Template:
    """Read a template; raise KandiError for one without an end or without a choice.

    >>> list(Template("a {red|blue} {cat|dog}"))
    ['a red cat', 'a red dog', 'a blue cat', 'a blue dog']
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._depth = 0
        self._parts, rest = self._sequence(0, inside=False)
        assert rest == len(text)

    @property
    def count(self) -> int:
        """Return the number of combinations."""
        return _count(self._parts)

    def __iter__(self) -> Iterator[str]:
        return map(self.nth, range(self.count))

    def sample(self, count: int) -> Iterator[str]:
        """Yield so many of the combinations, the same ones whenever this template is read."""
        return map(self.nth, _some(self.count, count, self.text))

    @property
    def may_be_blank(self) -> bool:
        """Tell whether one of the combinations holds nothing but spaces."""
        return _may_be_blank(self._parts)

    def nth(self, number: int) -> str:
        """Return one of the combinations, by its number from 0."""
        text = _nth(self._parts, number)
        # An empty way leaves two spaces; a text without choices stays as it was typed.
        return " ".join(text.split()) if self.count > 1 else text

    def _sequence(self, place: int, *, inside: bool) -> tuple[tuple[str | _Choice, ...], int]:
        """Return the parts from a place on, and where they end: at | or }, or with the text."""
        parts: list[str | _Choice] = [""]
        while place < len(self.text):
            if plain := _PLAIN.match(self.text, place):
                parts[-1] = f"{parts[-1]}{plain[0]}"
                place = plain.end()
                continue
            letter = self.text[place]
            if letter == "\\" and self.text[place + 1 : place + 2] in tuple(_MARKS):
                letter, place = self.text[place + 1], place + 1
            elif letter == "{":
                choice, place = self._choice(place)
                parts += [choice, ""]
                continue
            elif letter in "|}" and inside:
                break
            elif letter == "}":
                raise self._wrong(f"}} at letter {place + 1} closes nothing")
            parts[-1] = f"{parts[-1]}{letter}"
            place += 1
        return tuple(part for part in parts if part != ""), place

    def _choice(self, start: int) -> tuple[_Choice, int]:
        ways, place = [], start
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"choices stand more than {_DEEPEST} deep inside each other")
        while self.text[place : place + 1] != "}":
            parts, place = self._sequence(place + 1, inside=True)
            ways.append(parts)
            if place >= len(self.text):
                raise self._wrong(f"{{ at letter {start + 1} has no end")
        if len(ways) == 1:
            raise self._wrong(f"{quote(self.text[start : place + 1])} leaves no choice")
        self._depth -= 1
        return _Choice(tuple(ways)), place + 1

    def _wrong(self, what: str) -> KandiError:
        return KandiError(f"{what}; a choice is {{red|blue}}, a plain brace \\{{ or \\}}")


class Texts:
    """Hold the texts of a row, each of which may be a template: all that they stand for.

    The last text varies fastest. None stays None.

    >>> list(Texts({"prompt": "a {cat|dog}", "negative": "snow"}))[1]
    {'prompt': 'a dog', 'negative': 'snow'}
    """

    def __init__(self, texts: Mapping[str, str | None]) -> None:
        self._texts, self._templates = dict(texts), {}
        for name, text in texts.items():
            if text and set(text) & set("{}\\"):
                self._templates[name] = Template(text)

    @property
    def count(self) -> int:
        """Return the number of combinations."""
        return math.prod(template.count for template in self._templates.values())

    def __iter__(self) -> Iterator[dict[str, str | None]]:
        return map(self.nth, range(self.count))

    def sample(self, count: int) -> Iterator[dict[str, str | None]]:
        """Yield so many of the combinations, the same ones whenever these texts are read."""
        key = "\0".join(template.text for template in self._templates.values())
        return map(self.nth, _some(self.count, count, key))

    def nth(self, number: int) -> dict[str, str | None]:
        """Return one of the combinations, by its number from 0."""
        texts = dict(self._texts)
        for name, template in reversed(self._templates.items()):
            number, own = divmod(number, template.count)
            texts[name] = template.nth(own)
        return texts

    def check_prompt(self) -> None:
        """Raise KandiError where a way through the prompt leaves nothing to draw."""
        template = self._templates.get("prompt")
        if template and template.may_be_blank:
            raise KandiError(
                f"one way of {quote(template.text)} is an empty prompt; leave that way out, or "
                "put a word beside the choice"
            )


class Chance:
    """Draw seeds for the rows of a table: another for each, the same when it is read again.

    A batch reads its table more than once, and is called again to go on: so what was drawn by
    chance is one number for a folder of pictures, kept there, and a row's seed follows from it.
    """

    def __init__(self) -> None:
        self._drawn = secrets.token_hex(16)

    def keep_in(self, folder: Path) -> None:
        """Take the number of a folder from now on; one without gets this one."""
        with suppress(KandiError):  # another batch, or an earlier call, was first
            write(folder / HIDDEN / "chance", self._drawn.encode())
        self.look_in(folder)

    def look_in(self, folder: Path) -> None:
        """Take the number of a folder, if it has one; nothing is written."""
        path = folder / HIDDEN / "chance"
        with suppress(OSError, ValueError):
            if path.is_file():  # a pipe's bytes may never come
                self._drawn = path.read_text("ascii")

    def seed(self, row: int, name: str) -> int:
        """Return the seed of a row, below 2³²."""
        digest = hashlib.sha256(f"{self._drawn} {row} {name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % ABOVE


def many(count: int) -> str:
    """Return a number as a message says it.

    >>> many(12345678), many(2**20000)
    ('12,345,678', 'more than 10^6020')
    """
    return f"{count:,}" if count < 10**15 else f"more than 10^{int(math.log10(count))}"


def _some(count: int, most: int, key: str) -> Iterator[int]:
    """Yield numbers below `count`, at most so many, in order; the same ones for a key."""
    if most >= count:
        return iter(range(count))
    draw = random.Random(key)
    numbers: set[int] = set()
    while len(numbers) < most:  # there may be too many for a range
        numbers.add(draw.randrange(count))
    return iter(sorted(numbers))


def _may_be_blank(parts: tuple[str | _Choice, ...]) -> bool:
    return all(
        not part.strip() if isinstance(part, str) else any(map(_may_be_blank, part.ways))
        for part in parts
    )


def _count(parts: tuple[str | _Choice, ...]) -> int:
    return math.prod(sum(map(_count, part.ways)) for part in parts if isinstance(part, _Choice))


def _nth(parts: tuple[str | _Choice, ...], number: int) -> str:
    """Return one combination; the last choice varies fastest."""
    texts: list[str] = []
    for part in reversed(parts):
        if isinstance(part, str):
            texts.append(part)
            continue
        number, within = divmod(number, sum(map(_count, part.ways)))
        for way in part.ways:
            if within < _count(way):
                texts.append(_nth(way, within))
                break
            within -= _count(way)
    return "".join(reversed(texts))
