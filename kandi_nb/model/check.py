"""Look over this machine and say, for each problem, what to type."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..words.errors import KandiError
from ..words.extras import pip_install
from ..words.models import SPECS, ModelSpec
from ..words.tables import Table
from . import bundled, hub, integrity
from .find import check_snapshot, remedy_for
from .machine import device, threads
from .machine.peak import MIB

_Finding = tuple[str, str, str]
_SHOWN = ("torch", "diffusers", "transformers")
_LITTLE_MB = 1500  # the libraries and the bundled model together need about a gigabyte


def check(*, brief: bool = False) -> Table:
    """Return a table of what matters on this machine and, for each problem, what to type.

    Rows are dicts with the columns what, found and remedy; the remedy is empty when all is
    well. Looks at versions, the device, memory, disk, the bundled weights and the hub's cache.
    `brief` leaves out what is well: one line where all is.
    """
    rows = [
        {"what": what, "found": found, "remedy": remedy}
        for look in (_look_at_python, _look_at_packages, _look_at_machine, _look_at_models)
        for what, found, remedy in look()
    ]
    wrong = sum(bool(row["remedy"]) for row in rows)
    note = f"{wrong} thing{'s' if wrong > 1 else ''} to mend" if wrong else "all is well"
    where = next(row["found"] for row in rows if row["what"] == "device")
    return Table(
        [row for row in rows if row["remedy"] or not brief],
        columns=("what", "found", "remedy"),
        empty=f"{note} ({where}); more: kn.check()",
        note=note,
    )


def _look_at_python() -> Iterator[_Finding]:
    found = platform.python_version()
    good = (3, 11) <= sys.version_info < (3, 15)
    remedy = "" if good else "install Python 3.11 to 3.14, then: make setup"
    yield "Python", f"{found} on {platform.system()} {platform.machine()}", remedy


def _look_at_packages() -> Iterator[_Finding]:
    ranges = _requirements()
    for name in dict.fromkeys((*_SHOWN, *ranges)):
        found = _version(name)
        allowed = ranges.get(name)
        if found is None:
            yield name, "not installed", pip_install(f"{name}{allowed or ''}")
        elif allowed is not None and not allowed.contains(found, prereleases=True):
            yield name, f"{found}, tested with {allowed}", pip_install(f"{name}{allowed}")
        elif name in _SHOWN:
            yield name, found, ""
    if fault := torchvision_fault():
        yield "torchvision", *fault


def _look_at_machine() -> Iterator[_Finding]:
    if _version("torch"):
        where = device.device()
        number_format = str(device.dtype(where)).removeprefix("torch.")
        yield "device", f"{_device_name(where)}, {number_format}", ""
        if where == "cpu":
            yield "threads", threads.describe_threads(), ""
        if where == "cuda":
            yield "GPU memory", f"{device.available_mb(where) / 1024:.1f} GB free", ""
    if not _version("psutil"):  # named above already
        return
    import psutil

    spare, total = device.available_mb(), psutil.virtual_memory().total / MIB
    remedy = "" if spare > _LITTLE_MB else "close other programs and notebooks' kernels"
    yield "memory", f"{spare / 1024:.1f} of {total / 1024:.1f} GB free", remedy


def _look_at_models() -> Iterator[_Finding]:
    for known in SPECS.values():
        if known.bundled:
            yield known.key, *_state(known, bundled.folders_of(known))
    if not _version("huggingface_hub"):  # named above already
        return
    place, fault = hub.cache(), hub.cache_fault()
    spare = shutil.disk_usage(hub.existing_parent(place)).free / 1e9
    yield "hub cache", *(fault or (f"{place}, {spare:.0f} GB of disk free", ""))
    for known in SPECS.values():
        if not known.bundled:
            yield known.key, *_published_state(known, spare)


def _published_state(known: ModelSpec, spare_gb: float) -> tuple[str, str]:
    try:
        folders = {role: hub.cached_folder(known, role) for role in known.ids}
    except KandiError as fault:
        found, _, remedy = str(fault).rpartition("; ")
        return found, remedy
    here = {role: folder for role, folder in folders.items() if folder}
    if len(here) == len(folders):
        return _state(known, here)
    fits = "" if spare_gb > known.download_gb else ", more than the disk has left"
    return f"not downloaded ({known.download}{fits})", ""


def _state(known: ModelSpec, folders: dict[str, Path]) -> tuple[str, str]:
    """Return (found, remedy) for a model whose folders are here."""
    for role, folder in folders.items():
        try:
            if known.bundled:
                integrity.check_folder(folder, known.variant)
            else:
                check_snapshot(known, role, folder)
        except KandiError as damage:
            return str(damage), remedy_for(known, local=False)
    return "ready" if known.bundled or known.pins else "ready, its sizes unverified", ""


def _requirements() -> dict[str, Any]:
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


def torchvision_fault() -> tuple[str, str] | None:
    """Return why torchvision breaks image processors and what to type, or None.

    Its metadata tell first; then it is imported in a process of its own, as one that does not
    fit may crash. `load` asks too, before it blames the weights.
    """
    fault = _torchvision_mismatch() or _torchvision_import_error()
    return (fault, "pip uninstall -y torchvision (nothing here needs it)") if fault else None


def _torchvision_import_error() -> str:
    found = _version("torchvision")
    if found is None:
        return ""
    done = subprocess.run(
        [sys.executable, "-c", "import torchvision"], capture_output=True, text=True
    )
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"{found} cannot be imported ({hub.first_line(reason)})" if done.returncode else ""


def _torchvision_mismatch() -> str:
    """Say how torchvision does not fit torch, as the metadata of both tell."""
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
