"""The names of memory plans and of graphics cards: what may be typed, and what it means."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...words.errors import KandiError, did_you_mean, nearest, quote

CARDS = Path(__file__).parents[2] / "words" / "configs" / "cards.json"

# Pixels that stay come first, then what is quick: the order in which plans are tried.
PLACES = {
    "resident": "all networks stay on the card",
    "prior-first": "what reads the prompt leaves the card before the decoder comes",
    "model-offload": "one network on the card at a time",
    "group-offload": "UNet and prior block by block, encoders layer by layer",
    "sequential-offload": "layer by layer, at every step: slow, and slower than predicted",
}
STORES = {
    "": "",
    "fp8": "UNet, prior and MoVQ stored in 8 bit",
    "4bit": "linear layers in 4 bit: needs bitsandbytes",
}
# Which goes with which: bitsandbytes moves whole networks only, and layer by layer there is
# nothing left to gain.
STORES_OF = {
    "resident": ("", "fp8", "4bit"),
    "prior-first": ("", "fp8", "4bit"),
    "model-offload": ("", "fp8", "4bit"),
    "group-offload": ("", "fp8"),
    "sequential-offload": ("",),
}


@dataclass(frozen=True)
class Plan:
    """Say where the networks are kept, and how they are stored: "", "fp8" or "4bit"."""

    place: str
    store: str = ""

    def __str__(self) -> str:
        return "+".join(filter(None, (self.place, self.store)))

    @property
    def note(self) -> str:
        """Return in words what the plan does."""
        return "; ".join(filter(None, (PLACES[self.place], STORES[self.store])))


_EXACT = [Plan(place) for place in PLACES]
# Layer by layer is so slow that it comes last of all.
PLANS = (
    *_EXACT[:-1],
    *(Plan(p, store) for store in ("fp8", "4bit") for p in PLACES if store in STORES_OF[p]),
    _EXACT[-1],
)


def read_plan(name: Any) -> Plan:
    """Return the plan of a name such as "model-offload+fp8"; raise KandiError for others."""
    if isinstance(name, Plan):
        name = str(name)
    names = {str(entry): entry for entry in PLANS}
    if isinstance(name, str) and name in names:
        return names[name]
    words = re.split(r"[+,\s]+", name) if isinstance(name, str) else []
    places = [word for word in words if word in PLACES]
    if len(places) > 1:
        raise KandiError(
            f"one plan at a time: {' and '.join(places)} do not stack, the second would undo "
            "the first; take one of them; see docs/troubleshooting.md#memory"
        )
    hint = did_you_mean(name, names) if isinstance(name, str) else ""
    raise KandiError(f"unknown plan {quote(name)}; {hint}known: {', '.join(names)}")


@dataclass(frozen=True)
class Card:
    """Hold a maker's figures: GB of memory, half-precision TFLOPS, GB a second."""

    name: str
    memory_gb: float
    tflops: float
    bandwidth_gb: float


def cards() -> dict[str, Card]:
    """Return name → the maker's figures of the known cards."""
    rows = json.loads(CARDS.read_text("utf-8"))["cards"]
    return {name: Card(name, **row) for name, row in rows.items()}


def read_card(name: Any) -> Card:
    """Find a card by its name, as people or drivers write it; raise KandiError for others."""
    known = cards()
    plain = {_plain(card): card for card in known}
    if isinstance(name, str) and _plain(name) in plain:
        return known[plain[_plain(name)]]
    close = nearest(_plain(name), plain) if isinstance(name, str) else None
    hint = f"did you mean {plain[close]}? " if close else ""
    raise KandiError(
        f"unknown card {quote(name)}; {hint}give memory_gb instead, or one of: "
        f"{', '.join(known)}"
    )


def _plain(name: str) -> str:
    """
    >>> _plain("NVIDIA GeForce RTX 3070")
    'rtx3070'
    """
    return re.sub(r"nvidia|geforce|tesla|[^a-z0-9]", "", name.casefold())
