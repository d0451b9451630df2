"""What CLIP, inside the prior, reads in texts and sees in pictures: one space for both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...model.finite import check_finite
from ...model.loading.kandinsky import Kandinsky
from ...model.machine.out_of_memory import in_halves
from ...pictures import pixels
from ...words.embedding import Embedding
from ...words.errors import KandiError, quote
from ...words.fields import readable
from ..checks import check_embedding, check_prior

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_BATCH = 64  # texts or pictures
_NARROWEST = 100  # times as long as wide


def clip(k: Kandinsky, items: Any) -> torch.Tensor:
    """Return CLIP's own embeddings of texts and pictures, float32 [n, dim], in their order.

    `items` is a text, a picture, a list of both or a Result. No prior is involved: a text's row
    is what CLIP reads in it, not the picture that the prior imagines (see `embed`). Raises
    KandiError for models without CLIP, such as Kandinsky 3.
    """
    import torch

    check_prior(k, "no CLIP inside; models that have it")
    every = _as_items(items)
    with k.alone():
        rows = encode(k, every)
    # Stacked outside of inference mode, so that the caller may do anything with it.
    return torch.stack([row.clone() for row in rows])


def _as_items(items: Any) -> list[Any]:
    """Return texts and pictures as `clip` takes them; it opens no files."""

    from PIL.Image import Image

    single = isinstance(items, (str, Image))
    if not single and not isinstance(items, Iterable):
        raise KandiError(f"clip takes texts and pictures, not {quote(items)}")
    listed = [items] if single else list(items)
    if not listed:
        raise KandiError("clip got an empty list; give at least one text or picture")
    for item in listed:
        if isinstance(item, str):
            readable("clip's text", item)
        elif isinstance(item, Image):
            check_picture(item)
        else:
            raise KandiError(f"clip takes texts and pictures, not {quote(item)}")
    return listed


def check_picture(picture: Image) -> None:
    pixels.check_pixels(picture, "clip")
    # CLIP's processor enlarges the shorter side to its own size before it crops.
    if max(picture.size) > _NARROWEST * min(picture.size):
        raise KandiError(
            f"clip sees the middle square of a picture, and {picture.width} × {picture.height} "
            "pixels are too narrow for one; crop it first"
        )


def encode(k: Kandinsky, items: Sequence[str | Image]) -> list[torch.Tensor]:
    """Return CLIP's row, float32 [dim] on the CPU, of each text or picture; hold `k` for it."""
    rows: dict[int, torch.Tensor] = {}
    for encoded, wanted in ((_texts, True), (_pictures, False)):
        places = [n for n, item in enumerate(items) if isinstance(item, str) is wanted]

        def work(numbers: Sequence[int], encoded: Any = encoded) -> torch.Tensor:
            part = encoded(k.prior, [items[n] for n in numbers]).float().cpu()
            check_finite(part, k.prior, "the embedding that CLIP made")
            return part

        for start in range(0, len(places), _BATCH):
            part = places[start : start + _BATCH]
            encoded_rows = in_halves(
                work, part, k.device, lambda n: "one text or picture", retreat=k.retreat
            )
            rows.update(zip(part, encoded_rows, strict=True))
    return [rows[n] for n in range(len(items))]


def _texts(prior: Any, texts: Sequence[str]) -> torch.Tensor:
    """Embed texts as the prior pipeline does, cut to the tokenizer's length.

    Padded only to the longest: what follows a text's end mark does not reach back to it.
    """
    tokenizer, encoder = prior.tokenizer, prior.text_encoder
    ids = tokenizer(
        list(texts),
        padding=True,
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return encoder(ids.to(prior._execution_device)).text_embeds


def _pictures(prior: Any, pictures: Sequence[Image]) -> torch.Tensor:
    encoder = prior.image_encoder
    values = prior.image_processor(
        [pixels.rgb(picture) for picture in pictures], return_tensors="pt"
    ).pixel_values
    fits = {"device": prior._execution_device, "dtype": encoder.dtype}
    return encoder(values.to(**fits)).image_embeds


def check_item(k: Kandinsky, item: Any) -> None:
    """Raise KandiError for another model's embedding, and a picture that CLIP cannot take."""
    if isinstance(item, Embedding):
        check_embedding(k, item)
    elif pixels.is_picture(item):
        check_picture(item)
