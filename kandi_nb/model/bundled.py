"""Where the bundled models lie: what several hold is stored once, and links lead to it.

`same-files.json` in the weights folder says which: path → path of the file that is stored.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ..words import models
from ..words.files import temporary_name
from ..words.models import WEIGHTS, ModelSpec
from .integrity import SUMS, digest

MANIFEST = "same-files.json"


def folders_of(spec: ModelSpec) -> dict[str, Path]:
    """Return role → folder of a bundled model, whole; empty for a published one."""
    if not spec.bundled:
        return {}
    here = whole(models.WEIGHTS)
    return {name: here / role.id for name, role in spec.roles.items()}


@functools.cache
def whole(weights: Path = WEIGHTS) -> Path:
    """Return a folder in which every bundled checkpoint has all its files.

    In a clone it is `weights` itself, and git ignores the links. An installed package is left
    as it was installed: a folder of links in the cache of the hub's library stands for it.
    """
    same = manifest(weights)
    if (weights.parents[2] / "pyproject.toml").is_file():
        with contextlib.suppress(OSError):  # not ours to write to
            return _link_all(weights, weights, same)
    if all((weights / name).is_file() for name in same):
        return weights
    stored = [path.relative_to(weights).as_posix() for path in _files(weights)]
    for place in (_in_cache, _for_now):
        with contextlib.suppress(OSError):
            return _link_all(place(weights), weights, dict.fromkeys(stored) | same)
    return weights  # what is missing is said where it is read


def manifest(weights: Path) -> dict[str, str]:
    """Return path → path of the file that is stored in its place; empty without a manifest."""
    file = weights / MANIFEST
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def sums(weights: Path, folder: str) -> dict[str, str]:
    """Return file → SHA-256, as a checkpoint's folder lists them."""
    listing = weights / folder / SUMS
    lines = listing.read_text("utf-8").splitlines() if listing.is_file() else []
    return {name: checksum for checksum, name in (line.split(maxsplit=1) for line in lines)}


def _files(weights: Path) -> list[Path]:
    return [path for path in weights.rglob("*") if path.is_file() and path.name[0] != "."]


def _in_cache(weights: Path) -> Path:
    from huggingface_hub import cached_assets_path

    mark = hashlib.sha256(os.fsencode(weights)).hexdigest()[:12]
    return cached_assets_path("kandi_nb", "bundled", mark)


def _for_now(weights: Path) -> Path:
    folder = tempfile.mkdtemp(prefix="kandi_nb-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _link_all(folder: Path, weights: Path, same: Mapping[str, str | None]) -> Path:
    """Let files of a folder lead to those that are stored; None is one of the same path."""
    for name, other in same.items():
        link, home = folder / name, weights / (other or name)
        if not home.is_file() or is_link_to(link, home):
            continue
        part, _, rest = name.partition("/")
        wanted = sums(weights, part).get(rest, "")
        # What was trained here, and landed, is no copy of anything.
        if not (wanted and link.is_file() and digest(link, wanted) == wanted):
            link_to(link, home)
    return folder


def is_link_to(link: Path, home: Path) -> bool:
    """Tell whether a link is one to the file, or a copy of it where there are no links."""
    if not link.is_file():
        return False
    mine, its = link.stat(), home.stat()
    same = os.path.samestat(mine, its)
    return same or (mine.st_size, mine.st_mtime_ns) == (its.st_size, its.st_mtime_ns)


def link_to(link: Path, home: Path) -> None:
    """Let a path lead to a file, in the place of whatever lies there."""
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.parent / temporary_name()
    try:
        _make_link(home, fresh)
        os.replace(fresh, link)
    finally:
        fresh.unlink(missing_ok=True)


def _make_link(home: Path, link: Path) -> None:
    """Make a symbolic link, else a hard one, else a copy: as the system lets us."""
    start, there = link.parent.resolve(), home.resolve()
    inside = start.parent.parent in there.parents  # a clone may be moved as a whole
    target = os.path.relpath(there, start) if inside else there
    ways: list[Callable[[], object]] = [
        lambda: os.symlink(target, link),
        lambda: os.link(there, link),
        lambda: shutil.copy2(there, link),
    ]
    for number, way in enumerate(ways, start=1):
        try:
            way()
            return
        except (OSError, NotImplementedError):
            if number == len(ways):
                raise
