"""Pictures that show on an empty stage what a prompt becomes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...words.models import ModelSpec

_FOLDER = Path(__file__).parent / "pictures"
_PROMPTS = {
    "fox": "A red fox in a snowy forest",
    "cat": "A blue cat on a beach",
    "bear": "A golden bear with a crown in space",
    "frog": "A green frog in a green meadow",
}


def examples(spec: ModelSpec) -> list[tuple[str, str]]:
    """Return prompts, and with them what a bundled model drew of each as a data URL."""
    return [
        (prompt, _drawing(name) if spec.bundled else "") for name, prompt in _PROMPTS.items()
    ]


def _drawing(name: str) -> str:
    file = _FOLDER / f"{name}.png"
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
