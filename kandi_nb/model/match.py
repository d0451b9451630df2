"""Whether what was loaded is whole and fits: libraries load many misfits silently."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..words.errors import KandiError
from .integrity import Damaged


def check_missing(part: Path, missing: Iterable[str], model: Any) -> None:
    """Raise Damaged when the file lacked weights that the part needs.

    diffusers leaves them on the "meta" device, where they still compute, from whatever lies in
    memory; transformers draws random ones and only logs it.
    """
    hollow = [name for name, tensor in model.named_parameters() if tensor.is_meta]
    absent = sorted(set(missing) | set(hollow))
    if absent:
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise Damaged(f"{part} lacks weights ({', '.join(absent[:3])}{more})")


def check_tokenizer(part: Path, tokenizer: Any, text_encoder: Any) -> None:
    """Raise Damaged when a tokenizer knows far fewer or more words than its encoder.

    An empty or cut tokenizer folder loads without a word and then reads every prompt wrongly.
    A few spare rows in the encoder are normal (T5: 32,100 of 32,128).
    """
    known, expected = len(tokenizer), text_encoder.config.vocab_size
    if not 0.9 * expected <= known <= expected:
        raise Damaged(
            f"{part} knows {known} words where the text encoder expects {expected}: its "
            f"vocabulary files are missing or foreign"
        )


def limit_tokens(tokenizer: Any, text_encoder: Any) -> None:
    """Keep a tokenizer within the places of its encoder.

    A tokenizer_config.json without a sensible `model_max_length` means a limit of 10³⁰ tokens:
    texts are then filled up to it, which overflows or takes all memory.
    """
    places = getattr(text_encoder.config, "max_position_embeddings", None)
    said = tokenizer.model_max_length
    if isinstance(places, int) and not (isinstance(said, int) and 2 < said <= places):
        tokenizer.model_max_length = places


def check_channels(folder: Path, role: str, unet: Any, movq: Any) -> None:
    """Raise KandiError when a UNet does not take what its role hands it.

    A plain UNet takes latents, an inpainting one masked latents and a mask as well (4 + 4 + 1
    channels), a depth one the hint's latents. In another's place they fail late or draw
    garbage.
    """
    takes, plain = unet.config.in_channels, movq.config.latent_channels
    kinds = {plain: "plain", 2 * plain + 1: "inpaint", 2 * plain: "depth"}
    kind, wanted = kinds.get(takes, "other"), role if role in kinds.values() else "plain"
    if kind != wanted:
        expected = next(channels for channels, name in kinds.items() if name == wanted)
        raise KandiError(
            f"{folder} holds {_UNETS[kind]} UNet (in_channels {takes} instead of {expected}); "
            f"give {_FOLDERS[wanted]}"
        )


_UNETS = {
    "plain": "a plain",
    "inpaint": "an inpainting",
    "depth": "a depth",
    "other": "another",
}
_FOLDERS = {
    "plain": "the plain decoder's folder, whose name does not end in -inpaint or -depth",
    "inpaint": "the inpainting decoder's folder, whose name ends in -inpaint",
    "depth": "the depth decoder's folder, whose name ends in -depth",
}
