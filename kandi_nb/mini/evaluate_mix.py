"""Let the judge read what image-to-image and mixed embeddings draw."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from . import judge
from .readings import sentences
from .render import render
from .vocabulary import COLOURS, PLACES
from .world import THINGS, Scene, accepted_colours, scenes

if TYPE_CHECKING:
    from PIL import Image

    from .painter import Painter

Reading = tuple[dict[str, float], list[list["Image.Image"]]]


def _drawn(asked: Sequence[Scene]) -> list[Image.Image]:
    from PIL import Image

    return [Image.fromarray(render(scene).image) for scene in asked]


def edits(count: int) -> list[tuple[Scene, Scene]]:
    """Return ``count`` changes of colour: what is there, and the held-out scene asked for."""
    draw = random.Random("edit")
    made = []
    for after in scenes(4 * count, held_out=True, salt="edit"):
        after = replace(after, style="plain")
        same = accepted_colours(after.object, after.colour)
        others = [
            colour
            for colour in COLOURS
            if not set(same) & set(accepted_colours(after.object, colour))
        ]
        made.append((replace(after, colour=draw.choice(others)), after))
    return made[:count]


def read_edit(painter: Painter, count: int = 60, strength: float = 0.5) -> Reading:
    """Ask image-to-image for another colour: return the shares, and before and after."""
    asked = edits(count)
    start = _drawn([before for before, _ in asked])
    wanted = [after for _, after in asked]
    seeds = [i % 2 for i in range(count)]
    given = {"image": start}
    drawn = painter.draw(sentences(wanted), seeds, "image", given=given, strength=strength)
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
    return [("cat", "dog")] * (count // 5) + every[: count - count // 5]


def read_mix(painter: Painter, count: int = 60) -> Reading:
    """Mix two sentences half and half, then a picture with a sentence.

    Returns the shares of mixtures whose halves are both among the judge's first three words,
    the same for pictures of the first half alone ("by chance": what a judge that sees both
    everywhere would give away), and of pictures whose object stands at the sentence's place;
    and the mixtures, what was moved, and where to.
    """
    asked = pairs(count)
    one, nothing = painter.imagine(sentences([Scene(a) for a, _ in asked]))
    other, _ = painter.imagine(sentences([Scene(b) for _, b in asked]))
    blank, seeds = [""] * count, list(range(count))

    def named(drawn: Sequence[Image.Image]) -> list[bool]:
        return [
            set(pair) <= set(reading.top("object", 3))
            for pair, reading in zip(asked, judge.read(drawn), strict=True)
        ]

    mixed = painter.draw(blank, seeds, embedded=((one + other) / 2, nothing))
    alone = painter.draw(blank, seeds, embedded=(one, nothing))
    found = named(mixed)
    figures = {
        "mix: both in the top three": float(np.mean(found)),
        "mix: cat and dog": float(np.mean(found[: count // 5])),
        "mix: by chance": float(np.mean(named(alone))),
    }
    draw = random.Random("picture and text")
    shown = [
        replace(s, style="plain") for s in scenes(count, held_out=True, salt="picture and text")
    ]
    places = [draw.choice([p for p in PLACES if p != s.place]) for s in shown]
    text, nothing = painter.imagine(sentences([Scene("nothing", place=p) for p in places]))
    start = _drawn(shown)
    moved = painter.draw(blank, seeds, embedded=((painter.see(start) + text) / 2, nothing))
    right = [
        (reading.object, reading.place) == (scene.object, place)
        for reading, scene, place in zip(judge.read(moved), shown, places, strict=True)
    ]
    return figures | {"picture + text": float(np.mean(right))}, [mixed, start, moved]
