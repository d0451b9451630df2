"""Low-rank matrices that learn, put on a network by peft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

NAME = "taught"  # peft's own name for what is trained
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # layers, as in diffusers' training scripts


def put_on(network: Any, rank: int, scale: float = 1.0) -> Mapping[str, Any]:
    """Freeze a network but for new pairs on its attention; return place → peft's layer."""
    from peft import LoraConfig

    config = LoraConfig(r=rank, lora_alpha=rank * scale, target_modules=list(TARGETS))
    network.requires_grad_(False)
    network.add_adapter(config, NAME)
    return {name: layer for name, layer in network.named_modules() if hasattr(layer, "lora_A")}


@contextmanager
def mute(network: Any) -> Iterator[None]:
    """Let a network speak without what it is learning, in the block."""
    layers = [layer for layer in network.modules() if NAME in getattr(layer, "scaling", ())]
    scales = [layer.scaling[NAME] for layer in layers]
    for layer in layers:
        layer.scaling[NAME] = 0.0
    try:
        yield
    finally:
        for layer, scale in zip(layers, scales, strict=True):
            layer.scaling[NAME] = scale


def compute_twice(network: Any) -> None:
    """Let a network for training keep few activations, and compute them anew going back.

    By diffusers' own way where the class has one, which works in training mode alone; nothing
    else differs there, as nothing is dropped out. A prior's blocks are wrapped here.
    """
    from torch.utils.checkpoint import checkpoint

    if network._supports_gradient_checkpointing:
        network.enable_gradient_checkpointing()
        network.train()
        return
    for block in network.transformer_blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
