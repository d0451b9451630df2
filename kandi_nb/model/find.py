"""Find where a model's files lie: in the package, in a folder, in the hub's cache or on it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..words import models
from ..words.errors import KandiError, quote, shorten
from ..words.families import family_of
from ..words.files import expand_path
from ..words.models import PUBLISHER, SPECS, ModelSpec, spec
from ..words.tables import Table
from . import bundled, hub, integrity


def find(name: str | Path) -> tuple[ModelSpec, dict[str, Path]]:
    """Return the spec, and role → folder; no folders when the model comes from the hub.

    Takes a key, a published id or a folder; raises KandiError for anything else.
    """
    if not isinstance(name, (str, Path)):
        raise KandiError(
            f"load takes a model key or a folder, not {quote(name)}; known: {', '.join(SPECS)}"
        )
    if str(name) in SPECS:
        return spec(str(name)), bundled.folders_of(spec(str(name)))
    for known in SPECS.values():
        ids = {role.id for role in known.roles.values()}
        if str(name) in ids and not known.bundled and not os.path.exists(name):
            return known, {}
    folder = expand_path(name)
    if models.WEIGHTS in (folder, *folder.parents):
        folder = bundled.whole(models.WEIGHTS) / folder.relative_to(models.WEIGHTS)
    if os.path.isdir(folder):
        return _in_folder(folder)
    if isinstance(name, Path) or len(folder.parts) > 1 or str(name).startswith((".", "~")):
        place = shorten(str(name), 200)
        raise KandiError(f"there is no folder {place}; give a folder or one of: {_keys()}")
    return spec(name), {}


def place_of(spec: ModelSpec, folders: Mapping[str, Path]) -> str:
    """Return what `find` takes for the same model: its key, or its folder."""
    if spec.bundled or not folders:
        return spec.key
    own = folders["decoder"].resolve()
    for place in (own, own.parent, own.parent.parent):
        with suppress(KandiError):
            if find(place)[0].key == spec.key:
                return str(place)
    return str(own)


def _in_folder(folder: Path) -> tuple[ModelSpec, dict[str, Path]]:
    """Find the one model that a folder holds, or to which it belongs."""
    resolved = folder.resolve()
    found = []
    for known in SPECS.values():
        names = {name: role.id.rpartition("/")[2] for name, role in known.roles.items()}
        if known.bundled:  # the published entry of the same family names the same folders
            continue
        own = resolved.name in names.values()
        for base in [resolved.parent] if own else [folder, folder / PUBLISHER]:
            here = {role: base / name for role, name in names.items() if (base / name).is_dir()}
            if here.keys() >= known.ids.keys():
                found.append((_of_folder(known, resolved, here), here))
    if not found:
        _check_missing(folder)
        raise KandiError(f"{folder} holds no model that is known here; expected {_layout()}")
    if len(found) > 1:
        calls = " or ".join(f'kn.load("{folders["decoder"]}")' for _, folders in found)
        raise KandiError(f"{folder} holds several models; load one of them: {calls}")
    return found[0]


def _check_missing(folder: Path) -> None:
    """Raise KandiError for a folder that holds one stage of a model and lacks the other."""
    resolved = folder.resolve()
    for known in SPECS.values():
        names = [name.rpartition("/")[2] for name in known.ids.values()]
        base = resolved.parent if resolved.name in names else folder
        for place in (base, base / PUBLISHER):
            here = [name for name in names if (place / name).is_dir()]
            if here and not known.bundled:
                lacking = next(name for name in names if name not in here)
                raise KandiError(
                    f"{place} holds {here[0]}, but not {lacking}, which {known.key} needs as "
                    "well; put it beside"
                )


def _of_folder(known: ModelSpec, folder: Path, here: Mapping[str, Path]) -> ModelSpec:
    """Return the spec of a model in a folder: with the roles that are there."""
    roles = {name: role for name, role in known.roles.items() if name in here}
    # Never the whole path: keys stand in pictures that people pass on. No key of ours has a /.
    return dataclasses.replace(known, key=f"{folder.name}/", roles=roles)


def _layout() -> str:
    lines = [
        " and ".join(f"FOLDER/{name.rpartition('/')[2]}" for name in known.ids.values())
        for known in SPECS.values()
        if not known.bundled
    ]
    return f"{'; or '.join(lines)} (the sub-folders may lie in FOLDER/{PUBLISHER})"


def _keys() -> str:
    return ", ".join(SPECS)


def remedy_for(chosen: ModelSpec, local: bool) -> str:
    """Return how to get a model's files back, to close an error message with."""
    if chosen.bundled:
        return f"restore it with: git checkout -- {models.WEIGHTS} (or install kandi_nb again)"
    if local:
        return "copy the folder again from where it came"
    return f"restore it with: kandi-nb fetch {chosen.key}"


