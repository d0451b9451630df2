"""Mixtures as pictures: one, a path between two, a grid or triangle between several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.loading.kandinsky import Kandinsky
from ...pictures.result import Result
from ...words.bounds import whole
from ...words.embedding import stack_rows
from ...words.errors import KandiError, quote
from ...words.fields import FIELDS, names_of
from ...words.params import Params
from ..checks import as_list
from ..generate import generate
from .embed import embed
from .items import gather
from .mixtures import HOW, check_mixes, mixture, shares_of, stacked_mixtures

MOST_FRAMES, MOST_CELLS = 1000, 24


def mix(
    k: Kandinsky,
    params: Params | Sequence[Params],
    items: Any,
    weights: Sequence[float] | None = None,
    how: str = HOW,
    **options: Any,
) -> Result:
    """Draw a mixture of texts, pictures and embeddings; see `mixture` for what weights mean.

    `params` say how: its prior settings embed the texts among the items, its prompt only the
    decoder of 2.1 reads. The label and the recipe name each item's share. `options` are those
    of `generate`.
    """
    check_mixes(k)
    runs = as_list(params)
    shares = shares_of(weights, len(gather(items, "mix")), how)
    if hasattr(k, "remote_mixtures"):  # a service elsewhere, in the place of a model
        every = [single for run in runs for single in run.singles()]
        return k.remote_mixtures(every, items, [shares] * len(every), how, **options)
    quiet = {name: options[name] for name in ("progress", "stop") if name in options}
    rows = [
        mixture(k, items, weights, how, params=run, **quiet)
        for run in runs
        for _ in range(run.count)
    ]
    return generate(k, _for_decoder(runs), embedding=stack_rows(rows), **options)


def path(
    k: Kandinsky,
    params: Params | Sequence[Params],
    a: Any,
    b: Any,
    n: int = 7,
    how: str = HOW,
    **options: Any,
) -> Result:
    """Draw `n` pictures on the way from item `a` to item `b`, both ends included.

    All start from the same noise, so that only the mixture changes. Each item is embedded
    once, by the prior settings of `params`. Several Params, or a `count`, make a row each.
    `options` are those of `generate`.
    """
    steps = whole("n", n, 2, MOST_FRAMES)
    every = [[1 - i / (steps - 1), i / (steps - 1)] for i in range(steps)]
    result = _draw(k, params, [a, b], every, how, "path", options)
    result.layout = (len(result) // steps, steps)
    return result


def mix_grid(
    k: Kandinsky,
    params: Params,
    corners: Sequence[Any],
    size: int = 5,
    how: str = HOW,
    **options: Any,
) -> Result:
    """Draw a grid of mixtures between two, three or four corners, from the same noise.

    Four corners are top left, top right, bottom left, bottom right of `size` × `size` pictures
    (bilinear shares); three are the top, left and right of a triangle with `size` pictures a
    side; two are the ends of a row. The prior runs once for each corner. `options` are those
    of `generate`.
    """
    side = whole("size", size, 2, MOST_CELLS)
    if isinstance(corners, (str, bytes)) or not hasattr(corners, "__len__"):
        raise KandiError(f"corners is a list of two to four items, not {quote(corners)}")
    if not 2 <= len(corners) <= 4:
        raise KandiError(f"a grid has two to four corners, not {len(corners)}; see kn.mix")
    if len(as_list(params)) != 1 or as_list(params)[0].count != 1:
        raise KandiError("mix_grid draws one grid: give one Params with count 1")
    every, layout = _cells(len(corners), side)
    result = _draw(k, params, list(corners), every, how, "mix_grid", options)
    result.layout = layout
    return result


def _cells(corners: int, size: int) -> tuple[list[list[float]], tuple[int, int]]:
    """Return the weights of each cell, in rows from the top, and the layout."""
    last = size - 1
    way = [i / last for i in range(size)]
    if corners == 2:
        return [[1 - x, x] for x in way], (1, size)
    if corners == 3:
        return [
            [(last - y) / last, (y - x) / last, x / last]
            for y in range(size)
            for x in range(y + 1)
        ], (size, size)
    return [[(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x] for y in way for x in way], (
        size,
        size,
    )


def _draw(
    k: Kandinsky,
    params: Any,
    items: list[Any],
    every: Sequence[Sequence[float]],
    how: str,
    user: str,
    options: dict[str, Any],
) -> Result:
    """Draw a picture of each list of weights, for each of the params in turn."""
    check_mixes(k)
    shares = [shares_of(weights, len(items), how) for weights in every]
    runs = [single for run in as_list(params) for single in run.singles()]
    quiet = {name: options[name] for name in ("progress", "stop") if name in options}
    for item in items:
        if len(gather(item, user)) != 1:
            raise KandiError(f"{user} goes between single items; mix lists first: kn.mixture")
    if hasattr(k, "remote_mixtures"):
        singles = [run for run in runs for _ in every]
        return k.remote_mixtures(singles, items, shares * len(runs), how, **options)
    rows = [
        stacked_mixtures(embed(k, gather(items, user, run), **quiet), shares, how)
        for run in runs
    ]
    singles = [run for run in _for_decoder(runs) for _ in every]
    return generate(k, singles, embedding=stack_rows(rows), **options)


def _for_decoder(runs: Sequence[Params]) -> list[Params]:
    """Return the params without the settings of the prior that has done its work.

    A negative text still needs them.
    """
    if any((run.negative or "").strip() for run in runs):
        return [run.replace(prior_guidance=FIELDS["prior_guidance"].default) for run in runs]
    return [
        run.replace(**{name: FIELDS[name].default for name in names_of(stage="prior")})
        for run in runs
    ]
