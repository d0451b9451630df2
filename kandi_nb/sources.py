"""Find where a model's files lie: in the package, in a folder, in the hub's cache or on it."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from pathlib import Path

from . import integrity
from .errors import KandiError, shortened, shown
from .registry import SPECS, ModelSpec, spec
from .writing import expanded

PUBLISHER = "kandinsky-community"
logger = logging.getLogger(__name__)


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
    return dataclasses.replace(known, key=str(folder), download_gb=0.0)


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
    return f"download it again: hf download {chosen.ids[role]} --force-download"


def from_hub(chosen: ModelSpec, role: str) -> Path:
    """Return the snapshot folder of a published stage, downloading it when needed."""
    import diffusers
    from huggingface_hub.constants import HF_HUB_CACHE

    name = chosen.ids[role]
    pipeline = getattr(diffusers, chosen.classes[role])
    wanted = {"use_safetensors": True, "variant": chosen.variant}
    try:
        folder = Path(pipeline.download(name, local_files_only=True, **wanted))
        integrity.check_folder(folder, remedy_for(chosen, role, False), chosen.variant)
        return folder
    except integrity.Damaged as damage:
        if not isinstance(damage, integrity.Missing):  # missing: a download to go on with
            raise
    except Exception as absence:  # not cached: the libraries raise many kinds of error
        logger.debug("%s is not cached: %s", name, absence)
    place = Path(HF_HUB_CACHE)
    spare_gb = shutil.disk_usage(existing_parent(place)).free / 1e9
    if spare_gb < chosen.download_gb:
        raise KandiError(
            f"{chosen.key} needs {chosen.download_gb:g} GB of disk, {place} has "
            f"{spare_gb:.1f} GB left; free some, set HF_HOME to a larger disk, "
            'or take kn.load("mini-2.2")'
        )
    try:
        return Path(pipeline.download(name, **wanted))
    except Exception as error:
        commands = " && ".join(f"hf download {stage}" for stage in chosen.ids.values())
        raise KandiError(
            f"{chosen.key} is not in the cache ({place}) and cannot be downloaded now "
            f"({first_line(error)}); with a network type: {commands} — without one, the "
            'bundled model works now: kn.load("mini-2.2")'
        ) from error


def existing_parent(folder: Path) -> Path:
    """Return the folder, or the first one above it that exists."""
    return next(p for p in [folder, *folder.parents] if p.exists())


def first_line(error: Exception) -> str:
    """Return an error's text on one line, at most 160 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
