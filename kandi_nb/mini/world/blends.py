"""What a mixture of two scenes shows: the world's answer to mixed embeddings.

Adding halves of two picture embeddings is how Kandinsky mixes. The published models know from
millions of pictures what lies between two of them; a small one has to be shown. In this world,
what one of the two does not say comes from the other: a scene without an object lends its
place, a plain backdrop gives way to a painted one, and of two painted places the larger share
decides. Of two things stands the left part of one and the right part of the other, parted
where the share of the first ends: half a cat and half a dog. Drawn one *through* the other,
two things are a blur that neither a small MoVQ nor a small decoder can hold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...words.errors import KandiError
from .render import SIZE, render
from .scenes import HELD_OUT, Scene
from .vocabulary import OBJECTS

KINDS = ("bare", "alike", "place", "any")
SHARES = (0.4, 0.25, 0.25, 0.1)  # how many blends of each kind
SEAM = 0.1  # width of the passage from one thing to the other, as a fraction of the picture


@dataclass(frozen=True)
class Blend:
    """A mixture: ``share`` of scene ``one`` and the rest of scene ``other``, by their numbers.

    ``first`` and ``second`` are what it shows of them, side by side.
    """

    one: int
    other: int
    share: float
    first: Scene
    second: Scene


def mix(a: Scene, b: Scene, share: float = 0.5) -> tuple[Scene, Scene]:
    """Return what a ``share`` of one scene and the rest of another show, drawn from one seed.

    >>> a, b = mix(Scene("fox", place="city"), Scene("nothing", place="beach"))
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
    if a.place == "plain" or (b.place != "plain" and share < 0.5):
        return replace(a, place=b.place), b
    return a, replace(b, place=a.place)


def blends(scenes: Sequence[Scene], count: int) -> Iterator[Blend]:
    """Yield ``count`` mixtures of training scenes, the same ones every time.

    Two of five mix things that are said alone ("a cat", "a dog"), each pair of them as often as
    any other. A quarter mixes things that have all but the object in common, a quarter takes
    the place from an empty scene, the rest are any two. None shows a held-out triple. Raises
    KandiError where there are too few scenes.
    """
    draw = random.Random("kandi blends")
    empty = [n for n, s in enumerate(scenes) if s.object == "nothing"]
    things = [n for n, s in enumerate(scenes) if s.object != "nothing"]
    bare: dict[str, list[int]] = {}
    alike: dict[tuple, list[int]] = {}
    for n in things:
        s = scenes[n]
        if s == Scene(s.object, seed=s.seed):
            bare.setdefault(s.object, []).append(n)
        alike.setdefault((s.colour, s.place, s.headwear, s.style), []).append(n)
    alone = sorted(bare)
    others = {"place": empty, "any": things}
    mixtures = 0
    for _ in range(1000 * (count + 1)):
        if mixtures == count:
            return
        (kind,) = draw.choices(KINDS, SHARES)
        if kind == "bare":  # each pair as often as any other, however rare its scenes are
            if len(alone) < 2:
                continue
            one, other = (draw.choice(bare[thing]) for thing in draw.sample(alone, 2))
        else:
            if not things or not others.get(kind, things):
                continue
            one = draw.choice(things)
            a = scenes[one]
            if kind == "alike":
                others["alike"] = alike[a.colour, a.place, a.headwear, a.style]
            other = draw.choice(others[kind])
            if kind != "place" and a.object == scenes[other].object:
                continue
        share = draw.uniform(0.2, 0.8)
        first, second = mix(scenes[one], scenes[other], share)
        if not {first.triple, second.triple} & HELD_OUT:
            yield Blend(one, other, share, first, second)
            mixtures += 1
    raise KandiError(f"{len(scenes)} scenes are too few to mix: take more with --scenes")


def render_blend(blend: Blend, size: int = SIZE) -> np.ndarray:
    """Draw a mixture: uint8 (size, size, 3).

    A sum of embeddings has no order, so the thing that comes first in the vocabulary stands
    left. Its share is that of what is seen, so that a narrow thing is not hidden.
    """
    first, share, second = blend.first, blend.share, blend.second
    if first == second:
        return render(first, size).image
    if OBJECTS.index(first.object) > OBJECTS.index(second.object):
        first, share, second = second, 1 - share, first
    left, right = render(first, size), render(second, size)
    covered = sum(r.silhouette.sum(0) / r.silhouette.sum() for r in (left, right))
    seam = np.searchsorted(covered.cumsum() / 2, share) + 0.5
    mask = np.clip((seam - np.arange(size) - 0.5) / (SEAM * size) + 0.5, 0, 1)[:, None]
    both = mask * left.image + (1 - mask) * right.image
    return both.round().astype(np.uint8)
