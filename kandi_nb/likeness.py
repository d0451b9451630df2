"""How alike texts and pictures are, in the space of embeddings that CLIP gives both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import pixels
from .errors import KandiError, shown
from .fields import readable
from .inputs import check_model
from .loading import Kandinsky
from .registry import SPECS

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_BATCH = 64  # texts or pictures
_NARROWEST = 100  # times as long as wide


def clip(k: Kandinsky, items: str | Image | Iterable[str | Image]) -> torch.Tensor:
    """Return CLIP's own embeddings of texts and pictures, float32 [n, dim], in their order.

    `items` is a text, a picture, a list of both or a Result. No prior is involved: a text's row
    is what CLIP reads in it, not the picture that the prior imagines (see `embed`). Raises
    KandiError for models without CLIP, such as Kandinsky 3.
    """
    import torch

    check_model(k, None)
    if k.prior is None:
        able = ", ".join(key for key, known in SPECS.items() if known.prior)
        raise KandiError(f"{k.spec.key} has no CLIP inside; models that have it: {able}")
    listed = _listed(items)
    rows: dict[int, torch.Tensor] = {}
    with k.lock, torch.inference_mode():
        for kind, embedded in ((str, _texts), (object, _pictures)):
            places = [n for n, item in enumerate(listed) if isinstance(item, kind)]
            places = [n for n in places if n not in rows]
            for start in range(0, len(places), _BATCH):
                part = places[start : start + _BATCH]
                found = embedded(k.prior, [listed[n] for n in part]).float().cpu()
                rows.update(zip(part, found, strict=True))
    # Stacked outside of inference mode, so that the caller may do anything with it.
    return torch.stack([rows[n].clone() for n in range(len(listed))])


def cosines(a: Any, b: Any = None) -> torch.Tensor:
    """Return the cosine of each row of `a` with each row of `b`, float32 [len(a), len(b)].

    1 is the same direction, 0 nothing in common. Without `b`, `a` is compared with itself; a
    single embedding counts as one row. Raises KandiError when the sizes do not fit.

    >>> cosines([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]]).tolist()
    [[1.0, 0.0]]
    """
    from torch.nn.functional import normalize

    first = _rows(a)
    second = first if b is None else _rows(b)
    if first.shape[1] != second.shape[1]:
        raise KandiError(
            f"embeddings of {first.shape[1]} and {second.shape[1]} numbers cannot be compared; "
            "take both from one model"
        )
    return normalize(first, dim=1) @ normalize(second, dim=1).T


def _listed(items: Any) -> list[Any]:
    from PIL.Image import Image

    single = isinstance(items, (str, Image))
    if not single and not isinstance(items, Iterable):
        raise KandiError(f"clip takes texts and pictures, not {shown(items)}")
    listed = [items] if single else list(items)
    if not listed:
        raise KandiError("clip got an empty list; give at least one text or picture")
    for item in listed:
        if isinstance(item, str):
            readable("clip's text", item)
        elif isinstance(item, Image):
            _check_picture(item)
        else:
            raise KandiError(f"clip takes texts and pictures, not {shown(item)}")
    return listed


def _check_picture(picture: Image) -> None:
    pixels.check(picture, "clip")
    # CLIP's processor enlarges the shorter side to its own size before it crops.
    if max(picture.size) > _NARROWEST * min(picture.size):
        raise KandiError(
            f"clip sees the middle square of a picture, and {picture.width} × {picture.height} "
            "pixels are too narrow for one; crop it first"
        )


def _texts(prior: Any, texts: Sequence[str]) -> torch.Tensor:
    """Embed texts as the prior pipeline does: padded and cut to the tokenizer's length."""
    tokenizer, encoder = prior.tokenizer, prior.text_encoder
    ids = tokenizer(
        list(texts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return encoder(ids.to(encoder.device)).text_embeds


def _pictures(prior: Any, pictures: Sequence[Image]) -> torch.Tensor:
    encoder = prior.image_encoder
    values = prior.image_processor(
        [pixels.rgb(picture) for picture in pictures], return_tensors="pt"
    ).pixel_values
    return encoder(values.to(device=encoder.device, dtype=encoder.dtype)).image_embeds


def _rows(given: Any) -> torch.Tensor:
    import torch

    try:
        rows = torch.as_tensor(given).detach().float().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise KandiError(
            f"cosines compares embeddings, as kn.embed and kn.clip give, not {shown(given)}"
        ) from None
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.numel():
        raise KandiError(f"cosines needs embeddings [n, dim], not a shape {list(rows.shape)}")
    return rows
