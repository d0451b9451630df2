"""The head of the studio, and what who is here for the first time sees: a tour, examples."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
from traitlets import Bool, Int, List, Unicode

from ..widgets.classes import script

if TYPE_CHECKING:
    from ...words.models import ModelSpec

# Title, text, and a CSS selector of what is spoken of; it may be absent.
TOUR = (
    (
        "Say what to draw",
        "Write it in English, Russian, Chinese, German or French, or press a word or a "
        "language below the field. Alt and the arrow keys bring earlier ones back.",
        ".kandi-tab-generate textarea",
    ),
    (
        "Draw",
        "Draw begins, Stop ends it. The seed decides which picture it becomes; the lock beside "
        "it keeps the seed, so that the same settings draw the same picture again.",
        ".kandi-tab-generate .kandi-run",
    ),
    (
        "Go on with a picture",
        "Below each picture stands what can be done with it next: edit it, repaint a part "
        "that you mark with the brush, paint beyond its frame, enlarge it.",
        ".kandi-tab-generate .kandi-under",
    ),
    (
        "A tab is a task",
        "Each tab keeps its own settings. With the keyboard: arrow keys go from tab to tab, "
        "Enter opens one.",
        ".kandi-tabs",
    ),
    (
        "Keep what you like",
        "The film and the gallery have every picture of this session, to download with its "
        "settings inside. Nobody else sees them, and with this page they are gone.",
        '.kandi-tabs [data-name="gallery"]',
    ),
)
KEYS = (
    ("Ctrl + Enter", "draw"),
    ("Esc", "stop"),
    ("Alt + ↑ ↓", "earlier words, in the field of words"),
    ("← →", "next picture, with the picture in focus"),
    ("C", "the picture before, as long as it is held"),
    ("Enter", "the picture alone on the screen"),
)

_PICTURES = Path(__file__).parent / "pictures"
_PROMPTS = {
    "fox": "A red fox in a snowy forest",
    "cat": "A blue cat on a beach",
    "bear": "A golden bear with a crown in space",
    "frog": "A green frog in a green meadow",
}


class Bar(anywidget.AnyWidget):
    """Show tabs, of which the page chooses one in `wanted`; `browser/bar.js` says how."""

    _esm = script("common.js", "bar.js")
    _css = script("tokens.css", "bar.css")
    tabs = List().tag(sync=True)  # of [name, title]
    wanted = Unicode().tag(sync=True)
    shown = Unicode().tag(sync=True)
    fault = Unicode().tag(sync=True)
    facts = Unicode().tag(sync=True)
    count = Int(0).tag(sync=True)  # pictures in the gallery
    tour = List([list(step) for step in TOUR]).tag(sync=True)
    shortcuts = List([list(key) for key in KEYS]).tag(sync=True)
    touring = Bool(True).tag(sync=True)


def examples(spec: ModelSpec) -> list[tuple[str, str]]:
    """Return prompts for an empty stage, each with what a bundled model drew as a data URL."""
    return [
        (prompt, _drawing(name) if spec.bundled else "") for name, prompt in _PROMPTS.items()
    ]


def _drawing(name: str) -> str:
    file = _PICTURES / f"{name}.png"
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