@contextmanager
def restorable(chosen: ModelSpec, *, local: bool = False) -> Iterator[None]:
    """Close the message of a damage that is found in the block with its remedy."""
    try:
        yield
    except integrity.Damaged as damage:
        remedy = remedy_for(chosen, local)
        raise type(damage)(f"{damage}; {remedy}") from damage.__cause__


def places(
    chosen: ModelSpec, folders: Mapping[str, Path], roles: Iterable[str]
) -> dict[str, Path]:
    """Return role → folder, each whole as far as disk can tell; download what is published.

    `folders` are those that `find` knows, empty for a model of the hub. Raises KandiError.
    """
    if not folders:
        return _from_hub(chosen, list(roles))
    for role in roles:
        with restorable(chosen, local=True):
            _check_family(chosen, role, folders[role])
            _check_classes(chosen, role, folders[role])
            if chosen.must_vary:
                _check_variant(folders[role], chosen)
            integrity.check_folder(folders[role], chosen.variant)
    return {role: folders[role] for role in roles}


def _check_variant(folder: Path, chosen: ModelSpec) -> None:
    files = [path.name for path in folder.rglob("*.safetensors")]
    integrity.check_variant(folder, files, chosen.variant)


def _check_family(chosen: ModelSpec, role: str, folder: Path) -> None:
    """Raise KandiError for a folder that bears another generation's name than it holds."""
    name = integrity.pipeline_class(folder)
    known_family = family_of(name)
    family = known_family.key if known_family else chosen.family
    if family != chosen.family:
        right = next(
            known.roles.get(role, known.roles["decoder"]).id.rpartition("/")[2]
            for known in SPECS.values()
            if known.family == family
        )
        raise KandiError(
            f"{folder} holds Kandinsky {family} ({name}), its name says {chosen.family}; "
            f"name it {right} and load it by that"
        )


def _check_classes(chosen: ModelSpec, role: str, folder: Path) -> None:
    """Raise KandiError for a folder that names other classes than its role has."""
    integrity.components(folder, chosen.family, "prior" if role == "prior" else "decoder")


def _from_hub(chosen: ModelSpec, roles: list[str]) -> dict[str, Path]:
    cached = {role: hub.cached_folder(chosen, role) for role in roles}
    missing = [r for r, at in cached.items() if not (at and _is_whole(chosen, r, at))]
    brought = _download(chosen, {role: hub.listing(chosen, role) for role in missing})
    for role, folder in brought.items():
        with restorable(chosen):
            check_snapshot(chosen, role, folder)
    here = {role: folder for role, folder in cached.items() if folder}
    return {**here, **brought}


def _download(chosen: ModelSpec, listings: Mapping[str, hub.Listing]) -> dict[str, Path]:
    """Bring checkpoints whole into the cache: all that is missing, or nothing at all."""
    missing = [hub.missing_bytes(chosen, role, there) for role, there in listings.items()]
    if any(missing):  # a whole cache may be read-only
        hub.check_room(chosen, sum(sum(sizes.values()) for sizes in missing))
    return {role: hub.download(chosen, role, there) for role, there in listings.items()}


