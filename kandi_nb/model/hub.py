"""Published checkpoints on the hub: what is in the cache, what is missing, the way between."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..words.errors import KandiError
from ..words.models import ModelSpec
from . import integrity

# What the pipelines read: never pickles, nor the same weights for other libraries.
_KINDS = ("*.json", "*.txt", "*.model", "*.safetensors")
_LARGE = 2**24  # bytes: from here a download that was broken off goes on where it stopped
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class NotFetched(KandiError):
    """A download did not come about; the message says what stood in its way."""


@dataclass(frozen=True)
class Listing:
    """Hold what the hub says of one checkpoint: its commit and the files that are read.

    `files` maps a path to its size in bytes and its checksum: SHA-256, or git's SHA-1 for small
    files, which is also the file's name in the cache.
    """

    commit: str
    files: Mapping[str, tuple[int, str]]


def cache() -> Path:
    """Return the folder of the hub's cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_folder(chosen: ModelSpec, role: str) -> Path | None:
    """Return the snapshot folder of a stage in the cache, whole or not, or None."""
    from huggingface_hub import try_to_load_from_cache

    with _one_line(chosen):
        revision = chosen.revisions.get(role)
        file = try_to_load_from_cache(
            chosen.roles[role].id, "model_index.json", revision=revision
        )
        return Path(file).parent if isinstance(file, str) else None


