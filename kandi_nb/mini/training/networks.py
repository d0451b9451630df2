"""The architectures of the bundled model: the published classes and block types, made small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...words.errors import KandiError

if TYPE_CHECKING:
    import torch
    from diffusers import Kandinsky3UNet, PriorTransformer, UNet2DConditionModel, VQModel
    from diffusers.pipelines.kandinsky.text_encoder import MultilingualCLIP
    from torch import nn
    from transformers import (
        CLIPTextModelWithProjection,
        CLIPVisionModelWithProjection,
        T5EncoderModel,
    )

LATENT_CHANNELS = 4  # image-to-image and Kandinsky 3's pipelines take no other count
SCALE = 8  # pixels a latent cell, as in the published MoVQ
CODES = 1024
EMBEDDING = 128  # size of CLIP's shared space, and (the prior asks for it) of its text states
TOKENS = 77  # the published limit of 2.x
TOKENS_3 = 128  # and of 3
VOCABULARY = 2048
STATES = 160  # width of the text states that reach the decoders of 2.1 and 3


def movq(size: int = 64) -> VQModel:
    """Build the MoVQ: pictures to an eighth of their size with 4 channels, and back."""
    from diffusers import VQModel

    widths = (32, 64, 96, 160)
    return VQModel(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        vq_embed_dim=LATENT_CHANNELS,
        num_vq_embeddings=CODES,
        norm_type="spatial",
        mid_block_add_attention=False,
        sample_size=size,
        scaling_factor=1.0,
    )


def clip_text() -> CLIPTextModelWithProjection:
    """Build CLIP's text tower: token ids (b, <= 77) to an embedding of 128 numbers."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=EMBEDDING,
            projection_dim=EMBEDDING,
            intermediate_size=4 * EMBEDDING,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            hidden_act="gelu",
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
            pad_token_id=VOCABULARY - 1,
        )
    )


def clip_vision() -> CLIPVisionModelWithProjection:
    """Build CLIP's picture tower: 64 x 64 pixels, patches of 8, an embedding of 128."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            image_size=64,
            patch_size=8,
            hidden_size=160,
            projection_dim=EMBEDDING,
            intermediate_size=480,
            num_hidden_layers=4,
            num_attention_heads=5,
            hidden_act="gelu",
        )
    )


def prior(tokens: int = TOKENS) -> PriorTransformer:
    """Build the diffusion prior: text states and their embedding to a picture embedding."""
    from diffusers import PriorTransformer

    return PriorTransformer(
        num_attention_heads=4,
        attention_head_dim=48,
        num_layers=4,
        embedding_dim=EMBEDDING,
        num_embeddings=tokens,
        additional_embeddings=4,
    )


def multilingual_clip(vocabulary: int = VOCABULARY) -> MultilingualCLIP:
    """Build 2.1's text encoder: ids (b, <= 77) to an embedding of 128 and a state a token."""
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

    return MultilingualCLIP(
        MCLIPConfig(
            transformerDimSize=STATES,
            imageDimSize=EMBEDDING,
            vocab_size=vocabulary,
            hidden_size=STATES,
            intermediate_size=3 * STATES,
            num_hidden_layers=4,
            num_attention_heads=5,
            # XLM-R counts positions from the padding id's successor, which is 2.
            max_position_embeddings=TOKENS + 2,
            type_vocab_size=1,
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
        )
    )


def t5(vocabulary: int = VOCABULARY) -> T5EncoderModel:
    """Build Kandinsky 3's text encoder: ids (b, <= 128) to a state a token."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=STATES,
            d_kv=32,
            d_ff=3 * STATES,
            num_layers=4,
            num_heads=5,
            feed_forward_proj="gated-silu",  # as in FLAN-UL2
            dropout_rate=0.0,
            tie_word_embeddings=False,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )


def unet(
    size: int = 64, *, extra: int = 0, hint: bool = False, text: bool = False
) -> UNet2DConditionModel:
    """Build a 2.x UNet with ``extra`` input channels, four of which may come from a ``hint``.

    With ``text`` it is 2.1's, which gets the prompt's states beside the picture embedding.
    As in the published ones, it predicts the noise and the interpolation of its variance.
    """
    from diffusers import UNet2DConditionModel

    added = "text_image" if text else "image_hint" if hint else "image"
    return UNet2DConditionModel(
        sample_size=size // SCALE,
        in_channels=LATENT_CHANNELS + extra,
        out_channels=2 * LATENT_CHANNELS,
        block_out_channels=(96, 128),
        down_block_types=("SimpleCrossAttnDownBlock2D",) * 2,
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=EMBEDDING,
        attention_head_dim=32,
        resnet_time_scale_shift="scale_shift",
        encoder_hid_dim=STATES if text else EMBEDDING,
        encoder_hid_dim_type="text_image_proj" if text else "image_proj",
        addition_embed_type=added,
    )


def unet_3() -> Kandinsky3UNet:
    """Build Kandinsky 3's UNet, which reads the prompt's states alone: there is no prior."""
    from diffusers import Kandinsky3UNet

    return Kandinsky3UNet(
        in_channels=LATENT_CHANNELS,
        time_embedding_dim=192,
        groups=16,
        attention_head_dim=32,
        layers_per_block=2,
        block_out_channels=(96, 160),
        cross_attention_dim=STATES,
        encoder_hid_dim=STATES,
    )


def load_weights(
    module: nn.Module, weights: Mapping[str, torch.Tensor], prefix: str = ""
) -> nn.Module:
    """Return a module with those of ``weights`` that start with ``prefix``, frozen.

    A tensor that a module has under two names (T5's embeddings) lies in its file once. Raises
    KandiError where the weights are another network's.
    """
    mine = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
    keys = module.load_state_dict(mine, strict=False)
    tied = set(getattr(module, "_tied_weights_keys", None) or ())
    if wrong := [*keys.unexpected_keys, *(set(keys.missing_keys) - tied)]:
        raise KandiError(f"these weights are not those of {type(module).__name__}: {wrong[:3]}")
    return module.eval().requires_grad_(False)


def decoder_scheduler() -> dict:
    """Return the decoder's DDPM settings: the published schedule, latents clipped."""
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "linear",
        "prediction_type": "epsilon",
        "variance_type": "learned_range",
        "clip_sample": True,
        "clip_sample_range": 4.0,
    }


def prior_scheduler() -> dict:
    """Return the prior's UnCLIP settings, which are the published ones."""
    return {
        "num_train_timesteps": 1000,
        "prediction_type": "sample",
        "variance_type": "fixed_small_log",
        "clip_sample": True,
        "clip_sample_range": 5.0,
    }


def ddim_scheduler() -> dict:
    """Return 2.1's DDIM settings: the published schedule, nothing clipped.

    Clipped latents are errors that DDIM, unlike DDPM, never makes good: at guidance 4 they cost
    an eighth of all objects.
    """
    settings = decoder_scheduler()
    for name in ("variance_type", "clip_sample_range"):
        settings.pop(name)
    return settings | {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}


def scheduler_3() -> dict:
    """Return Kandinsky 3's DDPM settings: the cosine schedule of the published one."""
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "epsilon",
        "variance_type": "fixed_small",
        "clip_sample": True,
        "clip_sample_range": 4.0,
    }
