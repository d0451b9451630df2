"""What a check says: what was expected, what was seen, and a verdict of four words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...words.errors import one_line, shorten

if TYPE_CHECKING:
    from pathlib import Path

    from ...model.loading.kandinsky import Kandinsky

KEPT, WRONG, UNKNOWN, ABSENT = "as promised", "wrong", "cannot tell", "not here"
RANDOM = "cannot tell: random weights"
_PATH = re.compile(r"(?:[A-Za-z]:|~|\.{0,2})?(?:[\\/][^\\/\s'\":;,]+)+[\\/]?|[^\s'\":;,]+[\\/]")

_COMPONENTS = (
    *("prior", "text_encoder", "image_encoder", "tokenizer", "scheduler"),
    *("unet", "movq", "image_processor"),
)


@dataclass(frozen=True)
class Row:
    """Hold one finding; `pictures` are names of files in the report's folder.

    `figures` are its numbers, name → value, for who reads the report by a program.
    """

    check: str
    what: str
    expected: str
    seen: str
    verdict: str
    pictures: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON holds it, without paths of the machine."""
        held = {**vars(self), "seen": without_paths(self.seen), "pictures": [*self.pictures]}
        return held if self.figures else {n: v for n, v in held.items() if n != "figures"}


@dataclass
class Trial:
    """Hold what every check is given: the model, how long it may take, where pictures go.

    `untrained` names networks whose weights were never learned: what needs meaning cannot be
    told of them.
    """

    k: Kandinsky
    folder: Path
    quick: bool = False
    untrained: tuple[str, ...] = ()
    check: str = ""
    kept: dict[str, Any] = field(default_factory=dict)  # what later checks use of earlier ones

    @property
    def steps(self) -> int:
        """Return how many steps a picture takes."""
        return 10 if self.quick else 25

    def row(
        self, what: str, expected: str, seen: Any, good: bool | None, pictures: tuple = ()
    ) -> Row:
        """Return a finding: `good` is None where it cannot be told."""
        verdict = {True: KEPT, False: WRONG, None: UNKNOWN}[good]
        return Row(self.check, what, expected, str(seen), verdict, pictures)

    def meaning(
        self, what: str, expected: str, seen: Any, good: bool | None, pictures: tuple = ()
    ) -> Row:
        """Return a finding that needs learned weights; without them it cannot be told."""
        if self.untrained:
            return Row(self.check, what, expected, str(seen), RANDOM, pictures)
        return self.row(what, expected, seen, good, pictures)

    def absent(self, what: str, why: str) -> Row:
        """Return the row of what this model does not have."""
        return Row(self.check, what, "—", why, ABSENT)

    def save(self, result: Any, name: str) -> tuple[str, ...]:
        """Write the pictures of a result beside the report; return their names."""
        names = []
        for number, picture in enumerate(getattr(result, "images", result)):
            names.append(f"{name}-{number}.png")
            picture.save(self.folder / names[-1])
        return tuple(names)


def without_paths(text: str) -> str:
    """Return a text on one line without paths: a report can be sent to others.

    Of each path only what every model has in common stays: its components and their files.

    >>> without_paths("/home/ann/models/unet/config.json is broken; see ~/x")
    '…/unet/config.json is broken; see …'
    """
    return shorten(_PATH.sub(_common, one_line(text)), 300)


def _common(path: re.Match[str]) -> str:
    kept: list[str] = []
    for part in reversed(re.split(r"[\\/]", path[0].rstrip("\\/"))):
        if part not in _COMPONENTS and not part.endswith((".json", ".safetensors")):
            break
        kept.insert(0, part)
    return "/".join(["…", *kept])
