"""What panels say in other languages: message files, English → translation.

`messages/<language>.json` holds every sentence that a panel shows; the English one is its key,
and what stands in braces there is filled in. A sentence that nobody has translated is shown in
English.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ...words.errors import KandiError, quote

VARIABLE = "KANDI_LANGUAGE"  # of the environment: what panels speak where nothing else is said
_FOLDER = Path(__file__).parent / "messages"
_BLANK = re.compile(r"\{(\w+)\}")


def languages() -> list[str]:
    """Return the languages that there are message files for, "en" first."""
    return ["en", *sorted(path.stem for path in _FOLDER.glob("*.json"))]


def messages(language: str) -> dict[str, str]:
    """Return English → translation; nothing for English itself."""
    file = _FOLDER / f"{language}.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def translation(language: str | None = None) -> Translation:
    """Return the sentences of a language; None stands for KANDI_LANGUAGE, or else English.

    Raises KandiError for a language that there are no messages in.
    """
    wanted = language or os.environ.get(VARIABLE) or "en"
    if wanted not in languages():
        name = "language" if language else VARIABLE
        raise KandiError(f"{name} is one of {', '.join(languages())}, not {quote(wanted)}")
    return _of(wanted)


@cache
def _of(language: str) -> Translation:
    return Translation(language, messages(language))


class Translation:
    """Say English sentences in a language; call it with one, and what fills its braces."""

    def __init__(self, language: str, known: Mapping[str, str]) -> None:
        self.language, self._known = language, known
        self._forms = [(_form(text), said) for text, said in known.items() if "{" in text]

    def __call__(self, text: str, **values: Any) -> str:
        """Return a sentence that stands in the code, with its braces filled."""
        said = self._known.get(text, text)
        return said.format(**values) if values else said

    def whole(self, text: str) -> str:
        """Return a sentence whose braces are filled already, such as an error's.

        What fills them is translated in its turn, where it is a sentence that is known.
        """
        if text in self._known:
            return self._known[text]
        lower = text[:1].lower() + text[1:]
        if said := self._known.get(lower):
            return said[0].upper() + said[1:]
        for form, said in self._forms:
            if found := form.fullmatch(text):
                return said.format(**{n: self.whole(t) for n, t in found.groupdict().items()})
        return text

    def for_page(self, part: type) -> dict[str, Any]:
        """Return what the script of a part needs of it; nothing in English."""
        if self.language == "en":
            return {}
        # A widget's own type is one that anywidget derived, whose script is a trait.
        scripts = (vars(base).get("_esm") for base in part.__mro__)
        script = next(text for text in scripts if isinstance(text, str))
        used = {text: said for text, said in self._known.items() if f'"{text}"' in script}
        return {"language": self.language, "messages": used}


def _form(text: str) -> re.Pattern:
    """Return the pattern of a sentence whose braces may hold anything.

    >>> _form("{n} steps").fullmatch("25 steps")["n"]
    '25'
    """
    parts = _BLANK.split(text)
    names = (f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    return re.compile("".join(names), re.DOTALL)
