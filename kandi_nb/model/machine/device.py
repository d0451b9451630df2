"""Where a model runs, in what number format, and how much memory is left for it."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, did_you_mean, quote
from .peak import MIB

if TYPE_CHECKING:
    import torch

__all__ = ["available_mb", "device", "dtype", "free", "give_back"]

DTYPES = ("float32", "float16", "bfloat16")
_SHORT = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16"}
_SHORT |= {"float": "float32"}


def device(preferred: str | None = None) -> str:
    """Return where to run: "cuda", "mps" or "cpu", the first one at hand or the preferred one.

    `preferred` may also name one GPU of several, "cuda:1". Raises KandiError for an unknown
    device and for one that this machine or this build of torch does not have.
    """
    import torch

    usable = [name for name in ("cuda", "mps") if _has(torch, name)] + ["cpu"]
    if preferred is None:
        return usable[0]
    wanted = re.fullmatch(r"(cuda|mps|cpu)(:\d+)?", str(preferred).strip().lower())
    if not wanted:
        hint = did_you_mean(str(preferred), ("cuda", "mps", "cpu"))
        raise KandiError(f"unknown device {quote(preferred)}; {hint}known: cuda, mps, cpu")
    kind, number = wanted.groups()
    if kind not in usable:
        raise KandiError(
            f"device {kind} is not at hand here (usable: {', '.join(usable)}); leave device "
            "out, or install a torch build with it: https://pytorch.org/get-started/locally"
        )
    if kind == "cuda" and number and int(number[1:]) >= torch.cuda.device_count():
        raise KandiError(
            f"there is no GPU {wanted[0]}; this machine has cuda:0 to "
            f"cuda:{torch.cuda.device_count() - 1}"
        )
    return wanted[0]


def dtype(device: str, preferred: Any = None) -> torch.dtype:
    """Return the number format of the weights: float16 on cuda, float32 elsewhere.

    `preferred` is a torch dtype or its name ("float16", "fp16", "bfloat16", "float32").
    """
    import torch

    if preferred is None:
        return torch.float16 if device.startswith("cuda") else torch.float32
    name = str(preferred).removeprefix("torch.").strip().lower()
    name = _SHORT.get(name, name)
    if name not in DTYPES:
        raise KandiError(f"unknown dtype {quote(preferred)}; known: {', '.join(DTYPES)}")
    return getattr(torch, name)


def free() -> None:
    """Give memory that is no longer used back: collect garbage, empty the GPU's cache."""
    gc.collect()
    give_back()


def give_back() -> None:
    """Let the system and the GPU have what was freed already, without a look for garbage."""
    if sys.platform == "linux":
        # glibc keeps what was freed for later, so that the next run seems to need nothing.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
    torch = sys.modules.get("torch")  # nothing to empty before somebody imported it
    if torch is None:
        return
    if _has(torch, "cuda"):
        torch.cuda.empty_cache()
    if _has(torch, "mps"):
        torch.mps.empty_cache()


def available_mb(device: str = "cpu") -> float:
    """Return how many MiB of memory are free now, on the GPU or in the machine."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0] / MIB
    import psutil

    return psutil.virtual_memory().available / MIB


def _has(torch: Any, name: str) -> bool:
    backend = torch.cuda if name == "cuda" else torch.backends.mps
    return backend.is_available()