def check_snapshot(chosen: ModelSpec, role: str, folder: Path) -> None:
    """Raise Damaged unless a role in the hub's cache is whole and of the pinned sizes."""
    _check_classes(chosen, role, folder)
    integrity.check_folder(folder, chosen.variant)
    if role in chosen.pins:
        integrity.check_pinned(folder, chosen.pins[role].files)
    if chosen.must_vary:
        try:
            _check_variant(folder, chosen)
        except KandiError as lacking:  # the hub may have it
            raise integrity.Missing(str(lacking)) from None


def fetch(name: str) -> Table:
    """Download what is missing of a published model, verify it, and return a table of it.

    That is what `load` reads, and what was downloaded for other roles since.
    Every file is read and compared with its checksum; a damaged one is brought anew, once.
    Without a network, what lies in the cache is verified. Raises KandiError for another name,
    hub.NotFetched and integrity.Damaged for what failed.
    """
    chosen, folders = find(name)
    if folders:
        raise KandiError(f"{name} is here already: there is nothing to download for it")
    listings = {role: _listing(chosen, role) for role in _roles_to_fetch(chosen)}
    reached = {role: there for role, there in listings.items() if there}
    missing = {
        role: sum(hub.missing_bytes(chosen, role, there).values())
        for role, there in reached.items()
    }
    _download(chosen, reached)
    rows = [
        {
            "checkpoint": chosen.roles[role].id,
            "downloaded": f"{missing.get(role, 0) / 1e9:.2f} GB",
            **_verify(chosen, role, there),
        }
        for role, there in listings.items()
    ]
    unverified = f"nobody here knows the sizes of {chosen.key}: it is as the hub has it today"
    return Table(rows, note="" if chosen.pins else unverified)


def _roles_to_fetch(chosen: ModelSpec) -> list[str]:
    """Return a role of each checkpoint that `load` reads, or that lies in the cache already."""
    others = [role for role in chosen.roles if role not in chosen.ids]
    roles = [*chosen.ids, *(role for role in others if hub.cached_folder(chosen, role))]
    first = {chosen.roles[role].id: role for role in reversed(roles)}
    return [role for role in roles if role in first.values()]


def _listing(chosen: ModelSpec, role: str) -> hub.Listing | None:
    """Return what the hub says of a checkpoint; None if it is out of reach, but all is here."""
    try:
        return hub.listing(chosen, role)
    except hub.NotFetched:
        folder = hub.cached_folder(chosen, role)
        try:
            if folder is None or not _is_whole(chosen, role, folder):
                raise
        except integrity.Damaged:  # to be named by its checksum
            pass
        return None


def _is_whole(chosen: ModelSpec, role: str, folder: Path) -> bool:
    try:
        with restorable(chosen):
            check_snapshot(chosen, role, folder)
    except integrity.Missing:
        return False
    return True


def _verify(chosen: ModelSpec, role: str, there: hub.Listing | None) -> dict[str, str]:
    """Verify a checkpoint in the cache, mend it once, return what the table says of it."""
    known = chosen.pins[role].files if role in chosen.pins else {}
    folder = hub.cached_folder(chosen, role)
    if folder is None:
        raise hub.NotFetched(
            f"{chosen.key} is not downloaded; type: kandi-nb fetch {chosen.key}"
        )
    wrong = hub.damaged_files(folder, there, known)
    if wrong and there:
        hub.forget(folder, wrong)
        folder = hub.download(chosen, role, there)
        wrong = hub.damaged_files(folder, there, known)
    if wrong:
        raise integrity.Damaged(
            f"{folder / wrong[0]} is not as published (its checksum differs); "
            f"{remedy_for(chosen, local=False)}, with a network"
        )
    with restorable(chosen):
        check_snapshot(chosen, role, folder)
    read = hub.files_to_read({p.relative_to(folder).as_posix(): p for p in folder.rglob("*.*")})
    size = sum((folder / path).stat().st_size for path in read)
    return {
        "commit": folder.name[:12],
        "verified": f"{len(read)} files, {size / 1e9:.2f} GB",
    }
