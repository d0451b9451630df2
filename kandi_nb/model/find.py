"""Find where a model's files lie: in the package, in a folder, in the hub's cache or on it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from ..words.errors import KandiError, shortened, shown
from ..words.files import expanded
from ..words.models import PUBLISHER, SPECS, ModelSpec, spec
from ..words.tables import Table
from . import hub, integrity


def find(name: str | Path) -> tuple[ModelSpec, dict[str, Path]]:
    """Return the spec, and role → folder; no folders when the model comes from the hub.

    Takes a key, a published id or a folder; raises KandiError for anything else.
    """
    if not isinstance(name, (str, Path)):
        raise KandiError(
            f"load takes a model key or a folder, not {shown(name)}; known: {', '.join(SPECS)}"
        )
    if str(name) in SPECS:
        return spec(str(name)), dict(spec(str(name)).folders)
    for known in SPECS.values():
        if str(name) in known.ids.values() and not known.bundled and not os.path.exists(name):
            return known, {}
    folder = expanded(name)
    if os.path.isdir(folder):
        return _in_folder(folder)
    if isinstance(name, Path) or len(folder.parts) > 1 or str(name).startswith((".", "~")):
        place = shortened(str(name), 200)
        raise KandiError(f"there is no folder {place}; give a folder or one of: {_known()}")
    return spec(name), {}


def _in_folder(folder: Path) -> tuple[ModelSpec, dict[str, Path]]:
    """Find the one model that a folder holds, or whose decoder or prior it is."""
    resolved = folder.resolve()
    found = []
    for known in SPECS.values():
        names = {role: name.rpartition("/")[2] for role, name in known.ids.items()}
        if known.bundled:  # the published entry of the same family names the same folders
            continue
        own = resolved.name in names.values()
        for base in [resolved.parent] if own else [folder, folder / PUBLISHER]:
            stages = {role: base / name for role, name in names.items()}
            if all(stage.is_dir() for stage in stages.values()):
                found.append((_of_folder(known, folder), stages))
    if not found:
        raise KandiError(f"{folder} holds no model that is known here; expected {_layout()}")
    if len(found) > 1:
        choices = ", ".join(str(stages["decoder"]) for _, stages in found)
        raise KandiError(f"{folder} holds several models; give the folder of one: {choices}")
    return found[0]


def _of_folder(known: ModelSpec, folder: Path) -> ModelSpec:
    return dataclasses.replace(known, key=str(folder))


def _layout() -> str:
    lines = [
        " and ".join(f"FOLDER/{name.rpartition('/')[2]}" for name in known.ids.values())
        for known in SPECS.values()
        if not known.bundled
    ]
    return f"{'; or '.join(lines)} (the sub-folders may lie in FOLDER/{PUBLISHER})"


def _known() -> str:
    return ", ".join(SPECS)


def remedy_for(chosen: ModelSpec, role: str, local: bool) -> str:
    """Return how to get the files of one stage back, to close an error message with."""
    if chosen.bundled:
        return (
            f"restore it with: git checkout -- {chosen.folders[role]} "
            "(or install kandi_nb again)"
        )
    if local:
        return "copy the folder again from where it came"
    return f"restore it with: kandi-nb fetch {chosen.key}"


def from_hub(chosen: ModelSpec) -> dict[str, Path]:
    """Return role → snapshot folder of a published model, downloading what is missing of it."""
    folders = {role: hub.cached(chosen, role) for role in chosen.ids}
    missing = [r for r, folder in folders.items() if not (folder and _whole(chosen, r, folder))]
    brought = _download(chosen, {role: hub.listing(chosen, role) for role in missing})
    for role, folder in brought.items():
        check_snapshot(chosen, role, folder)
    return {**folders, **brought}


def _download(chosen: ModelSpec, listings: Mapping[str, hub.Listing]) -> dict[str, Path]:
    """Bring stages whole into the cache: all that is missing of them, or nothing at all."""
    missing = [hub.missing_bytes(chosen, role, there) for role, there in listings.items()]
    if any(missing):  # a whole cache may be read-only
        hub.check_room(chosen, sum(sum(sizes.values()) for sizes in missing))
    return {role: hub.download(chosen, role, there) for role, there in listings.items()}


def check_snapshot(chosen: ModelSpec, role: str, folder: Path) -> None:
    """Raise Damaged unless a stage in the hub's cache is whole and of the pinned sizes."""
    remedy = remedy_for(chosen, role, local=False)
    integrity.check_folder(folder, remedy, chosen.variant)
    if role in chosen.pins:
        integrity.check_pinned(folder, chosen.pins[role].files, remedy)


def fetch(name: str) -> Table:
    """Download what is missing of a published model, verify it, and return a table of it.

    Every file is read and compared with its checksum; a damaged one is brought anew, once.
    Without a network, what lies in the cache is verified. Raises KandiError for another name,
    hub.NotFetched and integrity.Damaged for what failed.
    """
    chosen, folders = find(name)
    if folders:
        raise KandiError(f"{name} is here already: there is nothing to download for it")
    listings = {role: _listing(chosen, role) for role in chosen.ids}
    reached = {role: there for role, there in listings.items() if there}
    missing = {
        role: sum(hub.missing_bytes(chosen, role, there).values())
        for role, there in reached.items()
    }
    _download(chosen, reached)
    rows = [
        {
            "checkpoint": chosen.ids[role],
            "downloaded": f"{missing.get(role, 0) / 1e9:.2f} GB",
            **_verified(chosen, role, there),
        }
        for role, there in listings.items()
    ]
    unverified = f"nobody here knows the sizes of {chosen.key}: it is as the hub has it today"
    return Table(rows, note="" if chosen.pins else unverified)


def _listing(chosen: ModelSpec, role: str) -> hub.Listing | None:
    """Return what the hub says of a stage; None where it is out of reach, but all is here."""
    try:
        return hub.listing(chosen, role)
    except hub.NotFetched:
        folder = hub.cached(chosen, role)
        try:
            if folder is None or not _whole(chosen, role, folder):
                raise
        except integrity.Damaged:  # to be named by its checksum
            pass
        return None


def _whole(chosen: ModelSpec, role: str, folder: Path) -> bool:
    try:
        check_snapshot(chosen, role, folder)
    except integrity.Missing:
        return False
    return True


def _verified(chosen: ModelSpec, role: str, there: hub.Listing | None) -> dict[str, str]:
    """Verify one stage in the cache, mend it once, and return what the table says of it."""
    known = chosen.pins[role].files if role in chosen.pins else {}
    folder = hub.cached(chosen, role)
    wrong = hub.damaged(folder, there, known)
    if wrong and there:
        hub.forget(folder, wrong)
        folder = hub.download(chosen, role, there)
        wrong = hub.damaged(folder, there, known)
    if wrong:
        raise integrity.Damaged(
            f"{folder / wrong[0]} is not as published (its checksum differs); "
            f"{remedy_for(chosen, role, local=False)}, with a network"
        )
    check_snapshot(chosen, role, folder)
    read = hub.wanted({p.relative_to(folder).as_posix(): p for p in folder.rglob("*.*")})
    size = sum((folder / path).stat().st_size for path in read)
    return {
        "commit": folder.name[:12],
        "verified": f"{len(read)} files, {size / 1e9:.2f} GB",
    }
