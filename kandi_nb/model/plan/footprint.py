"""What a network costs before there are weights: bytes, activations, operations.

The network is built on torch's meta device, where tensors have shapes but no numbers, and run
once; a mode counts the storages that are alive at each moment.
"""

from __future__ import annotations

import contextlib
import functools
import re
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...words.families import DENOISER, PICTURE_DECODER
from ..speed.norms import norm_in_place
from .architecture import Part, build, call, narrow

# What takes no part in an option (a table of what each really does is kept with the tests):
# only these networks can be cast to 8 bit, or be offloaded in groups of blocks.
FP8_KINDS, BLOCK_KINDS = (DENOISER, "prior", PICTURE_DECODER), (DENOISER, "prior")
NF4_KINDS = (DENOISER, "prior", "text_encoder", "image_encoder")
# Diffusers leaves norms as they are; 2's UNets run only if this projection is left, too.
FP8_LEAVES = re.compile("norm|encoder_hid_proj|pos_embed|patch_embed|^proj_in$|^proj_out$")
# A weight in NF4 takes half a byte, and each 64 of them share a scale of four bytes.
NF4_BYTES = 0.5 + 4 / 64
# What a call on the CPU takes beside weights and activations, in bytes and in the largest
# layer: oneDNN brings weights into its own order. Measured with the UNet and MoVQ of 2.2.
CPU_WORKSPACE, CPU_LAYERS = 0.1e9, 1.5


@dataclass(frozen=True)
class Weights:
    """Say what the weights of a network take, in bytes, plain and stored in 8 or 4 bit.

    `leaf` is the largest layer, and `group` what group offloading holds at once.
    """

    parameters: int
    plain: int
    fp8: int
    nf4: int
    leaf: int
    group: int


@dataclass(frozen=True)
class Activity:
    """Say what one call takes beyond the weights: bytes at its worst moment, and operations."""

    peak: int
    operations: int


@functools.lru_cache(maxsize=64)
def network(part: Part, dtype: str) -> Any:
    """Return a network whose tensors have shapes and a number format, but no numbers."""
    import torch

    with torch.device("meta"):
        empty = narrow(build(part), getattr(torch, dtype))
        if part.kind == PICTURE_DECODER:
            norm_in_place(empty)
    return empty


@functools.lru_cache(maxsize=64)
def weights(part: Part, dtype: str = "float16") -> Weights:
    """Return what the weights of a network take."""
    empty = network(part, dtype)
    layers = list(empty.named_modules())
    plain = _bytes(empty, deep=True)  # a weight that two layers share counts once
    return Weights(
        parameters=sum(p.numel() for p in empty.parameters()),
        plain=plain,
        fp8=plain - sum(_saved_by_fp8(part, name, layer) for name, layer in layers),
        nf4=plain - sum(_saved_by_nf4(part, layer) for _, layer in layers),
        leaf=max(_bytes(layer) for _, layer in layers),
        group=_group(empty) if part.kind in BLOCK_KINDS else plain,
    )


@functools.lru_cache(maxsize=256)
def activity(
    part: Part, height: int, width: int, count: int, dtype: str = "float16"
) -> Activity:
    """Return what one call of a network takes for `count` pictures, guidance on.

    Height and width are those of the picture, in pixels. Nothing is loaded or downloaded.
    """
    import torch

    empty = network(part, dtype)
    with torch.device("meta"), measure(empty) as reading:
        call(part, empty, height, width, count)
    return Activity(reading.peak, reading.operations)


class Reading:
    """Hold the bytes alive now and at most, and the operations so far."""

    def __init__(self) -> None:
        self.alive = self.peak = self.operations = 0

    def add(self, size: int) -> None:
        self.alive += size
        self.peak = max(self.peak, self.alive)


@contextlib.contextmanager
def measure(network: Any) -> Iterator[Reading]:
    """Count the storages that a block makes, beyond the network's own, and its operations.

    Works on the meta device as on a real one. Attention counts as the fused kernels do it,
    without a matrix of scores.
    """
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_iter
    from torch.utils.flop_counter import flop_registry, sdpa_flop_count

    attention = torch.nn.functional.scaled_dot_product_attention
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    reading = Reading()
    known = {_storage(tensor) for tensor in (*network.parameters(), *network.buffers())}

    class Fused(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            kwargs = dict(kwargs or {})
            if func is not attention:
                return func(*args, **kwargs)
            kwargs.pop("enable_gqa", None)
            return fused(*args, **kwargs)[0]

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            packet = func._overloadpacket
            if packet is fused:
                query, key, value = args[:3]
                reading.operations += sdpa_flop_count(query.shape, key.shape, value.shape)
            elif packet in flop_registry:
                reading.operations += flop_registry[packet](
                    *args, **(kwargs or {}), out_val=out
                )
            for tensor in tree_iter(out):
                if isinstance(tensor, torch.Tensor):
                    watch(tensor.untyped_storage())
            return out

    def watch(storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in known:
            return
        known.add(key)
        reading.add(size)
        weakref.finalize(storage, forget, key, size)

    def forget(key: int, size: int) -> None:
        known.discard(key)
        reading.alive -= size

    with Fused(), Counting():
        yield reading


def _storage(tensor: Any) -> int:
    return tensor.untyped_storage()._cdata


def cpu_peak(part: Part, height: int, width: int, count: int, dtype: str = "float32") -> float:
    """Return the bytes that a call on the CPU takes beyond the weights, workspace included."""
    run = activity(part, height, width, count, dtype)
    return run.peak + CPU_WORKSPACE + CPU_LAYERS * weights(part, dtype).leaf


def _bytes(module: Any, *, deep: bool = False) -> int:
    tensors = (*module.parameters(recurse=deep), *module.buffers(recurse=deep))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _saved_by_fp8(part: Part, name: str, layer: Any) -> int:
    """Return the bytes that casting one layer to 8 bit saves, 0 where it cannot be cast."""
    castable = type(layer).__name__.startswith(("Linear", "Conv"))
    if part.kind not in FP8_KINDS or not castable or FP8_LEAVES.search(name):
        return 0
    return _bytes(layer) - sum(p.numel() for p in layer.parameters(recurse=False))


def _saved_by_nf4(part: Part, layer: Any) -> int:
    """Return the bytes that 4 bit save in one layer, 0 where the quantiser leaves it."""
    import torch

    # What transformers keeps in float32 is not quantised either: of T5 every `wo`.
    kept = not isinstance(layer, torch.nn.Linear) or layer.weight.dtype == torch.float32
    if part.kind not in NF4_KINDS or kept:
        return 0
    return round(layer.weight.nbytes - layer.weight.numel() * NF4_BYTES)


def _group(network: Any) -> int:
    """Return what group offloading holds: the largest block, and all that is in no block."""
    import torch

    blocks = [
        block
        for child in network.children()
        if isinstance(child, torch.nn.ModuleList)
        for block in child
    ]
    sizes = [_bytes(block, deep=True) for block in blocks]
    return _bytes(network, deep=True) - sum(sizes) + max(sizes, default=0)
