"""The drawn world: which scenes exist, and which are kept from training.

A scene is object x colour x place x headwear (animals only) x style, plus a seed that decides
everything a caption does not say: size, position, mirroring, stars, trees. Scene ``n`` of a
split is the same scene on every machine.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from .vocabulary import ANIMALS, COLOURS, HEADWEAR, OBJECTS, PLACES, STYLES

THINGS = OBJECTS[:-1]  # all but "nothing"

# Some natural looks are one of the named colours too: a natural frog *is* green. Asking for
# either may draw either, so a judge must accept both.
NATURAL_COLOUR = {
    "cat": "golden",
    "frog": "green",
    "lion": "golden",
    "rabbit": "white",
    "car": "red",
    "rocket": "red",
    "sailboat": "red",
    "mushroom": "red",
    "apple": "red",
    "fox": "red",
}


@dataclass(frozen=True)
class Scene:
    """One scene of the world: the attributes a caption says, and the seed of all the rest."""

    object: str
    colour: str = "natural"
    place: str = "plain"
    headwear: str = "none"
    style: str = "plain"
    seed: int = 0

    @property
    def triple(self) -> tuple[str, str, str]:
        """The part of the scene by which scenes are kept from training."""
        return self.object, self.colour, self.place


def _held_out() -> frozenset[tuple[str, str, str]]:
    """Draw the fixed tenth of all triples: as many of each object as of any other."""
    draw = random.Random("kandi held out 1")
    chosen: list[tuple[str, str, str]] = []
    pairs = list(itertools.product(COLOURS, PLACES))
    for number, thing in enumerate(THINGS):
        count = 6 if number % 5 < 3 else 5  # 16 objects, 90 of 896 triples
        chosen += [(thing, *pair) for pair in draw.sample(pairs, count)]
    return frozenset(chosen)


HELD_OUT = _held_out()


def accepted_colours(thing: str, colour: str) -> tuple[str, ...]:
    """Return the colours a picture of ``thing`` asked for in ``colour`` may rightly show."""
    twin = NATURAL_COLOUR.get(thing)
    return ("natural", twin) if twin and colour in ("natural", twin) else (colour,)


def scene(number: int, *, held_out: bool = False, salt: str = "train") -> Scene:
    """Return scene ``number`` of a split.

    ``held_out=False`` never gives a triple of ``HELD_OUT``, ``held_out=True`` gives nothing
    else. Another ``salt`` gives another sequence from the same split (for validation renders).
    """
    draw = random.Random(f"kandi {salt} {held_out} {number}")
    if held_out:
        thing, colour, place = draw.choice(_HELD_OUT_SORTED)
    elif draw.random() < 0.04:
        thing, colour, place = "nothing", "natural", draw.choice(PLACES)
    else:
        while True:
            triple = draw.choice(THINGS), draw.choice(COLOURS), draw.choice(PLACES)
            if triple not in HELD_OUT:
                break
        thing, colour, place = triple
    headwear = draw.choice(("none", "none", *HEADWEAR[1:])) if thing in ANIMALS else "none"
    style = draw.choices(STYLES, (0.76, 0.12, 0.12))[0]
    return Scene(thing, colour, place, headwear, style, draw.getrandbits(48))


def scenes(count: int, *, start: int = 0, **split) -> Iterator[Scene]:
    """Yield scenes ``start … start + count - 1`` of a split (keywords as in `scene`)."""
    return (scene(number, **split) for number in range(start, start + count))


_HELD_OUT_SORTED = sorted(HELD_OUT)
