"""Search texts by pictures and pictures by texts; say in known words what one shows."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...words.cosines import cosines
from ...words.embedding import Embedding
from ...words.errors import KandiError, Unsupported
from ...words.models import function_at
from ...words.params import Params
from ...words.tables import Table
from ..checks import check_prior
from .clip import check_item, clip
from .items import gather, item_names

if TYPE_CHECKING:
    import torch


def nearest(
    k: Kandinsky, item: Any, among: Any = None, *, language: str = "en", most: int | None = 5
) -> Table:
    """Search: return the texts or pictures of `among` that CLIP finds most like an item.

    `item` is a text, a picture or an Embedding of one row, `among` a list of texts, pictures
    and Embeddings. Without it a bundled model says in its own words, in one of its languages
    (en, ru, zh, de, fr), what the item shows. Rows are sorted, the nearest first: `index` in
    `among`, `item` (a text or a name), `cosine`; `most` of them, None for all.
    """
    check_prior(k, "no CLIP inside; models that have it")
    asked = _rows_to_compare(k, item)
    if len(asked) != 1:
        raise KandiError(f"nearest takes one item, not {len(asked)}; call it for each")
    if among is None:
        if not k.spec.sentences:
            raise Unsupported(
                f"{k.spec.key} has no list of what it knows; give among=, a list of texts"
            )
        names, rows = _known_sentences(k, language)
    else:
        every = gather(among, "nearest's among")
        names = list(item_names(every))
        rows = _rows_to_compare(k, every)
    likeness = cosines(asked, rows)[0]
    order = likeness.argsort(descending=True, stable=True).tolist()[:most]
    return Table(
        [{"index": n, "item": names[n], "cosine": likeness[n].item()} for n in order],
        ("index", "item", "cosine"),
    )


def _rows_to_compare(k: Kandinsky, items: Any) -> torch.Tensor:
    """Return CLIP's rows of texts and pictures, and those of embeddings as they are."""
    import torch

    every = gather(items, "nearest")
    for item in every:
        check_item(k, item)
    rest = [
        item.prompt if isinstance(item, Params) else item
        for item in every
        if not isinstance(item, Embedding)
    ]
    rows = iter(clip(k, rest) if rest else ())
    return torch.stack([e.tensor[0] if isinstance(e, Embedding) else next(rows) for e in every])


def _known_sentences(k: Kandinsky, language: str) -> tuple[list[str], torch.Tensor]:
    """Return the sentences of all that a bundled model knows, and CLIP's rows of them."""
    sentences = function_at(k.spec.sentences or "")(language)
    memory = ("sentences", language)
    if memory not in k.embeddings:
        k.embeddings[memory] = clip(k, sentences)
    return sentences, k.embeddings[memory]


def speaker(k: Kandinsky) -> Callable[[torch.Tensor], list[str]] | None:
    """Return what names the nearest known words of rows, without keeping the model alive."""
    if not k.spec.sentences:
        return None
    model = weakref.ref(k)

    def words(rows: torch.Tensor) -> list[str]:
        alive = model()
        if alive is None:
            return [""] * len(rows)
        sentences, known = _known_sentences(alive, "en")
        return [sentences[n] for n in cosines(rows, known).argmax(dim=1).tolist()]

    return words
