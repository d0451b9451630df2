"""The token X-ray: how a model cuts texts into tokens, and what falls off at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model.loading.kandinsky import Kandinsky
from ..words.errors import KandiError, quote
from ..words.fields import readable
from ..words.tables import Table
from .checks import check_model
from .loop.texts import readers, unread

_SHOWN = 24  # pieces: more of them fill a screen and say nothing new


def tokens(k: Kandinsky, prompts: str | Sequence[str] | Mapping[str, str]) -> Table:
    """Return a table of how the model cuts texts into tokens; its rows are dicts.

    `prompts` is a text, a list of texts, or a dict such as {"German": "Ein roter Fuchs"}, whose
    names get a column `language`. `tokens` counts the start and end marks too; `room` is how
    many the model reads. `cut` shows the pieces between bars; 雪×3 is one piece that takes
    three tokens. `lost` is the end of the text that the model never sees, beyond its room
    or behind a mark such as <|endoftext|> in the text itself. Raises KandiError.
    """
    check_model(k, None)
    named = _names_and_texts(prompts)
    with k.lock:
        rows = [{"language": language, **_row(k, text)} for language, text in named]
    return Table(
        rows if isinstance(prompts, Mapping) else [_without_language(row) for row in rows]
    )


def _row(k: Kandinsky, text: str) -> dict[str, Any]:
    tokenizer, room = readers(k)[0]
    ids = tokenizer(text).input_ids
    cut = unread(k, text)
    return {
        "prompt": text,
        "tokens": len(ids),
        "room": room,
        "cut": _join(pieces(tokenizer, ids)),
        "lost": cut[1] if cut else "",
    }


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Return the readable pieces behind token ids, without the marks around the text.

    Marks inside of it, which somebody typed or which stand for unknown letters, are pieces. A
    letter may be spread over several tokens, each of which is no text by itself: those are one
    piece, with their number behind it.
    """
    found: list[str] = []
    group: list[int] = []
    special = set(tokenizer.all_special_ids)
    for number in _inner(ids, special):
        if number in special:
            found += [*_rest(group), tokenizer.decode([number]).strip()]
            group = []
            continue
        group.append(number)
        text = tokenizer.decode(group).strip()
        if "\ufffd" not in text:  # no half letters left
            if text:
                found.append(text if len(group) == 1 else f"{text}×{len(group)}")
            group = []
    return [*found, *_rest(group)]


def _inner(ids: Sequence[int], special: set[int]) -> Sequence[int]:
    """Return the ids without one mark at the beginning and one at the end."""
    first = 1 if ids and ids[0] in special else 0
    last = len(ids) - 1 if len(ids) > first and ids[-1] in special else len(ids)
    return ids[first:last]


def _rest(group: Sequence[int]) -> list[str]:
    return [f"?×{len(group)}"] if group else []


def _join(parts: Sequence[str]) -> str:
    more = f" | … {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return " | ".join(parts[:_SHOWN]) + more


def _names_and_texts(prompts: Any) -> list[tuple[str, str]]:
    if isinstance(prompts, Mapping):
        named = [(str(name), text) for name, text in prompts.items()]
    elif isinstance(prompts, str):
        named = [("", prompts)]
    elif isinstance(prompts, Sequence):
        named = [("", text) for text in prompts]
    else:
        raise KandiError(
            'tokens takes texts: ["a cat", "ein Hund"] or {"German": "ein Hund"}, not '
            f"{quote(prompts)}"
        )
    if not named:
        raise KandiError("tokens got no texts; give at least one")
    for name, text in named:
        if not isinstance(text, str):
            raise KandiError(f"tokens takes texts in quotes, not {quote(text)}")
        readable("tokens' text", text), readable("a name in tokens", name)
    return named


def _without_language(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "language"}
