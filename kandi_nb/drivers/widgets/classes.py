"""What the classes of widgets share: traits that speak our words, and files of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from traitlets import TraitType

BROWSER = Path(__file__).parent / "browser"  # scripts and styles


def script(*names: str) -> str:
    """Return files of the folder `browser` as one text; scripts begin with what all share."""
    shared = ["elements.js"] if names[0].endswith(".js") else []
    every = [*shared, *names]
    return "\n".join((BROWSER / name).read_text(encoding="utf-8") for name in every)


class CheckedTrait(TraitType):
    """Hold what a method of its widget makes of a value: method(value) -> value.

    It raises KandiError for what is none, None included, where traitlets would raise its own
    error, or take it.
    """

    def __init__(self, method: str, default: Any = None) -> None:
        super().__init__(default_value=default)
        self._method = method

    def validate(self, widget: Any, value: Any) -> Any:
        """Return the value that the widget reads in this one."""
        return getattr(widget, self._method)(value)
