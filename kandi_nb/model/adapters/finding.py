"""The adapters that a recipe names: in this process, or in a file near the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...words.errors import KandiError, collected_warnings, quote, shorten
from .adapter import Adapter, living_adapter
from .scales import ScaledAdapter

_MOST_FILES = 64  # that are looked into, of one folder
_LARGEST = 2**30  # bytes: a LoRA has a few megabytes, and other weights lie about, too


def named_in(options: Mapping[str, Any], folders: Iterable[Path]) -> tuple[ScaledAdapter, ...]:
    """Return the adapters of a recipe's options, with their scales; none where it has none.

    They are told by their hash alone: those that this process has had, then the .safetensors
    files of `folders`. Raises KandiError, which says what is missing.
    """
    noted = options.get("adapters") or []
    try:
        wanted = [
            (str(each["name"]), str(each["sha256"]), float(each["scale"])) for each in noted
        ]
    except (TypeError, KeyError, ValueError):
        raise KandiError(
            f"the recipe names adapters in a way that is unknown here: {quote(noted)}"
        ) from None
    searched = list(dict.fromkeys(folder.resolve() for folder in folders))
    return tuple(
        ScaledAdapter(_find(name, mark, searched).renamed(name), scale)
        for name, mark, scale in wanted
    )


def _find(name: str, mark: str, folders: Sequence[Path]) -> Adapter:
    if adapter := living_adapter(mark):
        return adapter
    for folder in folders:
        files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stem != name)
        for path in files[:_MOST_FILES]:
            adapter = _read_adapter(path)
            if adapter is not None and adapter.mark == mark:
                return adapter
    called = shorten(name, 60)
    raise KandiError(
        f"the picture was drawn with the adapter {called} (SHA-256 {mark[:12]}…), which is not "
        f"here; put its file beside the picture, or load it: kn.replay(picture, "
        f'kn.load("…", adapter="{called}.safetensors"))'
    )


def _read_adapter(path: Path) -> Adapter | None:
    """Return the adapter in a file, None for other weights."""
    try:
        with collected_warnings():  # of files that nobody asked for
            return Adapter.load(path) if path.stat().st_size <= _LARGEST else None
    except (KandiError, OSError):
        return None
