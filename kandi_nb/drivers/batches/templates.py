r"""Templates in prompts: `a {red|blue} {cat|dog}` stands for every combination.

Choices may stand inside choices, and one may be empty; a brace or bar that is meant as such is
written \{, \} or \|.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from ...words.errors import KandiError, shown

_MARKS = "{|}"


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
        self._parts, rest = self._sequence(0, inside=False)
        assert rest == len(text)

    @property
    def count(self) -> int:
        """Return the number of combinations."""
        return _count(self._parts)

    def __iter__(self) -> Iterator[str]:
        return map(self._text, range(self.count))

    def sample(self, count: int) -> Iterator[str]:
        """Yield so many of the combinations, the same ones whenever this template is read."""
        if count >= self.count:
            return iter(self)
        draw = random.Random(self.text)
        numbers: set[int] = set()
        while len(numbers) < count:  # there may be too many for a range
            numbers.add(draw.randrange(self.count))
        return map(self._text, sorted(numbers))

    def _text(self, number: int) -> str:
        text = _nth(self._parts, number)
        # An empty way leaves two spaces; a text without choices stays as it was typed.
        return " ".join(text.split()) if self.count > 1 else text

    def _sequence(self, place: int, *, inside: bool) -> tuple[tuple[str | _Choice, ...], int]:
        """Return the parts from a place on, and where they end: at | or }, or with the text."""
        parts: list[str | _Choice] = [""]
        while place < len(self.text):
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
        while self.text[place : place + 1] != "}":
            parts, place = self._sequence(place + 1, inside=True)
            ways.append(parts)
            if place >= len(self.text):
                raise self._wrong(f"{{ at letter {start + 1} has no end")
        if len(ways) == 1:
            raise self._wrong(f"{shown(self.text[start : place + 1])} leaves no choice")
        return _Choice(tuple(ways)), place + 1

    def _wrong(self, what: str) -> KandiError:
        return KandiError(f"{what}; a choice is {{red|blue}}, a plain brace \\{{ or \\}}")


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
