"""Names in LoRA files: peft's, both of diffusers', kohya's → part, place, pair."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...words.errors import KandiError, quote, shorten

if TYPE_CHECKING:
    import torch

# Part of a model → what stands before its places in a file, as diffusers' loaders want it.
PREFIXES = {"prior": "prior.", "decoder": "unet."}
OTHERS = {"prior": "prior", "unet": "decoder", "decoder": "decoder"}
# How the names of places begin where a file has no prefix: of PriorTransformer, and of UNets.
_HEADS = {
    "prior": (
        "transformer_blocks", "proj_in", "embedding_proj", "encoder_hidden_states_proj",
        "proj_to_clip_embeddings",
    ),
    "decoder": (
        "down_blocks", "mid_block", "up_blocks", "conv_in", "conv_out", "add_embedding",
        "encoder_hid_proj",
    ),
}  # fmt: skip
_BOTH = "time_embedding"  # a head of either: the part is that of the rest of the file
# What names of layers are made of, so that kohya's can be taken apart: there "_" stands for
# ".", too.
_SEGMENTS = (
    *_HEADS["prior"], *_HEADS["decoder"], _BOTH, "resnets", "attentions", "upsamplers",
    "downsamplers", "to_q", "to_k", "to_v", "to_out", "add_k_proj", "add_v_proj", "conv1",
    "conv2", "conv_shortcut", "time_emb_proj", "linear_1", "linear_2", "image_proj",
    "image_embeds", "text_proj", "input_hint_block", "attn1", "ff", "net", "proj",
)  # fmt: skip
_SEGMENT = re.compile(rf"({'|'.join(sorted(_SEGMENTS, key=len, reverse=True))}|\d+)(?:_|$)")
_KOHYA = re.compile(r"lora_(?:unet|prior)_(.+)")

_KINDS = (
    # peft, with or without the adapter's own name behind
    ("down", re.compile(r"(.+)\.lora_A(?:\.[^.]+)?\.weight")),
    ("up", re.compile(r"(.+)\.lora_B(?:\.[^.]+)?\.weight")),
    # diffusers' attention processors (`to_q_lora.down`), its later layers, and kohya's
    ("down", re.compile(r"(.+)[._]lora(?:_linear)?(?:_layer)?[._]down\.weight")),
    ("up", re.compile(r"(.+)[._]lora(?:_linear)?(?:_layer)?[._]up\.weight")),
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
    tensors: Mapping[str, torch.Tensor],
    source: str,
    scale_of: Callable[[str, str, int], float | None],
) -> tuple[Weights, int]:
    """Return the low-rank weights of a LoRA file, float32, by part and place.

    `scale_of(part, place, rank)` is what a configuration says of a place without an alpha of
    its own, which counts as alpha / rank; None where it says nothing. The second is how many
    places nobody says it of: they count as they are. Raises KandiError for other kinds of
    weights, halves alone, and scales that are no finite numbers.
    """
    held: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, place = _kind(name, source)
        if kind in held.setdefault(place, {}):
            raise KandiError(f"{source} holds {place} twice; give a file of one adapter")
        held[place][kind] = tensor
    weights: dict[str, dict[str, LowRank]] = {}
    unknown = 0
    for (part, place), each in sorted(_by_place(held, source).items()):
        where = f"{place} of {source}"
        pair = _pair(each, where)
        rank = pair.down.shape[0]
        scale = scale_of(part, place, rank)
        if "alpha" in each:
            scale = _alpha(each["alpha"], where) / rank
        unknown += scale is None
        up = pair.up if scale is None else pair.up * scale
        if not up.isfinite().all():
            raise KandiError(f"{where}: its alpha makes numbers too large; take another file")
        weights.setdefault(part, {})[place] = LowRank(pair.down, up)
    if not weights:
        raise KandiError(f"{source} holds no weights; give a LoRA file")
    return weights, unknown


def names_for_diffusers(weights: Weights) -> dict[str, torch.Tensor]:
    """Return weights by the names that diffusers' `load_lora_adapter` reads."""
    return {
        f"{PREFIXES[part]}{place}.lora_{letter}.weight": tensor.contiguous()
        for part, places in weights.items()
        for place, pair in places.items()
        for letter, tensor in zip("AB", pair, strict=True)
    }


