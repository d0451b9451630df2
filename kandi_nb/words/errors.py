"""The errors and warnings of the package, pointing at the user's line and the nearest name."""

from __future__ import annotations

import contextlib
import difflib
import html
import os
import sys
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

HEADLESS = "KANDI_NB_HEADLESS"  # set it to 1 for kernels that nobody looks at
_HEARD_BY: ContextVar[Callable[[str], Any] | None] = ContextVar("_HEARD_BY", default=None)


class KandiError(Exception):
    """Say in one line what is wrong and what to do about it; base of all our errors.

    `about` names the setting or input that it concerns, if it is one: a panel shows the error
    beside that control, a service answers with that name, the command names the option.
    """

    def __init__(self, *message: Any, about: str | None = None) -> None:
        super().__init__(*message)
        self.about = about

    def __str__(self) -> str:
        return one_line(super().__str__())

    def _render_traceback_(self) -> list[str]:
        # What a notebook prints: the cell stands right above, our own frames help nobody.
        return [f"{type(self).__name__}: {self}", *self._cell_line()]

    def _cell_line(self) -> list[str]:
        """Return the line of the cell where nobody looks at it: the runner reports it."""
        trace = self.__traceback__
        while trace and "ipykernel_" not in trace.tb_frame.f_code.co_filename:
            trace = trace.tb_next
        alone = os.environ.get(HEADLESS, "0") not in ("", "0")
        return [f"Cell, line {trace.tb_lineno}"] if alone and trace else []


@contextlib.contextmanager
def concerning(name: str) -> Iterator[None]:
    """Let errors of the block that name nothing else be about that setting or input."""
    try:
        yield
    except KandiError as error:
        error.about = error.about or name
        raise


def line_of(error: BaseException) -> str:
    """Return an exception as one line: ours in its own words, others with their kind in front.

    >>> line_of(KandiError("steps is 0")), line_of(ValueError("no number")), line_of(KeyError())
    ('steps is 0', 'ValueError: no number', 'KeyError')
    """
    if isinstance(error, KandiError):
        return str(error)
    said = shorten(" ".join(one_line(str(error)).split()), 300)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class NoAttribute(KandiError, AttributeError):
    """Something was asked for by a name that it does not have; hasattr() stays False."""


class NoItem(KandiError, IndexError):
    """Something was asked for by a number that there is not; loops end as usual."""


class Unsupported(KandiError):
    """This model lacks what others have; up to its first ";" or ":" the message says what."""


class Cancelled(KandiError):
    """A run was stopped by the user; the model stays usable."""


class KandiWarning(UserWarning):
    """Point out, gently, something that the user probably did not mean."""


def warn(message: str) -> None:
    """Issue a KandiWarning that points at the first line outside this package.

    In a notebook it is a calm line below the cell, once a run of the cell; Python's filters
    decide as everywhere whether it is shown, recorded or raised.
    """
    if listener := _HEARD_BY.get():
        listener(one_line(message))
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    with _calm():
        warnings.warn(one_line(message), KandiWarning, stacklevel=level)


@contextlib.contextmanager
def heard_by(listener: Callable[[str], Any]) -> Iterator[None]:
    """Hand the warnings of this thread, in the block, to a listener.

    Python's filters are the whole process's: a thread in the background must leave them alone,
    and what it prints lands below some cell or none.
    """
    token = _HEARD_BY.set(listener)
    try:
        yield
    finally:
        _HEARD_BY.reset(token)


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Give the list of what `warn` says in the block, which then nobody else hears."""
    said: list[str] = []
    with heard_by(said.append):
        yield said


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Let a notebook show a warning as one line instead of a red block with a path."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    ours = warnings.showwarning.__module__ == "warnings"  # nobody else shows or logs them
    # What another thread displays would land below some cell or none.
    alone = threading.current_thread() is threading.main_thread()
    if getattr(shell, "kernel", None) is None or not (ours and alone):
        yield
        return

    def line(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        if not issubclass(category, KandiWarning):
            return usual(message, category, *place, **more)
        _display(shell, str(message))
        return ""

    # Python asks for the format only of what it is about to print: what is recorded, ignored or
    # raised never comes here.
    with warnings.catch_warnings():
        # Cells share one list of warnings that were seen, by number of line: look at none.
        warnings.simplefilter("always", KandiWarning, append=True)
        usual, warnings.formatwarning = warnings.formatwarning, line
        try:
            yield
        finally:
            warnings.formatwarning = usual


_NOTE = "margin:4px 0;padding:2px 10px;border-left:4px solid #d9a200"
_seen: set[tuple[int, str]] = set()  # what a run of a cell has said already


def _display(shell: Any, message: str) -> None:
    from IPython.display import display

    key = (getattr(shell, "execution_count", 0), message)
    if key not in _seen:
        _seen.add(key)
        note = f'<div role="note" style="{_NOTE}">{html.escape(message)}</div>'
        display({"text/html": note, "text/plain": message}, raw=True)


def _is_ours(module: str) -> bool:
    # dataclasses.replace stands between our own frames.
    return module.partition(".")[0] in {"kandi_nb", "dataclasses"}


def nearest(name: str, choices: Iterable[str], cutoff: float = 0.55) -> str | None:
    """Return the choice most like `name`, ignoring case, or None when none is close.

    `cutoff` is the least likeness, of 1 for equal words.

    >>> nearest("guidence", ["steps", "guidance"])
    'guidance'
    """
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return "did you mean X? ", to put before the known choices; "" when none is close."""
    close = nearest(name, choices)
    return f"did you mean {close}? " if close else ""


def quote(value: Any) -> str:
    """Return repr on one line and at most 60 characters, to quote a value in a message."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a broken repr must not hide the message that quotes it
        text = type(value).__name__
    return shorten(text)


def shorten(text: str, most: int = 60) -> str:
    """Return the text's beginning, at most `most` characters, to quote it in a message."""
    return text if len(text) <= most else text[: most - 3] + "…"


def one_line(text: str) -> str:
    """Return the text without what breaks a line, steers a terminal or is no character.

    Names of files and prompts come into messages, and may hold all of that.
    """
    if text.isprintable():
        return text
    # Cc: control characters, Cs: halves of characters, Zl and Zp: ends of lines.
    broken = {"Cc": " ", "Zl": " ", "Zp": " ", "Cs": "\ufffd"}
    return "".join(broken.get(unicodedata.category(c), c) for c in text)
