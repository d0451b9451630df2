"""The parts of which panels and studio are made: rail, run bar, stage and film.

Each shows what the kernel sets, and says by messages what somebody does; nothing that a page
could write into a trait is read here.
"""

from __future__ import annotations

from typing import Any

import anywidget
from traitlets import Bool, CBytes, Dict, Int, List, Unicode

from ..queue.limits import Limits
from .classes import script
from .encoding import MOST_BYTES

MOST_PIXELS = Limits.pixels  # of a picture from a stranger


class Rail(anywidget.AnyWidget):
    """Show a form, and send what is set in it; `browser/rail.js` says how."""

    _esm = script("common.js", "rail.js")
    _css = script("tokens.css", "parts.css")
    form = Dict().tag(sync=True)
    translation = Dict().tag(sync=True)  # language, and English → its words
    thumbnails = Dict().tag(sync=True)

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.add_class("kandi-area-rail")


class RunBar(anywidget.AnyWidget):
    """Show Run, Stop, progress and messages; `browser/runbar.js` says how."""

    _esm = script("common.js", "runbar.js")
    _css = script("tokens.css", "parts.css")
    action = Unicode("Draw").tag(sync=True)
    translation = Dict().tag(sync=True)
    reason = Unicode().tag(sync=True)  # what keeps a run from beginning
    running = Bool(False).tag(sync=True)
    done = Int(0).tag(sync=True)
    total = Int(1).tag(sync=True)
    words = Unicode().tag(sync=True)
    said = List().tag(sync=True)  # of (kind, line), kind "bad" or "note"

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.add_class("kandi-area-runbar")


class Stage(anywidget.AnyWidget):
    """Show a picture, several, or before and after; `browser/stage.js` says how.

    `mode`: empty, view, grid, or paint and frame, which stand in its place.
    """

    _esm = script("common.js", "stage.js")
    _css = script("tokens.css", "parts.css")
    mode = Unicode("empty").tag(sync=True)
    translation = Dict().tag(sync=True)
    pictures = List().tag(sync=True, echo_update=False)  # PNG files
    shown = List().tag(sync=True)  # one dict a picture: size, label, name, file
    index = Int(0).tag(sync=True)
    before = CBytes().tag(sync=True, echo_update=False)
    preview = CBytes().tag(sync=True, echo_update=False)
    preview_size = List([1, 1]).tag(sync=True)
    running = Bool(False).tag(sync=True)
    several = Bool(False).tag(sync=True)
    empty = Dict().tag(sync=True)
    onward = List().tag(sync=True)  # of (name, title)
    proof = Unicode().tag(sync=True)
    code = Unicode().tag(sync=True)
    back = Unicode().tag(sync=True)
    ask = Unicode().tag(sync=True)
    keeps = Bool(False).tag(sync=True)
    saves = Unicode().tag(sync=True)
    note = List(["", False]).tag(sync=True)
    most_bytes = Int(MOST_BYTES).tag(sync=True)
    most_pixels = Int(MOST_PIXELS).tag(sync=True)

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.add_class("kandi-area-stage")


class Film(anywidget.AnyWidget):
    """Show small pictures; `layout_name` is strip or grid; `browser/film.js` says how."""

    _esm = script("common.js", "film.js")
    _css = script("tokens.css", "parts.css")
    translation = Dict().tag(sync=True)
    entries = List().tag(sync=True)  # one dict a picture: number, label, source, star
    chosen = Int(0).tag(sync=True)
    title = Unicode().tag(sync=True)
    zips = Bool(False).tag(sync=True)
    tools = Bool(False).tag(sync=True)  # stars, and taking away
    layout_name = Unicode("strip").tag(sync=True)

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.add_class("kandi-area-film")
