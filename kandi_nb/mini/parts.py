"""The architectures of the bundled model: the published classes and block types, made small."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import PriorTransformer, UNet2DConditionModel, VQModel
    from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

LATENT_CHANNELS = 8
SCALE = 8  # pixels a latent cell, as in the published MoVQ
CODES = 1024
EMBEDDING = 128  # size of CLIP's shared space, and (the prior asks for it) of its text states
TOKENS = 77  # the published limit
VOCABULARY = 2048


def movq(size: int = 64) -> VQModel:
    """Build the MoVQ: pictures to an eighth of their size with 8 channels, and back."""
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


def unet(extra: int = 0, hint: bool = False, size: int = 64) -> UNet2DConditionModel:
    """Build a 2.2 UNet with ``extra`` input channels, four of which may come from a ``hint``.

    As in the published one, it predicts the noise and the interpolation of its variance.
    """
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=size // SCALE,
        in_channels=LATENT_CHANNELS + extra,
        out_channels=2 * LATENT_CHANNELS,
        block_out_channels=(96, 128),
        down_block_types=("SimpleCrossAttnDownBlock2D",) * 2,
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=128,
        attention_head_dim=32,
        resnet_time_scale_shift="scale_shift",
        encoder_hid_dim=EMBEDDING,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image_hint" if hint else "image",
    )


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
