"""Show how far a run is and let the user stop it: in a notebook, in a terminal, or nowhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..words.bounds import whole
from ..words.errors import HEADLESS, Cancelled, KandiError, quote, warn
from ..words.extras import is_installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

_REDRAW = 0.1  # seconds between two messages to the browser
_LOG_EVERY = 10.0  # seconds between two lines in a log: a short run leaves none
_IN_LOG: ContextVar[bool] = ContextVar("_IN_LOG", default=False)
_HEEDED: ContextVar[Progress | None] = ContextVar("_HEEDED", default=None)
_SHOWN_BY: ContextVar[Callable[..., Progress] | None] = ContextVar("_SHOWN_BY", default=None)


def place() -> str:
    """Return who is watching: "notebook", "terminal", "log" or "nobody".

    A kernel driven by papermill or nbclient counts as nobody: such drivers say with each
    request that they cannot ask the user anything, which every live front end can.
    """
    if os.environ.get(HEADLESS, "0") not in ("", "0"):
        return "nobody"
    kernel = _kernel()
    if kernel is None:
        if sys.stderr is not None and sys.stderr.isatty():
            return "terminal"
        return "log" if _IN_LOG.get() else "nobody"
    try:
        request = kernel.get_parent().get("content", {})
    except (AttributeError, LookupError):  # another kernel than ipykernel
        request = {}
    return "notebook" if request.get("allow_stdin", True) else "nobody"


def _kernel() -> Any | None:
    """Return the Jupyter kernel that this process is, if it is one."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython else None


@contextmanager
def in_log() -> Iterator[None]:
    """Let runs in the block write a line on standard error now and then, where nobody types.

    For commands, whose output goes to a log: a function of the library prints nothing there.
    """
    yield from _set(_IN_LOG, True)


