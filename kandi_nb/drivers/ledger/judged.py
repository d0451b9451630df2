"""Measurements that a judge decides: how many pictures show what was asked for.

A judge is a function from pictures to readings, such as that of the bundled model. It is handed
over, so that nothing here depends on one model's judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...model.loading.load import load
from ...tasks.generate import generate
from ...words.params import Params

Judge = Callable[[Any], Sequence[Any]]
SEED = 100  # the first of the seeds; any would do


def least_right(
    model: str, prompts: Sequence[str], words: Mapping[str, str], count: int, judge: Judge
) -> float:
    """Return the share of right pictures of the prompt that has the fewest."""
    k = load(model, device="cpu")
    scenes = [{"prompt": prompt, "words": words} for prompt in prompts]
    right = _right(k, scenes, Params(seed=SEED, count=count), judge)
    return min(sum(row) / len(row) for row in right)


def points_lost(
    model: str, few: int, many: int, scenes: Sequence[Mapping], count: int, judge: Judge
) -> float:
    """Return how many percent fewer pictures are right with `few` steps than with `many`."""
    k, params = load(model, device="cpu"), Params(seed=SEED, count=count)
    shares = [
        _share(_right(k, scenes, params.replace(steps=steps), judge)) for steps in (few, many)
    ]
    return 100 * (shares[1] - shares[0])


def colours_right(
    model: str, guidance: Sequence[float], scenes: Sequence[Mapping], count: int, judge: Judge
) -> float:
    """Return the least share of pictures in the colour asked for, over values of guidance."""
    k, params = load(model, device="cpu"), Params(seed=SEED, count=count)
    coloured = [
        {**scene, "words": {name: scene["words"][name] for name in ("object", "colour")}}
        for scene in scenes
    ]
    return min(
        _share(_right(k, coloured, params.replace(guidance=weight), judge, "colour"))
        for weight in guidance
    )


def _right(
    k: Any, scenes: Sequence[Mapping], params: Params, judge: Judge, what: str = ""
) -> list[list[bool]]:
    """Draw scenes; return a row each, of whether a picture shows it, or of one attribute."""
    rows = []
    for scene in scenes:
        drawn = generate(k, params.replace(prompt=scene["prompt"]), progress=False)
        agreed = [reading.agrees(**scene["words"]) for reading in judge(drawn.images)]
        rows.append([one[what] if what else all(one.values()) for one in agreed])
    return rows


def _share(rows: Sequence[Sequence[bool]]) -> float:
    return sum(map(sum, rows)) / sum(map(len, rows))
