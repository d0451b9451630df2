"""Names in LoRA files: those of peft and of both of diffusers' layouts → part, place, pair."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...words.errors import KandiError, shortened

if TYPE_CHECKING:
    import torch

# Part of a model → what stands before its places in a file, as diffusers' loaders want it.
PREFIXES = {"prior": "prior.", "decoder": "unet."}
_OTHERS = {"prior": "prior", "unet": "decoder", "decoder": "decoder"}
# How the names of places begin where a file has no prefix: of PriorTransformer, and of UNets.
_HEADS = {
    "transformer_blocks": "prior",
    "down_blocks": "decoder",
    "mid_block": "decoder",
    "up_blocks": "decoder",
}

_KINDS = (
    # peft, with or without the adapter's own name behind
    ("down", re.compile(r"(.+)\.lora_A(?:\.[^.]+)?\.weight")),
    ("up", re.compile(r"(.+)\.lora_B(?:\.[^.]+)?\.weight")),
    # diffusers' attention processors (`to_q_lora.down`), and its later layers
    ("down", re.compile(r"(.+)[._]lora(?:_layer)?[._]down\.weight")),
    ("up", re.compile(r"(.+)[._]lora(?:_layer)?[._]up\.weight")),
    ("alpha", re.compile(r"(.+?)(?:[._]lora)?\.(?:network_)?alpha")),
)


class LowRank(NamedTuple):
    """Hold what is added to a layer's weights W: scale × up · down.

    `down` is [rank, in] and `up` [out, rank]; for convolutions [rank, in, h, w] and
    [out, rank, 1, 1].
    """

    down: torch.Tensor
    up: torch.Tensor


Weights = Mapping[str, Mapping[str, LowRank]]  # part → place in its network → what is added


def sorted_out(
    tensors: Mapping[str, torch.Tensor], source: str, alpha: float | None = None
) -> Weights:
    """Return the low-rank weights of a LoRA file, float32, by part and place.

    `alpha` is that of a peft folder, for places without their own; each counts as
    alpha / rank. Raises KandiError for other kinds of weights, and for halves alone.
    """
    held: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, place = _kind(name, source)
        held.setdefault(_place(place, source), {})[kind] = tensor
    weights: dict[str, dict[str, LowRank]] = {}
    for (part, place), each in sorted(held.items()):
        weights.setdefault(part, {})[place] = _pair(each, alpha, f"{place} of {source}")
    if not weights:
        raise KandiError(f"{source} holds no weights; give a LoRA file")
    return weights


def named(weights: Weights) -> dict[str, torch.Tensor]:
    """Return weights by the names that diffusers' `load_lora_adapter` reads."""
    return {
        f"{PREFIXES[part]}{place}.lora_{letter}.weight": tensor.contiguous()
        for part, places in weights.items()
        for place, pair in places.items()
        for letter, tensor in zip("AB", pair, strict=True)
    }


def _kind(name: str, source: str) -> tuple[str, str]:
    for kind, pattern in _KINDS:
        if match := pattern.fullmatch(name):
            return kind, match[1]
    why = "are no LoRA of prior or decoder"
    if name.startswith("lora_unet_"):
        why = (
            "have kohya's names, in which places cannot be told apart; export it for diffusers"
        )
    elif "magnitude" in name:
        why = "are DoRA's, which is not supported; train a plain LoRA"
    raise KandiError(f"{source} holds weights that {why} ({shortened(name, 80)})")


def _place(name: str, source: str) -> tuple[str, str]:
    """Return the part of the model, and the layer's name in that part's network."""
    name = name.removeprefix("base_model.model.")
    first, _, rest = name.partition(".")
    part = _OTHERS.get(first)
    name = rest if part else name
    part = part or _HEADS.get(first)
    if part is None:
        raise KandiError(
            f"{source} holds weights for {shortened(name, 80)}; an adapter has some for the "
            "prior (transformer_blocks…) or the decoder (down_blocks…, mid_block…, up_blocks…)"
        )
    name = name.replace(".processor.", ".")
    return part, f"{name}.0" if name.endswith(".to_out") else name


def _pair(held: Mapping[str, torch.Tensor], alpha: float | None, where: str) -> LowRank:
    if not {"down", "up"} <= held.keys():
        raise KandiError(f"{where}: one half of the pair is missing; the file is damaged")
    down, up = held["down"].float(), held["up"].float()
    dims = {2, 4}
    if down.ndim != up.ndim or down.ndim not in dims or down.shape[0] != up.shape[1]:
        raise KandiError(
            f"{where}: weights of shape {list(down.shape)} and {list(up.shape)} do not belong "
            "together; the file is damaged"
        )
    if not (down.isfinite().all() and up.isfinite().all()):
        raise KandiError(f"{where}: numbers that are not finite; take another file")
    own = float(held["alpha"]) if "alpha" in held else alpha
    return LowRank(down, up if own is None else up * (own / down.shape[0]))


def parts_of(weights: Weights) -> Iterable[str]:
    """Return the parts that weights are for, in the order in which a picture passes them."""
    return [part for part in PREFIXES if part in weights]