def _set(variable: ContextVar, value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def shown_by(kind: Callable[..., Progress]) -> Iterator[None]:
    """Let runs in the block, on this thread alone, have a bar of kind(total, text, stop)."""
    yield from _set(_SHOWN_BY, kind)


@contextmanager
def heeding(bar: Progress) -> Iterator[None]:
    """Let `heed_stop` ask a bar, in the block and on this thread."""
    yield from _set(_HEEDED, bar)


def heed_stop() -> None:
    """Raise Cancelled if a stop of the run in progress was asked for.

    Called before each network and each window: a single step of a large picture may take
    minutes.
    """
    if (bar := _HEEDED.get()) is not None:
        bar.check()


@contextmanager
def interruptible(ended: str = "the model is ready for the next run") -> Iterator[None]:
    """End an interrupt of the kernel with Cancelled: one line instead of all frames of torch.

    Outside of kernels Ctrl-C stays what it is, so that it ends scripts with all their loops.
    """
    try:
        yield
    except KeyboardInterrupt:
        if _kernel() is None:
            raise
        raise Cancelled(f"stopped by an interrupt; {ended}") from None


class Progress:
    """Count steps, and raise Cancelled at the first one after a stop was asked for.

    Use it in a `with` block. This class shows nothing; its children do.
    """

    def __init__(self, total: int, text: str, stop: Any = None) -> None:
        self.total, self.text, self.done = total, text, 0
        self.waiting, self._began = "", time.monotonic()  # for what; since when it draws
        self._stops = [stop] if stop is not None else []

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def is_set(self) -> bool:
        """Tell whether a stop was asked for; so a bar can be the `stop` of another run."""
        return any(stop.is_set() for stop in self._stops)

    def check(self) -> None:
        """Raise Cancelled if a stop was asked for."""
        if self.is_set():
            raise Cancelled(
                f"stopped after {self.done} of {self.total} steps; the model is ready for the "
                "next run"
            )

    def step(self) -> None:
        """Count one step done."""
        self.done = min(self.done + 1, self.total)
        self.show()
        self.check()

    def reach(self, done: int, total: int) -> None:
        """Count as many steps as are done elsewhere, of a total that may still grow."""
        self.total, self.done, self.waiting = max(1, total), min(done, max(1, total)), ""
        self.show()
        self.check()

    def wait(self, words: str) -> None:
        """Say what the run waits for; its time counts from then on."""
        self.waiting, self._began = words, time.monotonic()
        self.show()

    def show(self) -> None:
        """Redraw, where there is something to draw on."""

    def preview(self, images: Sequence[Image]) -> None:
        """Show half-made pictures, where there is something to show them on."""

    def close(self) -> None:
        """Remove the bar."""

    def _words(self, seconds: float) -> str:
        """Return how far the run is that took so many seconds, and how long it still takes."""
        if self.waiting or not self.done:
            return self.waiting or f"0/{self.total} steps"
        left = seconds / self.done * (self.total - self.done)
        return f"{self.done}/{self.total} steps, {left:.0f} s left"


class LogLines(Progress):
    """Write a line on standard error every ten seconds."""

    def __enter__(self) -> Progress:
        self._began = self._written = time.monotonic()
        return self

    def show(self) -> None:
        now = time.monotonic()
        if now - self._written >= _LOG_EVERY and self.done < self.total:
            self._written = now
            print(f"{self.text}: {self._words(now - self._began)}", file=sys.stderr, flush=True)


class TerminalBar(Progress):
    """Draw one line on standard error, wiped when the run is over."""

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self._bar = tqdm(
            total=self.total, desc=self.text, unit="step", leave=False, dynamic_ncols=True
        )
        return self

    def show(self) -> None:
        self._bar.total = self.total
        self._bar.set_postfix_str(self.waiting, refresh=not self.done)
        self._bar.update(self.done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class NotebookBar(Progress):
    """Show one bar, a Stop button and previews as widgets, all removed when the run is over.

    The button works while the cell runs, because ipykernel 7 and JupyterLab 4.4 carry widget
    messages past the running cell; with older ones the interrupt key (■) does the same.
    """

    def __enter__(self) -> Progress:
        import ipywidgets
        from IPython.display import display

        stopped = threading.Event()
        self._stops.append(stopped)
        self._bar = ipywidgets.IntProgress(max=self.total, description=self.text)
        self._bar.style.description_width = "initial"
        self._button = ipywidgets.Button(
            description="Stop", icon="stop", tooltip="stop this run; the model stays usable"
        )
        self._button.on_click(lambda _: stopped.set())
        # ipykernel 7.4 sends a widget's messages back to the thread that made the widget, which
        # is busy with this very run; without that route they stay where the browser put them.
        if self._button.comm is not None:
            self._button.comm._reply_subshell_for = None
        self._time = ipywidgets.Label()
        self._pictures = ipywidgets.HTML()
        row = ipywidgets.HBox([self._bar, self._button, self._time])
        self._box = ipywidgets.VBox([row, self._pictures])
        self._began = self._drawn = time.monotonic()
        self._display = display(self._box, display_id=True)
        return self

    def show(self) -> None:
        now = time.monotonic()
        if now - self._drawn < _REDRAW and self.done < self.total:
            return
        self._drawn = now
        self._bar.max, self._bar.value = self.total, self.done
        self._time.value = self._words(now - self._began)

    def preview(self, images: Sequence[Image]) -> None:
        from ..pictures.grid import grid

        self._pictures.value = grid(list(images))._repr_html_()

    def close(self) -> None:
        _close(self._box)
        # What was a widget must not stay in the saved notebook as a view of nothing.
        self._display.update({"text/html": "", "text/plain": ""}, raw=True)


def _close(widget: Any) -> None:
    """Close a widget with its children, layout and style: each is a model of its own."""
    for child in getattr(widget, "children", ()):
        _close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if part is not None:
            part.close()
    widget.close()


def _able() -> str:
    """Return who watches; a notebook without ipywidgets has lines only."""
    watching = place()
    return "log" if watching == "notebook" and not is_installed("ipywidgets") else watching


def progress_bar(total: int, text: str, *, shown: bool = True, stop: Any = None) -> Progress:
    """Return the progress bar for whoever is watching; `stop` is anything with is_set()."""
    kinds = {"notebook": NotebookBar, "terminal": TerminalBar, "log": LogLines}
    kind = (_SHOWN_BY.get() or kinds.get(_able(), Progress)) if shown else Progress
    return kind(total, text, stop)


def preview_every(preview: Any, on_preview: Any, progress: bool) -> int:
    """Return every how many steps to show the pictures, 0 for never; raise KandiError.

    Decoding a preview takes time, so there are none that nobody would see.
    """
    says = "preview is a number of steps, 0 for no previews"
    preview = whole("preview", preview, says=says)
    if on_preview is not None and not callable(on_preview):
        raise KandiError(f"on_preview is a function of (pictures, step), not {on_preview!r}")
    if on_preview is not None:
        return preview or 1
    watched = place() if preview and progress else "nobody"
    if watched == "terminal":
        warn("previews are shown in notebooks only; they are left out here")
    return preview if watched == "notebook" else 0


def check_stop(stop: Any) -> Any:
    """Return `stop`; raise KandiError unless it is None or can be asked is_set()."""
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise KandiError(f"stop is a threading.Event, not {quote(stop)}")
    return stop
