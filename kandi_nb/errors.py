"""The errors and warnings of the package, pointing at the user's line and the nearest name."""

from __future__ import annotations

import difflib
import sys
import unicodedata
import warnings
from collections.abc import Iterable
from typing import Any


class KandiError(Exception):
    """Say in one line what is wrong and what to do about it; base of all our errors."""

    def __str__(self) -> str:
        return one_line(super().__str__())

    def _render_traceback_(self) -> list[str]:
        # What a notebook prints: the cell stands right above, our own frames help nobody.
        return [f"{type(self).__name__}: {self}"]


class Cancelled(KandiError):
    """A run was stopped by the user; the model stays usable."""


class KandiWarning(UserWarning):
    """Point out, gently, something that the user probably did not mean."""


def warn(message: str) -> None:
    """Issue a KandiWarning that points at the first line outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(one_line(message), KandiWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    # dataclasses.replace stands between our own frames.
    return module.partition(".")[0] in {"kandi_nb", "dataclasses"}


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like `name`, ignoring case, or None when none is close.

    >>> nearest("guidence", ["steps", "guidance"])
    'guidance'
    """
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.55)
    return folded[found[0]] if found else None


def shown(value: Any) -> str:
    """Return repr on one line and at most 60 characters, to quote a value in a message."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a broken repr must not hide the message that quotes it
        text = type(value).__name__
    return shortened(text)


def shortened(text: str, most: int = 60) -> str:
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
