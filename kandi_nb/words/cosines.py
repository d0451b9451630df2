"""How alike embeddings are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .embedding import Embedding, refuse_strangers
from .errors import KandiError
from .fields import floats

if TYPE_CHECKING:
    import torch


def cosines(a: Any, b: Any = None) -> torch.Tensor:
    """Return the cosine of each row of `a` with each row of `b`, float32 [len(a), len(b)].

    1 is the same direction, 0 nothing in common. Without `b`, `a` is compared with itself; a
    single embedding counts as one row. Raises KandiError when the sizes do not fit.

    >>> cosines([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]]).tolist()
    [[1.0, 0.0]]
    """
    from torch.nn.functional import normalize

    if isinstance(a, Embedding) and isinstance(b, Embedding):
        refuse_strangers(a, b)
    first = _rows(a)
    second = first if b is None else _rows(b)
    if first.shape[1] != second.shape[1]:
        raise KandiError(
            f"embeddings of {first.shape[1]} and {second.shape[1]} numbers cannot be compared; "
            "take both from one model"
        )
    return normalize(first, dim=1) @ normalize(second, dim=1).T


def _rows(given: Any) -> torch.Tensor:
    numbers = given.tensor if isinstance(given, Embedding) else given
    rows = floats(numbers, "cosines compares embeddings, as kn.embed and kn.clip give")
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.numel():
        raise KandiError(f"cosines needs embeddings [n, dim], not a shape {list(rows.shape)}")
    return rows
