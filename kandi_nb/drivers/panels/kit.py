"""Widgets that are made, reached while a cell runs, and closed together."""

from __future__ import annotations

import html
from typing import Any

from ..widgets.place import reachable

_LABEL = "104px"  # room for the longest name of a setting


class Kit:
    """Make widgets and remember them: each is a model of its own in kernel and page.

    Layouts and styles are shared: else every widget brings one of each along.
    """

    def __init__(self) -> None:
        import ipywidgets

        self._made: list[Any] = []
        self._styles: dict[str, Any] = {}  # kind → the style of the first of that kind
        self._layouts = {
            "whole": ipywidgets.Layout(width="auto", flex="1 1 auto", min_width="0"),
            "own": ipywidgets.Layout(width="auto"),
            "number": ipywidgets.Layout(width="88px", flex="0 0 auto"),
            "grow": ipywidgets.Layout(flex="1 1 120px", width="auto", min_width="0"),
            "row": ipywidgets.Layout(width="100%", flex_flow="row wrap", align_items="center"),
        }

    def __call__(self, kind: str, layout: Any = "whole", **words: Any) -> Any:
        """Return a new widget of ipywidgets; `layout` is a name, or None for one of its own."""
        import ipywidgets

        if layout is not None:
            words["layout"] = self._layouts[layout]
        if kind in self._styles:
            words["style"] = self._styles[kind]
        widget = getattr(ipywidgets, kind)(**words)
        if kind not in self._styles and hasattr(widget, "style"):
            self._styles[kind] = widget.style
            if hasattr(widget.style, "description_width"):
                widget.style.description_width = _LABEL
        return self.keep(widget)

    def keep(self, widget: Any) -> Any:
        """Take care of a widget that was made elsewhere; return it."""
        self._made.append(widget)
        return reachable(widget)

    def close(self) -> None:
        """Close all, with their layouts and styles."""
        for widget in self._made:
            for part in (widget.layout, getattr(widget, "style", None)):
                if part is not None:
                    part.close()
            widget.close()
        for layout in self._layouts.values():
            layout.close()
        self._made.clear()


def show(widget: Any, visible: bool) -> None:
    """Let a widget that has a layout of its own take part in the page, or not."""
    wanted = None if visible else "none"
    if widget.layout.display != wanted:
        widget.layout.display = wanted


def write(widget: Any, **values: Any) -> None:
    """Set a widget's traits where they differ: each change is a message to the browser."""
    for name, value in values.items():
        if getattr(widget, name) != value:
            setattr(widget, name, value)


def problem(text: str | None) -> str:
    """Return a complaint as HTML that is read out when it appears."""
    return f'<div class="kandi-problem" role="alert">{html.escape(text)}</div>' if text else ""


def notes(lines: list[str]) -> str:
    """Return remarks as HTML."""
    return "".join(f'<div role="note">{html.escape(line)}</div>' for line in lines)
