"""The head of the studio: its tabs, and the tour for who is here for the first time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "browser"
# Title, text, and a CSS selector of what is spoken of; it may be absent.
TOUR = (
    (
        "Say what to draw",
        "Write it in English, Russian, Chinese, German or French, or press a language for an "
        "example. Below the buttons stands what the model knows.",
        ".kandi-tab-generate textarea",
    ),
    (
        "Run",
        "Run draws, Stop ends it. The seed decides which picture it becomes: the same seed "
        "and settings draw the same picture again.",
        ".kandi-tab-generate .mod-primary",
    ),
    (
        "Go on with a picture",
        "Below each picture stands what can be done with it next: edit it, repaint a part "
        "that you mark with the brush, paint beyond its frame, enlarge it.",
        ".kandi-tab-generate .kandi-onward",
    ),
    (
        "A tab is a task",
        "Each tab keeps its own settings. With the keyboard: arrow keys go from tab to tab, "
        "Enter opens one.",
        ".kandi-tabs",
    ),
    (
        "Keep what you like",
        "The gallery has every picture of this session, to download with its settings "
        "inside. Nobody else sees them, and with this page they are gone.",
        '.kandi-tabs [data-name="gallery"]',
    ),
)


@cache
def bar_class() -> type:
    """Return the widget's class, which needs anywidget to be defined."""
    import anywidget
    from traitlets import Bool, List, Unicode

    class Bar(anywidget.AnyWidget):
        """Show tabs, of which the page chooses one in `wanted`; `browser/bar.js` says how."""

        _esm = (_FOLDER / "bar.js").read_text(encoding="utf-8")
        _css = (_FOLDER / "bar.css").read_text(encoding="utf-8")
        tabs = List().tag(sync=True)  # of [name, title]
        wanted = Unicode().tag(sync=True)
        shown = Unicode().tag(sync=True)
        fault = Unicode().tag(sync=True)
        tour = List([list(step) for step in TOUR]).tag(sync=True)
        touring = Bool(True).tag(sync=True)

    return Bar
