"""Where a model runs and in what number format, memory at hand, and a check of the machine."""

from __future__ import annotations

import gc
import importlib.metadata
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import integrity, threads
from .errors import KandiError, nearest, shown
from .peak import MIB, Peak, track_peak
from .registry import SPECS
from .sources import existing_parent, remedy_for
from .tables import Table

if TYPE_CHECKING:
    import torch

__all__ = ["Peak", "available_mb", "check", "device", "dtype", "free", "track_peak"]

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
        close = nearest(str(preferred), ("cuda", "mps", "cpu"))
        hint = f"did you mean {close}? " if close else ""
        raise KandiError(f"unknown device {shown(preferred)}; {hint}known: cuda, mps, cpu")
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
        raise KandiError(f"unknown dtype {shown(preferred)}; known: {', '.join(DTYPES)}")
    return getattr(torch, name)


def free() -> None:
    """Give memory that is no longer used back: collect garbage, empty the GPU's cache."""
    gc.collect()
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


def check() -> Table:
    """Return a table of what matters on this machine and, for each problem, what to type.

    Rows are dicts with the columns what, found and remedy; the remedy is empty when all is
    well. Looks at versions, the device, memory, disk, the bundled weights and the hub's cache.
    """
    rows = [
        {"what": what, "found": found, "remedy": remedy}
        for look in (_look_at_python, _look_at_packages, _look_at_machine, _look_at_models)
        for what, found, remedy in look()
    ]
    wrong = sum(bool(row["remedy"]) for row in rows)
    note = f"{wrong} thing{'s' if wrong > 1 else ''} to mend" if wrong else "all is well"
    return Table(rows, columns=("what", "found", "remedy"), note=note)


def _has(torch: Any, name: str) -> bool:
    backend = torch.cuda if name == "cuda" else torch.backends.mps
    return backend.is_available()


_Finding = tuple[str, str, str]
_SHOWN = ("torch", "diffusers", "transformers")
_LITTLE_MB = 1500  # the libraries and the bundled model together need about a gigabyte


def _look_at_python() -> Iterator[_Finding]:
    found = platform.python_version()
    good = (3, 10) <= sys.version_info < (3, 15)
    remedy = "" if good else "install Python 3.10 to 3.14, then: make setup"
    yield "Python", f"{found} on {platform.system()} {platform.machine()}", remedy


def _look_at_packages() -> Iterator[_Finding]:
    ranges = _required()
    for name in dict.fromkeys((*_SHOWN, *ranges)):
        found = _version(name)
        allowed = ranges.get(name)
        if found is None:
            yield name, "not installed", f'pip install "{name}{allowed or ""}"'
        elif allowed is not None and not allowed.contains(found, prereleases=True):
            yield name, f"{found}, tested with {allowed}", f'pip install "{name}{allowed}"'
        elif name in _SHOWN:
            yield name, found, ""
    if mismatch := _torchvision_mismatch():
        yield "torchvision", mismatch, "pip uninstall -y torchvision (nothing here needs it)"


def _look_at_machine() -> Iterator[_Finding]:
    if _version("torch"):
        where = device()
        number_format = str(dtype(where)).removeprefix("torch.")
        yield "device", f"{_device_name(where)}, {number_format}", ""
        if where == "cpu":
            yield "threads", threads.described(), ""
        if where == "cuda":
            yield "GPU memory", f"{available_mb(where) / 1024:.1f} GB free", ""
    if not _version("psutil"):  # named above already
        return
    import psutil

    spare, total = available_mb(), psutil.virtual_memory().total / MIB
    remedy = "" if spare > _LITTLE_MB else "close other programs and notebooks' kernels"
    yield "memory", f"{spare / 1024:.1f} of {total / 1024:.1f} GB free", remedy


def _look_at_models() -> Iterator[_Finding]:
    for known in SPECS.values():
        if known.bundled:
            yield known.key, *_state(known, known.folders)
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:  # named above already
        return
    spare = shutil.disk_usage(existing_parent(Path(HF_HUB_CACHE))).free / 1e9
    yield "hub cache", f"{HF_HUB_CACHE}, {spare:.0f} GB of disk free", ""
    for known in SPECS.values():
        cached = {
            role: try_to_load_from_cache(name, "model_index.json")
            for role, name in known.ids.items()
            if not known.bundled
        }
        folders = {role: Path(file).parent for role, file in cached.items() if file}
        if folders and len(folders) == len(known.ids):
            yield known.key, *_state(known, folders)
        elif not known.bundled:
            fits = "" if spare > known.download_gb else ", more than the disk has left"
            yield known.key, f"not downloaded ({known.download_gb:g} GB{fits})", ""


def _state(known: Any, folders: dict[str, Path]) -> tuple[str, str]:
    """Return (found, remedy) for a model whose folders are here."""
    for role, folder in folders.items():
        remedy = remedy_for(known, role, local=False)
        try:
            integrity.check_folder(folder, remedy, known.variant)
        except KandiError as damage:
            return str(damage).removesuffix(f"; {remedy}"), remedy
    return "ready", ""


def _required() -> dict[str, Any]:
    """Return package → allowed versions, as this package's own metadata say."""
    from packaging.requirements import Requirement

    try:
        lines = importlib.metadata.requires("kandi_nb") or []
    except importlib.metadata.PackageNotFoundError:  # run from a bare source folder
        return {}
    parsed = [Requirement(line) for line in lines]
    needed = [r for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return {r.name: r.specifier for r in needed}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torchvision_mismatch() -> str:
    """Say how torchvision does not fit torch; such a pair breaks every image processor.

    Only metadata is read: importing a torchvision that does not fit may crash.
    """
    from packaging.requirements import Requirement
    from packaging.version import Version

    vision, torch = _version("torchvision"), _version("torch")
    if vision is None or torch is None:
        return ""
    wanted = [Requirement(r) for r in importlib.metadata.requires("torchvision") or []]
    pinned = next((r.specifier for r in wanted if r.name == "torch"), None)
    if pinned is not None and not pinned.contains(Version(torch).public, prereleases=True):
        return f"{vision} wants torch{pinned}, here is {torch}"
    if Version(vision).local != Version(torch).local:  # "+cpu" beside a CUDA build
        return f"{vision} and torch {torch} are builds for different devices"
    return ""


def _device_name(where: str) -> str:
    if where != "cuda":
        return where
    import torch

    return f"cuda ({torch.cuda.get_device_name()})"