# What stands in files of other kinds → why they are not read.
_OTHER_KINDS = (
    (r"magnitude|dora_scale", "are DoRA's, which is not supported; train a plain LoRA"),
    (r"lokr_|hada_|oft_|\.diff(_b)?$|lora_mid", "are LyCORIS's, not supported; train a LoRA"),
    (r"lora_[AB](\.[^.]+)?\.bias$", "are biases (lora_bias), which no layer here adds"),
    (r"custom_diffusion", "are Custom Diffusion's, which is not supported; train a LoRA"),
    (r"^lora_te|^text_encoder|^te\d?_", "are for a text encoder, which no task here changes"),
    (r"(input|output)_blocks|middle_block",
     "have the names of the original code base; train it with diffusers or peft"),
)  # fmt: skip


def _kind(name: str, source: str) -> tuple[str, str]:
    """Return "down", "up" or "alpha", and the place as the file names it, with its part."""
    for pattern, why in _OTHER_KINDS:
        if re.search(pattern, name):
            raise KandiError(f"{source} holds weights that {why} ({shorten(name, 80)})")
    for kind, layout in _KINDS:
        if match := layout.fullmatch(name):
            return kind, match[1]
    raise KandiError(
        f"{source} holds weights that are no LoRA of prior or decoder ({shorten(name, 80)})"
    )


def _by_place(
    held: Mapping[str, dict[str, torch.Tensor]], source: str
) -> dict[tuple[str, str], dict[str, torch.Tensor]]:
    """Return what a file holds by part and place: the layer's name in the part's network."""
    split = [(*_place(name, source), tensors) for name, tensors in held.items()]
    parts = {part for part, _, _ in split if part}
    placed: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for part, place, tensors in split:
        if not part and len(parts) != 1:
            raise KandiError(
                f"{source} does not say whether {place} is the prior's or the decoder's; put "
                '"prior." or "unet." before its names'
            )
        key = part or next(iter(parts)), place
        if key in placed:
            raise KandiError(f"{source} holds {place} twice; give a file of one adapter")
        placed[key] = tensors
    return placed


def _place(name: str, source: str) -> tuple[str | None, str]:
    """Return the part, None where its names do not say, and the layer's name there."""
    name = name.removeprefix("base_model.model.")
    first, _, rest = name.partition(".")
    part = OTHERS.get(first)
    name = rest if part else name
    if flat := _KOHYA.fullmatch(name):
        name = _with_dots(flat[1], source)
    first = name.partition(".")[0]
    part = part or next((part for part, heads in _HEADS.items() if first in heads), None)
    if part is None and first != _BOTH:
        raise KandiError(
            f"{source} holds weights for {shorten(name, 80)}; an adapter has some for the "
            "prior (transformer_blocks…) or the decoder (down_blocks…, mid_block…, up_blocks…)"
        )
    name = name.replace(".processor.", ".")
    return part, f"{name}.0" if name.endswith(".to_out") else name


def _with_dots(flat: str, source: str) -> str:
    """Return the name of a layer that kohya wrote with "_" in the place of each "."."""
    segments, end = [], 0
    while end < len(flat):
        match = _SEGMENT.match(flat, end)
        if match is None:
            raise KandiError(
                f"{source} holds weights for {shorten(flat, 80)}, in kohya's names, and no "
                f"Kandinsky has a layer {shorten(flat[end:], 40)}; it is for another model"
            )
        segments.append(match[1])
        end = match.end()
    return ".".join(segments)


def _pair(held: Mapping[str, torch.Tensor], where: str) -> LowRank:
    if not {"down", "up"} <= held.keys():
        raise KandiError(f"{where}: one half of the pair is missing; the file is damaged")
    down, up = held["down"].float(), held["up"].float()
    dims = {2, 4}
    alike = down.ndim == up.ndim and down.ndim in dims and down.shape[0] == up.shape[1]
    if not alike or not down.shape[0]:
        raise KandiError(
            f"{where}: weights of shape {list(down.shape)} and {list(up.shape)} do not belong "
            "together; the file is damaged"
        )
    if not (down.isfinite().all() and up.isfinite().all()):
        raise KandiError(f"{where}: numbers that are not finite; take another file")
    return LowRank(down, up)


def _alpha(alpha: torch.Tensor, where: str) -> float:
    """Return the alpha that a file has for a place; raise KandiError unless it is a number."""
    if alpha.numel() != 1 or not alpha.isfinite().all():
        raise KandiError(
            f"{where}: alpha is {quote(alpha.tolist())}, no finite number; take another file"
        )
    return float(alpha)


def parts_of(weights: Weights) -> Iterable[str]:
    """Return the parts that weights are for, in the order in which a picture passes them."""
    return [part for part in PREFIXES if part in weights]
