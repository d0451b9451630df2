"""Where widgets are shown: whether anybody looks, and which cell they stand below."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

from ...model.progress import place
from ...words.errors import HEADLESS, warn


def is_watched() -> bool:
    """Tell whether controls would be seen: in a live notebook, or in a page that Voilà serves.

    Voilà runs the notebook before anybody sees it, as drivers without a browser do; it says who
    it is in the kernel's environment.
    """
    if place() == "notebook":
        _tell_of_colab()
        return True
    return is_visited() and os.environ.get(HEADLESS, "0") in ("", "0")


def _tell_of_colab() -> None:
    """Say once what lets Colab show widgets of others; it leaves their place empty without."""
    colab = sys.modules.get("google.colab.output._widgets")
    if colab is not None and not getattr(colab, "_installed_url", True) and not _TOLD:
        _TOLD.append(True)
        warn(
            "Colab shows these controls once it may: run “from google.colab import output; "
            "output.enable_custom_widget_manager()”, then this cell again"
        )


_TOLD: list[bool] = []


def is_visited() -> bool:
    """Tell whether the page is one that Voilà serves: strangers may look at it."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


class Below:
    """Hold a place below what a cell shows, in its output, which can be filled later."""

    def __init__(self, shown: Any) -> None:
        from IPython.display import HTML, display

        display(shown, raw=True)
        self._handle = display(HTML(""), display_id=True) if is_watched() else None
        if is_visited():
            self._handle = None

    def __bool__(self) -> bool:
        return self._handle is not None

    def fill(self, value: Any) -> None:
        """Show a value there, in the place of what was there."""
        self._handle.update(value)


def reachable(widget: Any) -> Any:
    """Let a widget hear its page while a cell runs; return it.

    ipykernel 7.4 sends a widget's messages back to the thread that made it, which may be busy
    with a cell; without that route they stay where the browser put them.
    """
    if getattr(widget, "comm", None) is not None:
        widget.comm._reply_subshell_for = None
    return widget


# Cell → the run of it that showed something last, and what it showed.
_SHOWN: dict[str, tuple[str, list[weakref.ref]]] = {}


def earlier_shown(shown: Any) -> list[Any]:
    """Note what the cell that runs now shows; return what its earlier runs showed instead.

    A cell that is run again takes its output from the page, not from the kernel.
    """
    cell, run = _running_cell()
    if not cell:
        return []
    last, things = _SHOWN.get(cell, (run, []))
    old = [] if last == run else [thing for each in things if (thing := each()) is not None]
    kept = things if last == run else []
    _SHOWN[cell] = run, [*kept, weakref.ref(shown)]
    return [thing for thing in old if thing is not shown]


def _running_cell() -> tuple[str, str]:
    """Return the ids of the cell and of its run; front ends that do not tell give ""."""
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    try:
        request = kernel.get_parent()
        return str(request["metadata"].get("cellId", "")), str(request["header"]["msg_id"])
    except (AttributeError, KeyError, LookupError, TypeError):
        return "", ""
