"""Let the judge read what the tasks draw that users call, for every model and language."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...tasks.edit import edit
from ...tasks.generate import generate
from ...tasks.inpaint import inpaint
from ...words.params import Params
from .. import judge
from ..captions import canonical
from ..world.vocabulary import LANGUAGES
from .inpaint import tasks
from .mix import edits, render_all
from .text import held_out

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky

Shares = dict[str, dict[str, float]]  # language → what → share of pictures
ALL = "all"  # beside the languages: all of them together


def read_generate(k: Kandinsky, count: int = 40) -> Shares:
    """Return the shares of right words in pictures of held-out scenes, two seeds each."""
    asked = [scene for scene in held_out(count) for _ in range(2)]
    shares = {}
    for language in LANGUAGES:
        runs = [
            Params(canonical(scene, language), seed=1 + n % 2) for n, scene in enumerate(asked)
        ]
        readings = judge.read(generate(k, runs, progress=False).images)
        shares[language] = judge.score(readings, asked)
    return shares


def read_edit(k: Kandinsky, count: int = 200) -> Shares:
    """Return how often `edit` at strength 0.5 brings another colour, and what stays then."""
    asked = edits(count)
    before, after = ([each[place] for each in asked] for place in (0, 1))
    runs = [
        Params(canonical(scene, _language(n)), seed=n % 2, strength=0.5)
        for n, scene in enumerate(after)
    ]
    readings = judge.read(
        edit(k, runs, image=render_all(before, k.spec.native_size), progress=False).images
    )
    names = {"colour": "colour arrives", "object": "object stays", "place": "place stays"}
    right = [
        {
            names[what]: good
            for what, good in reading.agrees(**{w: getattr(scene, w) for w in names}).items()
        }
        for reading, scene in zip(readings, after, strict=True)
    ]
    return _by_language(right)


def read_inpaint(k: Kandinsky, count: int = 67) -> Shares:
    """Return how often `inpaint` puts there what is asked, `count` times each of three kinds.

    "put there": headwear on an animal, an object into an empty place, another place around an
    object. "identical": the least share of kept pixels that are, of all pictures.
    """
    size = k.spec.native_size
    asked = tasks(count, size)
    result = inpaint(
        k,
        [
            Params(canonical(task.after, _language(n)), seed=n % 2)
            for n, task in enumerate(asked)
        ],
        image=render_all([task.before for task in asked], size),
        mask=[(task.mask * 255).astype(np.uint8) for task in asked],
        progress=False,
    )
    right = []
    for task, reading, proof in zip(
        asked, judge.read(result.images), result.proof, strict=True
    ):
        agrees = reading.agrees(**{what: getattr(task.after, what) for what in judge.HEADS})
        done = agrees[task.wanted]
        right.append(
            {"put there": done, f"put there: {task.wanted}": done}
            | {"kept": all(agrees[what] for what in task.kept)}
            | {"identical": proof["kept"] == 1}
        )
    return _by_language(right)


READERS: dict[str, Callable[..., Shares]] = {
    "generate": read_generate,
    "edit": read_edit,
    "inpaint": read_inpaint,
}


def _language(number: int) -> str:
    return LANGUAGES[number % len(LANGUAGES)]


def _by_language(right: list[dict[str, bool]]) -> Shares:
    """Return the shares of pictures whose languages took turns, and of all together."""
    groups = {language: right[n :: len(LANGUAGES)] for n, language in enumerate(LANGUAGES)} | {
        ALL: right
    }
    return {
        language: {
            what: float(np.mean([each[what] for each in group if what in each]))
            for what in dict.fromkeys(what for each in group for what in each)
        }
        for language, group in groups.items()
    }
