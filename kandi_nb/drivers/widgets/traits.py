"""Traits of a widget that say in our words what they cannot be."""

from __future__ import annotations

from typing import Any


def checked_trait(method: str, default: Any = None) -> Any:
    """Return a trait whose values a method of its widget reads: method(value) -> value.

    It raises KandiError for what is none, None included, where traitlets would raise its own
    error, or take it.
    """
    from traitlets import TraitType

    class Checked(TraitType):
        def validate(self, widget: Any, value: Any) -> Any:
            return getattr(widget, method)(value)

    return Checked(default_value=default)
