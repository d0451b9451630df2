"""Which options of diffusers do anything here: each tried on a fresh small network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...words.errors import KandiError, did_you_mean, quote
from ...words.families import DENOISER, PICTURE_DECODER
from ...words.models import SPECS
from ...words.tables import Table
from ..bundled import folders_of
from ..find import find
from ..hub import first_line
from ..quiet import quiet, without_advice
from .architecture import Part, build, call, parts

WORKS, NOTHING, CRASHES, REFUSED = "works", "does nothing", "crashes", "refused"
KINDS = (DENOISER, "prior", PICTURE_DECODER)  # the networks that guides turn options on for
SIDE = 64  # pixels: the smallest picture of all

# What happens on the CPU says nothing of the bytes that go to a card, but all of the rest.
ELSEWHERE = "offloading is tried from the CPU to itself: what it saves is not run here"


def options(k: Any, only: Sequence[str] | None = None) -> Table:
    """Try the options that guides name on a small network of each of a model's classes.

    Takes a loaded model or its key; for a published one the bundled model of its family stands
    in. The table has a row an option, and a column a network: "works"; "does nothing" (no
    error, yet the same operations on the same bytes); "refused" (the option raises); "crashes"
    (the option is taken, and the next call raises). `why` quotes the first error. `only` names
    the options to try (default: all, in seconds). Raises KandiError for unknown ones.
    """
    chosen = _choose(only)
    small = _small(k)
    known = {part.kind: part for part in parts(small, folders_of(small))}
    networks = {known[kind].name: known[kind] for kind in KINDS if kind in known}
    rows = []
    with quiet(), without_advice():
        usual = {name: _signature(build(part), part) for name, part in networks.items()}
        for option, turn_on in chosen.items():
            tried = {
                name: _verdict(part, turn_on, usual[name]) for name, part in networks.items()
            }
            verdicts = {name: verdict for name, (verdict, _) in tried.items()}
            why = next((reason for _, reason in tried.values() if reason), "")
            rows.append({"option": option, **verdicts, "why": why})
    return Table(rows, columns=("option", *networks, "why"), note=ELSEWHERE)


def _small(k: Any) -> Any:
    known = getattr(k, "spec", None) or find(k)[0]
    for other in SPECS.values():
        if other.bundled and other.family == known.family:
            return other
    bundled = ", ".join(other.key for other in SPECS.values() if other.bundled)
    raise KandiError(f"no small model of the family {known.family} is bundled; take {bundled}")


def _choose(only: Sequence[str] | None) -> dict[str, Callable[[Any], Any]]:
    known = _options()
    names = list(known) if only is None else [only] if isinstance(only, str) else list(only)
    for name in names:
        if name not in known:
            raise KandiError(
                f"unknown option {quote(name)}; {did_you_mean(str(name), known)}known: "
                f"{', '.join(known)}"
            )
    return {name: known[name] for name in names}


def _options() -> dict[str, Callable[[Any], Any]]:
    """Return option → what turns it on for a network."""
    import diffusers
    import torch

    eight_bit = {"storage_dtype": torch.float8_e4m3fn, "compute_dtype": torch.float32}
    return {
        "fp8 layerwise casting": lambda n: n.enable_layerwise_casting(**eight_bit),
        "fp8, norms and encoder_hid_proj left out": lambda n: n.enable_layerwise_casting(
            **eight_bit, skip_modules_pattern=("norm", "encoder_hid_proj")
        ),
        "group offload": lambda n: n.enable_group_offload(
            onload_device=torch.device("cpu"), num_blocks_per_group=1
        ),
        "attention slicing": _slice_attention,
        "set_attention_backend": lambda n: n.set_attention_backend("_native_math"),
        "fuse_qkv_projections": lambda n: n.fuse_qkv_projections(),
        "compile_repeated_blocks": lambda n: n.compile_repeated_blocks(),
        "step cache": lambda n: n.enable_cache(diffusers.FirstBlockCacheConfig()),
        "tiling": lambda n: n.enable_tiling(),
        "slicing": lambda n: n.enable_slicing(),
    }


def _slice_attention(network: Any) -> None:
    """Do what a pipeline's enable_attention_slicing does: pass over networks without it."""
    if hasattr(network, "set_attention_slice"):
        network.set_attention_slice("max")


def _verdict(part: Part, turn_on: Callable[[Any], Any], usual: Any) -> tuple[str, str]:
    """Return what an option does to a fresh network, and the error if there was one."""
    network = build(part)
    try:
        turn_on(network)
    except Exception as error:  # any refusal will do
        return REFUSED, f"{part.name}: {first_line(error)}"
    try:
        changed = _signature(network, part)
    except Exception as error:  # the libraries raise many kinds
        return CRASHES, f"{part.name}: {first_line(error)}"
    return (NOTHING if changed == usual else WORKS), ""


def _signature(network: Any, part: Part) -> tuple[list[str], int, int]:
    """Return what one call is made of: its operations, the bytes of the weights, the hooks."""
    with _operations() as operations:
        call(part, network, SIDE, SIDE, 1)
    hooks = sum(hasattr(module, "_diffusers_hook") for module in network.modules())
    return operations, sum(p.nbytes for p in network.parameters()), hooks


@contextlib.contextmanager
def _operations() -> Iterator[list[str]]:
    """List the operations of a block by name and by the shape of what they give."""
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[str] = []

    class Listing(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            seen.append(f"{func} {tuple(getattr(out, 'shape', ()))}")
            return out

    with Listing():
        yield seen
