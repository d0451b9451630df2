"""What a mixture of two scenes shows: the world's answer to mixed embeddings.

Adding halves of two picture embeddings is how Kandinsky mixes. The published models know from
millions of pictures what lies between two of them; a small one has to be shown. In this world,
what one of the two does not say comes from the other: a scene without an object lends its
place, a plain backdrop gives way to a painted one. What both say is drawn one through the
other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import KandiError
from .render import SIZE, render
from .world import HELD_OUT, Scene

KINDS = ("bare", "alike", "place", "any")
SHARES = (0.4, 0.25, 0.25, 0.1)  # how many blends of each kind


@dataclass(frozen=True)
class Blend:
    """A mixture: ``share`` of scene ``one`` and the rest of scene ``other``, by their numbers.

    ``first`` and ``second`` are what it shows, one drawn through the other.
    """

    one: int
    other: int
    share: float
    first: Scene
    second: Scene


def mixed(a: Scene, b: Scene) -> tuple[Scene, Scene]:
    """Return what two scenes show when they are mixed, drawn from one seed.

    >>> a, b = mixed(Scene("fox", place="city"), Scene("nothing", place="beach"))
    >>> a.object, a.place, a == b
    ('fox', 'beach', True)
    """
    b = replace(b, seed=a.seed)
    if b.object == "nothing" != a.object:
        a = replace(a, place=b.place)
        return a, a
    if a.object == "nothing" != b.object:
        b = replace(b, place=a.place)
        return b, b
    if a.place == "plain":
        a = replace(a, place=b.place)
    elif b.place == "plain":
        b = replace(b, place=a.place)
    return a, b


def blends(scenes: Sequence[Scene], count: int) -> Iterator[Blend]:
    """Yield ``count`` mixtures of training scenes, the same ones every time.

    Two of five mix things that are said alone ("a cat", "a dog"), a quarter mixes things that
    have all but the object in common, a quarter takes the place from an empty scene, the rest
    are any two. None shows a held-out triple. Raises KandiError where there are too few scenes.
    """
    draw = random.Random("kandi blends")
    empty = [n for n, s in enumerate(scenes) if s.object == "nothing"]
    things = [n for n, s in enumerate(scenes) if s.object != "nothing"]
    bare = [n for n in things if scenes[n] == Scene(scenes[n].object, seed=scenes[n].seed)]
    alike: dict[tuple, list[int]] = {}
    for n in things:
        s = scenes[n]
        alike.setdefault((s.colour, s.place, s.headwear, s.style), []).append(n)
    others = {"bare": bare, "place": empty, "any": things}
    made = 0
    for _ in range(1000 * (count + 1)):
        if made == count:
            return
        (kind,) = draw.choices(KINDS, SHARES)
        first_of = bare if kind == "bare" else things
        if not first_of or not others.get(kind, things):
            continue
        one = draw.choice(first_of)
        a = scenes[one]
        if kind == "alike":
            others["alike"] = alike[a.colour, a.place, a.headwear, a.style]
        other = draw.choice(others[kind])
        if kind != "place" and a.object == scenes[other].object:
            continue
        first, second = mixed(a, scenes[other])
        if not {first.triple, second.triple} & HELD_OUT:
            yield Blend(one, other, draw.uniform(0.3, 0.7), first, second)
            made += 1
    raise KandiError(f"{len(scenes)} scenes are too few to mix: take more with --scenes")


def render_blend(blend: Blend, size: int = SIZE) -> np.ndarray:
    """Draw a mixture: uint8 (size, size, 3)."""
    first = render(blend.first, size).image
    if blend.first == blend.second:
        return first
    second = render(blend.second, size).image
    both = blend.share * first + (1 - blend.share) * second.astype(np.float32)
    return both.round().astype(np.uint8)
