"""What a loaded model consists of: each tokenizer and network, and what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...words.errors import KandiError
from ...words.families import DENOISER, PICTURE_DECODER
from ..loading.kandinsky import Kandinsky
from ..pipelines import latent_factor, picture_decoder

PRIOR, DECODER = "prior", "decoder"  # the two stages


class Flow(NamedTuple):
    """Name what goes from one piece to another, and its shape; n is the number of texts."""

    name: str
    shape: tuple[int | str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.size}".strip()

    @property
    def size(self) -> str:
        """Return the shape as text, empty for a text itself."""
        return f"[{', '.join(map(str, self.shape))}]" if self.shape else ""


@dataclass(frozen=True)
class Piece:
    """Hold what is known of one object: roles that share it, size, what it takes and gives.

    `kind` is what it is for, see `Family.kind_of`; `stage` is "prior" or "decoder"; `repeats`
    says that it runs at every step.
    """

    name: str
    kind: str
    class_name: str
    stage: str
    roles: tuple[str, ...]
    parameters: int
    nbytes: int
    takes: tuple[Flow, ...]
    gives: tuple[Flow, ...]
    repeats: bool = False


TEXT, PIXELS, EMBEDDING = "text", "pixels", "image embedding"
_IDS, _STATES, _MEANING = "token ids", "text states", "text embedding"
_LATENTS = "latents"


def pieces(k: Kandinsky) -> list[Piece]:
    """Return the pieces of what is loaded of a model so far, in the order in which they run.

    An object that several roles share is one piece. Shapes are those of one picture of the
    model's native size, for n of them.
    """
    roles: dict[int, list[str]] = {}
    objects: dict[int, tuple[str, str, Any]] = {}
    for role in k.spec.roles:
        if role not in k.loaded_pipelines:
            continue
        for name, part in k.loaded_pipelines[role].components.items():
            if _about(part) is not None:
                roles.setdefault(id(part), []).append(role)
                stage = PRIOR if role == PRIOR else DECODER
                objects.setdefault(id(part), (stage, name, part))
    found = [
        _piece(k, name, stage, tuple(roles[key]), part)
        for key, (stage, name, part) in objects.items()
    ]
    return sorted(found, key=lambda piece: (piece.stage != PRIOR, _ORDER.index(piece.kind)))


_ORDER = ["image_encoder", "tokenizer", "text_encoder", "prior", DENOISER, PICTURE_DECODER]


def _piece(k: Kandinsky, name: str, stage: str, roles: tuple[str, ...], part: Any) -> Piece:
    kind, told = k.spec.generation.kind_of(name), _about(part)
    takes, gives = told(k, stage, part) if told else ([], [])
    tensors = []
    if hasattr(part, "parameters"):
        tensors = [*part.parameters(), *part.buffers()]
    return Piece(
        name=name,
        kind=kind,
        class_name=type(part).__name__,
        stage=stage,
        roles=roles,
        parameters=sum(p.numel() for p in part.parameters()) if tensors else 0,
        nbytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        takes=tuple(takes),
        gives=tuple(gives),
        repeats=kind in ("prior", DENOISER),
    )


Flows = tuple[list[Flow], list[Flow]]


def _about(part: Any) -> Callable[[Kandinsky, str, Any], Flows] | None:
    """Return the function that tells what goes through an object; None for a scheduler …"""
    names = [each.__name__ for each in type(part).__mro__]
    return next((_HOW[name] for name in names if name in _HOW), None)


def _tokenizer(k: Kandinsky, stage: str, part: Any) -> Flows:
    return [Flow(TEXT)], [_ids(k, stage)]


def _clip_text(k: Kandinsky, stage: str, part: Any) -> Flows:
    config = part.config
    return [_ids(k, stage)], [
        _states(k, stage, config.hidden_size),
        Flow(_MEANING, ("n", config.projection_dim)),
    ]


def _xlm_r(k: Kandinsky, stage: str, part: Any) -> Flows:
    config = part.config
    return [_ids(k, stage)], [
        _states(k, stage, config.transformerDimensions),
        Flow(_MEANING, ("n", config.numDims)),
    ]


def _t5(k: Kandinsky, stage: str, part: Any) -> Flows:
    return [_ids(k, stage)], [_states(k, stage, part.config.d_model)]


def _clip_vision(k: Kandinsky, stage: str, part: Any) -> Flows:
    side = part.config.image_size
    return [Flow(PIXELS, ("n", 3, side, side))], [
        Flow(EMBEDDING, ("n", part.config.projection_dim))
    ]


def _prior(k: Kandinsky, stage: str, part: Any) -> Flows:
    width = part.config.embedding_dim
    texts = [_states(k, stage, width), Flow(_MEANING, ("n", width))]
    return [*texts, Flow("noisy embedding", ("n", width))], [Flow(EMBEDDING, ("n", width))]


def _unet(k: Kandinsky, stage: str, part: Any) -> Flows:
    """Name what a UNet of 2.1 or 2.2 takes: its configuration says how it is conditioned."""
    config, conditions = part.config, []
    if config.encoder_hid_dim_type == "text_image_proj":
        conditions = [
            _states(k, stage, config.encoder_hid_dim),
            Flow(_MEANING, ("n", part.add_embedding.text_proj.in_features)),
        ]
    width = part.encoder_hid_proj.image_embeds.in_features
    conditions.append(Flow(EMBEDDING, ("n", width)))
    if config.addition_embed_type == "image_hint":
        conditions.append(Flow("depth", ("n", 3, k.spec.native_size, k.spec.native_size)))
    return [*_latents_in(k, config.in_channels), *conditions], [
        _latents(k, config.out_channels, "noise")
    ]


def _unet_3(k: Kandinsky, stage: str, part: Any) -> Flows:
    channels = part.config.in_channels
    return [_latents(k, channels), _states(k, stage, part.config.encoder_hid_dim)], [
        _latents(k, channels, "noise")
    ]


def _movq(k: Kandinsky, stage: str, part: Any) -> Flows:
    side = k.spec.native_size
    return [_latents(k, part.config.latent_channels)], [Flow(PIXELS, ("n", 3, side, side))]


_HOW = {
    "PreTrainedTokenizerBase": _tokenizer,
    "CLIPTextModelWithProjection": _clip_text,
    "MultilingualCLIP": _xlm_r,
    "T5EncoderModel": _t5,
    "CLIPVisionModelWithProjection": _clip_vision,
    "PriorTransformer": _prior,
    "UNet2DConditionModel": _unet,
    "Kandinsky3UNet": _unet_3,
    "VQModel": _movq,
}


def _ids(k: Kandinsky, stage: str) -> Flow:
    return Flow(_IDS, ("n", _room(k, stage)))


def _states(k: Kandinsky, stage: str, width: int) -> Flow:
    return Flow(_STATES, ("n", _room(k, stage), width))


def _room(k: Kandinsky, stage: str) -> int:
    """Return how many tokens a stage reads."""
    return k.prior.tokenizer.model_max_length if stage == PRIOR else k.spec.tokens


def _latents(k: Kandinsky, channels: int, name: str = _LATENTS) -> Flow:
    side = k.spec.native_size // latent_factor(picture_decoder(k.decoder))
    return Flow(name, ("n", channels, side, side))


def _latents_in(k: Kandinsky, channels: int) -> Iterator[Flow]:
    """Name the channels that a UNet takes: latents, and what a role puts beside them."""
    own = picture_decoder(k.decoder).config.latent_channels
    yield _latents(k, own)
    if channels == 2 * own + 1:
        yield _latents(k, own, "kept latents")
        yield _latents(k, 1, "mask")
    elif channels > own:
        yield _latents(k, channels - own, "depth latents")


def check_loaded(k: Any) -> None:
    """Raise KandiError unless `k` is a loaded model."""
    if not isinstance(k, Kandinsky):
        raise KandiError(
            f'anatomy takes a loaded model, k = kn.load("mini-2.2"), not {type(k).__name__}'
        )
