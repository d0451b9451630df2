"""Let the judge read what image-to-image and mixed embeddings draw."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...tasks.edit import edit
from .. import judge
from ..world.render import SIZE, render
from ..world.scenes import THINGS, Scene, accepted_colours, scenes
from ..world.vocabulary import COLOURS, PLACES
from .text import sentences

if TYPE_CHECKING:
    from PIL import Image

    from .painter import Painter

PAIR = ("cat", "dog")  # what everybody mixes first

# Figures, and rows of the pictures that they are read from.
Read = tuple[dict[str, float], list[list["Image.Image"]]]


def render_all(asked: Sequence[Scene], size: int = SIZE) -> list[Image.Image]:
    from PIL import Image

    return [Image.fromarray(render(scene, size).image) for scene in asked]


def edits(count: int) -> list[tuple[Scene, Scene]]:
    """Return ``count`` changes of colour: what is there, and the held-out scene asked for."""
    draw = random.Random("edit")
    changes = []
    for after in scenes(4 * count, held_out=True, salt="edit"):
        after = replace(after, style="plain")
        same = accepted_colours(after.object, after.colour)
        others = [
            colour
            for colour in COLOURS
            if not set(same) & set(accepted_colours(after.object, colour))
        ]
        changes.append((replace(after, colour=draw.choice(others)), after))
    return changes[:count]


def read_edit(painter: Painter, count: int = 60, strength: float = 0.5) -> Read:
    """Ask image-to-image for another colour: return the shares, and before and after."""
    asked = edits(count)
    start = render_all([before for before, _ in asked], painter.size)
    wanted = [after for _, after in asked]
    seeds = [i % 2 for i in range(count)]
    runs = [one.replace(strength=strength) for one in painter.params(sentences(wanted), seeds)]
    drawn = edit(painter.k, runs, image=start, progress=False).images
    scores = judge.score(judge.read(drawn), wanted)
    return {
        "edit: colour arrives": scores["colour"],
        "edit: object stays": scores["object"],
        "edit: place stays": scores["place"],
    }, [start, drawn]


def pairs(count: int) -> list[tuple[str, str]]:
    """Return ``count`` pairs of things to mix, a fifth of them cat and dog."""
    every = list(itertools.combinations(THINGS, 2))
    random.Random("mix").shuffle(every)
    return [PAIR] * (count // 5) + every[: count - count // 5]


def read_mix(painter: Painter, count: int = 60) -> Read:
    """Mix two sentences half and half, then a picture with a sentence.

    Returns the shares of mixtures whose halves are both among the judge's first three words
    (of ``count`` pairs, and of as many mixtures of cat and dog alone), the same for pictures
    of the first half alone ("by chance": what a judge that sees both everywhere would give
    away), and of pictures whose object stands at the sentence's place; and the mixtures, what
    was moved, and where to.
    """
    asked = pairs(count)
    asked += [PAIR] * (count - asked.count(PAIR))  # a few would say little about one pair
    one = painter.imagine(sentences([Scene(a) for a, _ in asked]))
    other = painter.imagine(sentences([Scene(b) for _, b in asked]))
    blank, seeds = [""] * len(asked), list(range(len(asked)))

    def named(drawn: Sequence[Image.Image]) -> np.ndarray:
        readings = judge.read(drawn)  # of all that was asked, or of the first of it
        tops = [set(reading.top("object", 3)) for reading in readings]
        return np.array([set(pair) <= top for pair, top in zip(asked, tops, strict=False)])

    mixed = painter.draw(blank, seeds, embedded=(one + other) / 2)
    alone = painter.draw(blank[:count], seeds[:count], embedded=one[:count])
    both = named(mixed)
    figures = {
        "mix: both in the top three": float(both[:count].mean()),
        "mix: cat and dog": float(both[[pair == PAIR for pair in asked]].mean()),
        "mix: by chance": float(named(alone).mean()),
    }
    draw = random.Random("picture and text")
    before = [
        replace(s, style="plain") for s in scenes(count, held_out=True, salt="picture and text")
    ]
    places = [draw.choice([p for p in PLACES if p != s.place]) for s in before]
    text = painter.imagine(sentences([Scene("nothing", place=p) for p in places]))
    start = render_all(before, painter.size)
    halves = (painter.see(start) + text) / 2
    moved = painter.draw(blank[:count], seeds[:count], embedded=halves)
    right = [
        (reading.object, reading.place) == (scene.object, place)
        for reading, scene, place in zip(judge.read(moved), before, places, strict=True)
    ]
    figures["picture + text"] = float(np.mean(right))
    return figures, [mixed[:count], start, moved]