def listing(chosen: ModelSpec, role: str) -> Listing:
    """Ask the hub for the files of a stage; raise NotFetched when it cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api, name = HfApi(), chosen.roles[role].id
    with _one_line(chosen):
        # Asked first, since it fails at once: without a network the tree is tried for 20 s.
        commit = api.model_info(name, revision=chosen.revisions.get(role)).sha
        tree = api.list_repo_tree(name, revision=commit, recursive=True)
        found = {
            entry.path: (entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
            for entry in tree
            if isinstance(entry, RepoFile)
        }
    if chosen.must_vary:
        integrity.check_variant(name, found, chosen.variant)
    return Listing(commit, {path: found[path] for path in files_to_read(found, chosen.variant)})


def files_to_read(paths: Mapping[str, Any], variant: str | None = None) -> list[str]:
    """Return the paths that a pipeline reads: of a part with the variant, that one alone."""
    read = [path for path in paths if any(fnmatch(path, kind) for kind in _KINDS)]
    if variant is None:
        return read
    special = {path for path in read if f".{variant}" in Path(path).name}
    parts = {Path(path).parent for path in special}
    return [
        path
        for path in read
        if path in special
        or Path(path).parent not in parts
        or not (path.endswith(".safetensors") or ".safetensors.index" in path)
    ]


def download(chosen: ModelSpec, role: str, hub: Listing) -> Path:
    """Bring what is missing of a stage into the cache and return its snapshot folder.

    Large files that were broken off go on where they stopped. Raises NotFetched.
    """
    from huggingface_hub import snapshot_download

    name = chosen.roles[role].id
    with _one_line(chosen):
        for path in missing_bytes(chosen, role, hub):
            if hub.files[path][0] >= _LARGE:
                _resume(name, hub, path)
        return Path(
            snapshot_download(
                name,
                # Under the branch's name where there is no pin: so it is found again offline.
                revision=chosen.revisions.get(role),
                allow_patterns=list(hub.files),
            )
        )


def missing_bytes(chosen: ModelSpec, role: str, hub: Listing) -> dict[str, int]:
    """Return path → bytes still to come, of the files that are not whole in the cache."""
    found = {}
    for path, (size, checksum) in hub.files.items():
        blob = _blobs(chosen.roles[role].id) / checksum
        snapshot = blob.parent.parent / "snapshots" / hub.commit / path
        if not blob.is_file() and not snapshot.is_file():
            part = _part(blob)
            found[path] = size - (part.stat().st_size if part.is_file() else 0)
    return found


def damaged_files(
    folder: Path, hub: Listing | None, known: Mapping[str, tuple[int, str | None]]
) -> list[str]:
    """Return the files of a snapshot whose content has another checksum than it must.

    What it must be the pin says (`known`), the hub, and without both the file's name in the
    cache. Reads every file to its end.
    """
    from tqdm import tqdm

    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    read = sorted(hub.files if hub else files_to_read(files))
    found = []
    for path in tqdm(read, desc="Verifying", unit="file", disable=None):  # only on a terminal
        file = files[path]
        said = {known.get(path, (0, None))[1], hub.files[path][1] if hub else None}
        name = file.resolve().name
        said |= {name} if file.is_symlink() and _CHECKSUM.fullmatch(name) else set()
        if any(integrity.digest(file, checksum) != checksum for checksum in said if checksum):
            found.append(path)
    return found


def forget(folder: Path, paths: list[str]) -> None:
    """Take damaged files out of the cache, so that a download brings them anew."""
    for path in paths:
        (folder / path).resolve().unlink(missing_ok=True)
        (folder / path).unlink(missing_ok=True)


def check_room(chosen: ModelSpec, missing: int) -> None:
    """Raise NotFetched unless the cache is a place for so many bytes."""
    place = cache()
    if fault := cache_fault():
        raise NotFetched(f"{chosen.key} cannot be downloaded: {fault[0]}; {fault[1]}")
    spare = shutil.disk_usage(existing_parent(place)).free
    if spare < missing:
        raise NotFetched(
            f"{chosen.key} needs {missing / 1e9:.2f} GB more of disk, {place} has "
            f"{spare / 1e9:.2f} GB left; free some, set HF_HOME to a larger disk, "
            'or take kn.load("mini-2.2")'
        )


def cache_fault() -> tuple[str, str] | None:
    """Return why nothing can be downloaded into the cache and what to do, or None."""
    place = cache()
    above = existing_parent(place)
    remedy = "set HF_HOME to a folder that you may write to"
    if not above.is_dir():
        return f"{place} lies below a file, {above}", remedy
    if not os.access(above, os.W_OK | os.X_OK):
        return f"{place} cannot be written to", remedy
    return None


def existing_parent(folder: Path) -> Path:
    """Return the folder, or the first one above it that exists."""
    return next((p for p in [folder, *folder.parents] if p.exists()), Path(folder.anchor))


def _blobs(name: str) -> Path:
    from huggingface_hub.file_download import repo_folder_name

    return cache() / repo_folder_name(repo_id=name, repo_type="model") / "blobs"


def _part(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.part")


def _resume(name: str, hub: Listing, path: str) -> None:
    """Bring one large file into the cache, from where an earlier try was broken off.

    The library does so only while a process lives: it throws an unfinished file away.
    """
    from filelock import FileLock
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    size, checksum = hub.files[path]
    blob = _blobs(name) / checksum
    part = _part(blob)
    part.parent.mkdir(parents=True, exist_ok=True)
    # The lock that the library itself takes for this file.
    lock = cache() / ".locks" / blob.parent.parent.name / f"{checksum}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if blob.is_file():  # another process was quicker
            return
        with part.open("ab") as stream:
            http_get(
                hf_hub_url(name, path, revision=hub.commit),
                stream,
                resume_size=min(stream.tell(), size),
                headers=build_hf_headers(),
                expected_size=size,
                displayed_filename=path,
            )
        if integrity.digest(part, checksum) != checksum:
            part.unlink()
            raise NotFetched(f"{path} of {name} arrived damaged; type the command again")
        part.replace(blob)


@contextmanager
def _one_line(chosen: ModelSpec) -> Iterator[None]:
    """Turn what the libraries raise on the way to the hub into one line with the way out."""
    try:
        yield
    except KandiError:
        raise
    except Exception as error:  # no network, no such commit, no room, no right to write …
        if fault := cache_fault():
            raise NotFetched(f"{chosen.key}: {fault[0]}; {fault[1]}") from error
        raise NotFetched(
            f'take kn.load("mini-2.2"), which works now, or, with a network, type: kandi-nb '
            f"fetch {chosen.key}; {chosen.key} is not whole in the cache ({cache()}) and "
            f"cannot be downloaded now ({first_line(error)})"
        ) from error


def first_line(error: Exception | str) -> str:
    """Return an error's text on one line, at most 160 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
