"""What a taught model still knows: the judge's reading of old scenes, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...tasks.generate import generate
from ...words.params import Params
from ...words.tables import Table
from .. import judge
from .text import held_out, sentences

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky

READ = ("object", "colour", "place")


def read_old(
    models: Mapping[str, Kandinsky], count: int = 40, params: Params | None = None
) -> Table:
    """Return the share of old scenes that models draw right: rows object, colour, place.

    `models` is such as {"before": k, "after": k.with_adapter(a)}. The scenes are held-out ones,
    in the five languages in turn, each from a seed of its own, the same for all models.
    """
    asked = held_out(count)
    settings = params or Params()
    runs = [
        settings.replace(prompt=text, seed=settings.seed + n)
        for n, text in enumerate(sentences(asked))
    ]
    shares = {
        name: judge.score(judge.read(generate(k, runs, progress=False).images), asked)
        for name, k in models.items()
    }
    rows = [
        {"read": what, **{name: round(share[what], 3) for name, share in shares.items()}}
        for what in READ
    ]
    return Table(rows, note=f"{count} old scenes, in five languages")
