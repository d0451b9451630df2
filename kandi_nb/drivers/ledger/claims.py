"""What guides claim, as data: each claim has a figure, and the measurement that decides it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...words.errors import KandiError, did_you_mean, quote

CLAIMS = Path(__file__).parent / "claims.json"


@dataclass(frozen=True)
class Claim:
    """Hold one claim of the guides.

    `claimed` says it in words, `figure` as a number, or as True for what is said to be so.
    `rule` names the function that decides, and its limits; `measure` the measurement and its
    arguments, None for what is not measured by this package: `needs` says what it takes.
    `words` is a template for what was measured, or a pair of sentences, for yes and for no.
    `how` says how to measure it yourself, `models` what the measurement speaks of.
    """

    id: str
    topic: str
    claimed: str
    figure: Any
    rule: Mapping[str, Any] = field(hash=False)
    words: Any = field(hash=False)
    how: str
    measure: Mapping[str, Any] | None = field(default=None, hash=False)
    models: str = ""
    needs: str = ""
    card: str = ""

    def sentence(self, value: Any) -> str:
        """Return in words what was measured."""
        if isinstance(self.words, list):
            return self.words[0 if value else 1]
        return self.words.format(**(value if isinstance(value, Mapping) else {"value": value}))


@cache
def claims() -> Mapping[str, Claim]:
    """Return id → claim, in the order of the guides' topics."""
    rows = json.loads(CLAIMS.read_text("utf-8"))["claims"]
    return MappingProxyType({row["id"]: Claim(**row) for row in rows})


def rates() -> dict[str, float]:
    """Return card → dollars an hour, as the guides say."""
    return {claim.card: claim.figure for claim in claims().values() if claim.card}


def claims_of(ids: str | Iterable[str]) -> list[Claim]:
    """Return the claims of these ids, "all" for all; raise KandiError for others."""
    known = claims()
    if ids == "all":
        return list(known.values())
    listed = [ids] if isinstance(ids, str) else ids
    if not isinstance(listed, Iterable):
        raise KandiError(f'claims are named by a list of ids, or "all", not {quote(ids)}')
    chosen = list(listed)
    for id in chosen:
        if not isinstance(id, str) or id not in known:
            hint = did_you_mean(id, known) if isinstance(id, str) else ""
            raise KandiError(f"unknown claim {quote(id)}; {hint}known: {', '.join(known)}")
    return [known[id] for id in chosen]
