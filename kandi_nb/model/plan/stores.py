"""Weights in 8 or 4 bit, and which plans this machine can carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError
from ...words.extras import install_command, is_installed
from .footprint import FP8_KINDS, NF4_KINDS
from .names import PLANS, Plan, read_plan

if TYPE_CHECKING:
    import torch

AUTO = "auto"
# Norms lose too much in 8 bit, and 2's UNets do not run with this projection in it. The other
# patterns are diffusers' own, which a list replaces.
FP8_SKIPS = ("norm", "encoder_hid_proj", "pos_embed", "patch_embed", "^proj_in$", "^proj_out$")


def check_plan(memory: Any, device: str) -> Plan:
    """Return the plan of a name that `load` was given; raise KandiError for what cannot be."""
    if memory is None or isinstance(memory, (int, float)):
        why = "no plan fits there" if memory is None else "a plan's name is wanted, not GB"
        raise KandiError(
            f"memory={memory}: {why}; memory is {AUTO} or a plan, such as "
            "kn.plan(model, memory_gb=8).best names"
        )
    try:
        plan = read_plan(memory)
    except KandiError as error:
        raise KandiError(f"{error}; or {AUTO}") from None
    if missing := lacks(plan, device):
        able = ", ".join(str(other) for other in PLANS if not lacks(other, device))
        raise KandiError(
            f"{plan} needs {' and '.join(missing)}; on {device} now: {able}; see "
            "docs/troubleshooting.md#memory"
        )
    return plan


def lacks(plan: Plan, device: str) -> list[str]:
    """Return what a plan needs that is not at hand; nothing when it can be carried out."""
    missing = []
    card = device.startswith("cuda")
    if not card and (plan.place.endswith("offload") or plan.store == "4bit"):
        missing.append("an NVIDIA GPU")
    if device.startswith("mps") and plan.store == "fp8":
        missing.append("a device that knows 8 bit")
    if plan.store == "4bit" and not is_installed("bitsandbytes"):
        missing.append(f"bitsandbytes ({install_command('quantisation')})")
    return missing


def cast(store: str, kind: str, network: Any, dtype: torch.dtype) -> None:
    """Store the weights of a network in 8 bit, in place, where the plan says so."""
    import torch

    if store == "fp8" and kind in FP8_KINDS:
        network.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn,
            compute_dtype=dtype,
            skip_modules_pattern=FP8_SKIPS,
        )
        # What stays as it is points into the mapped file, all of which it would keep in memory.
        for weight in (*network.parameters(), *network.buffers()):
            if weight.dtype != torch.float8_e4m3fn:
                weight.data = weight.data.clone()


def reading(store: str, kind: str, library: str, dtype: torch.dtype) -> dict[str, Any]:
    """Return what `from_pretrained` is told of a network whose weights go into 4 bit."""
    if store != "4bit" or kind not in NF4_KINDS:
        return {}
    import diffusers
    import transformers

    source = transformers if library == "transformers" else diffusers
    config = source.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
    return {"quantization_config": config}
