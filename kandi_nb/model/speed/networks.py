"""The UNets of 2.x and 3, their layers taught to look up what is constant in a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from .attention import is_plain, quick_attention, texts_of
from .conditioning_cache import ConditioningCache, may_fill
from .traced import can_record


def look_up(unet: Any) -> None:
    """Let a UNet of 2.x or 3 take from a `ConditioningCache` what it would compute anew.

    In place. Outside of `cached_conditioning` it goes its usual way. Weights, their names and
    the names of classes stay. Networks of other classes are left as they are.
    """
    quick = _quick()
    if type(unet) not in quick:
        return
    cache = ConditioningCache()
    for part in (unet, *unet.modules()):
        if type(part) in quick:
            part.__class__ = quick[type(part)]
            part.conditioning = cache


@cache
def _quick() -> Mapping[type, type]:
    """Return class → the one that looks up, made when diffusers is there."""
    from diffusers import Kandinsky3UNet, UNet2DConditionModel
    from diffusers.models.attention_processor import Attention
    from diffusers.models.embeddings import TimestepEmbedding
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.unets import unet_kandinsky3 as third

    found = {
        UNet2DConditionModel: {
            "forward": _unet_forward(UNet2DConditionModel, _fill_second),
            "get_aug_embed": _cached_method("aug_emb", UNet2DConditionModel.get_aug_embed),
            "get_time_embed": _cached_method("time", UNet2DConditionModel.get_time_embed),
            "process_encoder_hidden_states": _cached_method(
                "states", UNet2DConditionModel.process_encoder_hidden_states
            ),
        },
        Kandinsky3UNet: {"forward": _unet_forward(Kandinsky3UNet, _fill_third)},
        TimestepEmbedding: {"forward": _cached_method("emb", TimestepEmbedding.forward)},
        third.Kandinsky3EncoderProj: {
            "forward": _cached_method("states", third.Kandinsky3EncoderProj.forward)
        },
        third.Kandinsky3AttentionPooling: {
            "forward": _cached_method("emb", third.Kandinsky3AttentionPooling.forward)
        },
        ResnetBlock2D: {"forward": _resnet_forward(ResnetBlock2D)},
        third.Kandinsky3ConditionalGroupNorm: {
            "forward": _norm_forward(third.Kandinsky3ConditionalGroupNorm)
        },
        third.Kandinsky3Block: {"forward": _block_forward(third.Kandinsky3Block)},
    }
    quick = {usual: _child(usual, methods) for usual, methods in found.items()}
    return {**quick, Attention: quick_attention(Attention)}


def _child(usual: type, methods: Mapping[str, Any]) -> type:
    """Return a class under the name of its parent, which is what is saved."""
    names = {"__module__": usual.__module__, "__doc__": usual.__doc__}
    return type(usual.__name__, (usual,), {**names, **methods})


def _cached_method(name: str, usual: Any) -> Any:
    """Return a method that gives what the run knows by a name, else what its class computes."""

    def method(self: Any, *args: Any, **named: Any) -> Any:
        cache = self.conditioning
        if not cache.is_filled:
            return usual(self, *args, **named)
        value = cache.whole[name]
        return value[cache.number] if name == "emb" else value

    return method


def _unet_forward(usual: Any, fill: Any) -> Any:
    def forward(self: Any, sample: Any, timestep: Any, *args: Any, **named: Any) -> Any:
        cache = self.conditioning
        if cache.timesteps is not None and not cache.begun:
            fill(self, sample, **named)
        if not cache.is_filled or cache.traced is None:
            return usual.forward(self, sample, timestep, *args, **named)
        if cache.recorded is None:
            cache.recorded = can_record(self)
        if not cache.recorded:
            return usual.forward(self, sample, timestep, *args, **named)
        known = cache.now, cache.texts, cache.mask
        try:
            return (cache.traced(self, usual, sample, named),)
        finally:
            cache.now, cache.texts, cache.mask = known

    return forward


def _fill_second(
    unet: Any, sample: Any, encoder_hidden_states: Any, added_cond_kwargs: Any, **more: Any
) -> None:
    """Fill the tables of a UNet of 2.1 or 2.2, if all its layers are of the known kinds."""
    import torch
    from diffusers.models.attention_processor import Attention
    from diffusers.models.resnet import ResnetBlock2D

    layers = [m for m in unet.modules() if hasattr(m, "conditioning")]
    resnets = [m for m in layers if isinstance(m, ResnetBlock2D)]
    attentions = [m for m in layers if isinstance(m, Attention)]
    widths = sum(2 * layer.conv1.out_channels for layer in resnets)
    if not may_fill(unet, len(sample), widths, sample.dtype):
        return
    if not all(map(_is_plain_resnet, resnets)) or not all(map(is_plain, attentions)):
        return
    if not _is_plain_second(unet):
        return
    cache = unet.conditioning
    cache.quick = set(attentions)
    states = unet.process_encoder_hidden_states(encoder_hidden_states, added_cond_kwargs)
    more_told = unet.get_aug_embed(None, encoder_hidden_states, added_cond_kwargs)
    row = more_told[0] if isinstance(more_told, tuple) else more_told
    each = _time_embeddings(unet, sample)
    emb = each[:, None] + row  # [steps, rows, width]
    texts = [(layer, texts_of(layer, states)) for layer in attentions]
    active = torch.nn.functional.silu(emb)
    times = [(layer, _scale_plus_one(layer.time_emb_proj(active))) for layer in resnets]
    cache.whole = {
        "states": states,
        "aug_emb": more_told,
        "time": each[:1],
        "emb": each[:, None].expand(-1, len(sample), -1),
    }
    cache.fill(times, texts)


def _fill_third(
    unet: Any, sample: Any, encoder_hidden_states: Any, encoder_attention_mask: Any, **more: Any
) -> None:
    """Fill the tables of a UNet of Kandinsky 3."""
    from diffusers.models.unets import unet_kandinsky3 as third

    norms = [m for m in unet.modules() if isinstance(m, third.Kandinsky3ConditionalGroupNorm)]
    levels = (*unet.down_blocks, *unet.up_blocks)
    # The first attention of a level reads the picture, the others texts, where it has some.
    reads = [
        block.attention
        for level in levels
        if level.context_dim is not None
        for block in level.attentions[1:]
    ]
    looks = [level.attentions[0].attention for level in levels if level.self_attention]
    widths = sum(layer.context_mlp[1].out_features for layer in norms)
    if not may_fill(unet, len(sample), widths, sample.dtype):
        return
    if not all(map(is_plain, (*reads, *looks))):
        return
    cache = unet.conditioning
    cache.quick = {*reads, *looks}
    states = unet.encoder_hid_proj(encoder_hidden_states)
    mask = (1 - encoder_attention_mask.to(sample.dtype)) * -10000.0  # [rows, tokens]
    each = _time_embeddings(unet, sample)
    nothing = each.new_zeros(len(sample), each.shape[-1])  # [rows, width]
    emb = each[:, None] + unet.add_time_condition(nothing, states, mask[:, None])
    cache.whole = {"states": states, "emb": emb}
    texts = [(layer, texts_of(layer, states)) for layer in reads]
    times = [(layer, _scale_plus_one(layer.context_mlp(emb))) for layer in norms]
    cache.fill(times, texts, mask[:, None, None])


def _time_embeddings(unet: Any, sample: Any) -> Any:
    """Return the embeddings of all times of the run, [steps, width]."""
    times = unet.conditioning.timesteps.to(sample.device)
    return unet.time_embedding(unet.time_proj(times).to(sample.dtype))


def _scale_plus_one(part: Any) -> Any:
    """Return scale and shift side by side, the scale one higher: it stands for 1 + scale."""
    width = part.shape[-1] // 2
    part = part.clone()
    part[..., :width] += 1
    return part


def _is_plain_second(unet: Any) -> bool:
    kinds = ("image", "text_image", "image_hint")
    nothing_else = unet.class_embedding is None and unet.time_embed_act is None
    return nothing_else and unet.config.addition_embed_type in kinds


def _is_plain_resnet(layer: Any) -> bool:
    import torch

    return (
        layer.time_embedding_norm == "scale_shift"
        and not layer.skip_time_act
        and type(layer.nonlinearity) is torch.nn.SiLU
    )


def _resnet_forward(usual: Any) -> Any:
    import torch
    import torch.nn.functional as F

    def forward(self: Any, input_tensor: Any, temb: Any, *args: Any, **named: Any) -> Any:
        cache = self.conditioning
        if not cache.is_filled or self not in cache.places:
            return usual.forward(self, input_tensor, temb, *args, **named)
        hidden = F.silu(self.norm1(input_tensor), inplace=True)
        resize = self.upsample or self.downsample
        if resize is not None:
            input_tensor, hidden = resize(input_tensor), resize(hidden)
        hidden = self.conv1(hidden)  # [rows, width, h, w]
        scale, shift = cache.scale_and_shift(self, self.norm2.num_channels)
        hidden = torch.addcmul(shift, self.norm2(hidden), scale)
        hidden = self.conv2(F.silu(hidden, inplace=True))
        if self.conv_shortcut is not None:
            input_tensor = self.conv_shortcut(input_tensor)
        total = input_tensor + hidden
        return total if self.output_scale_factor == 1 else total / self.output_scale_factor

    return forward


def _norm_forward(usual: Any) -> Any:
    import torch

    def forward(self: Any, x: Any, context: Any) -> Any:
        cache = self.conditioning
        if not cache.is_filled or self not in cache.places:
            return usual.forward(self, x, context)
        scale, shift = cache.scale_and_shift(self, self.norm.num_channels)
        return torch.addcmul(shift, self.norm(x), scale)

    return forward


def _block_forward(usual: Any) -> Any:
    import torch.nn.functional as F

    def forward(self: Any, x: Any, time_embed: Any) -> Any:
        if not self.conditioning.is_filled:
            return usual.forward(self, x, time_embed)
        x = F.silu(self.group_norm(x, time_embed), inplace=True)
        return self.down_sample(self.projection(self.up_sample(x)))

    return forward
