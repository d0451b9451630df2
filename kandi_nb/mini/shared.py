"""Which files of the bundled checkpoints are the same, so that each is stored once.

`python -m kandi_nb.mini.shared` writes `same-files.json` anew, after a training changed some.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..model.bundled import MANIFEST, is_link_to, link_to, sums
from ..model.bundled import manifest as manifest
from ..model.bundled import whole as whole
from ..words.files import write
from .names import FAMILY, WEIGHTS

LEAST = 10**6  # bytes: smaller files are stored as often as they are used


def find_same(weights: Path) -> dict[str, str]:
    """Return what the manifest of a folder should say, by the checksums beside the weights."""
    homes: dict[str, str] = {}
    same = {}
    for folder in FAMILY:
        # The plain file comes before its variant of the same bytes.
        for name, checksum in sorted(sums(weights, folder).items(), key=lambda s: len(s[0])):
            home = homes.setdefault(checksum, f"{folder}/{name}")
            if home != f"{folder}/{name}" and (weights / home).stat().st_size >= LEAST:
                same[f"{folder}/{name}"] = home
    return same


def main() -> None:
    """Write the manifest anew, and let links stand for what is stored elsewhere."""
    same = find_same(WEIGHTS)
    text = json.dumps(same, indent=2, sort_keys=True) + "\n"
    write(WEIGHTS / MANIFEST, text.encode(), overwrite=True)
    for name, home in same.items():
        if not is_link_to(WEIGHTS / name, WEIGHTS / home):
            link_to(WEIGHTS / name, WEIGHTS / home)
    root = WEIGHTS.parents[2]
    print("These lines belong into .gitignore, and into exclude in pyproject.toml:")
    print(*(f"/{(WEIGHTS / name).relative_to(root).as_posix()}" for name in same), sep="\n")


if __name__ == "__main__":
    main()
