"""What pictures cost on a rented card: the rate by the hour × the seconds of a picture."""

from __future__ import annotations

from typing import Any

from ...model.plan.fit import plan
from ...model.plan.names import read_card
from ...words.bounds import real, whole
from ...words.errors import KandiError
from ...words.tables import Table
from .claims import rates

MODEL = "kandinsky-2.2"
COLUMNS = ("card", "plan", "rate", "seconds", "hours", "cost", "in_4_hours", "in_a_day")


def cost(
    pictures: int = 1000,
    *,
    model: Any = MODEL,
    card: str | None = None,
    rate: float | None = None,
    seconds: float | None = None,
    width: int | None = None,
    height: int | None = None,
) -> Table:
    """Return what a number of pictures costs on a card, or on each that guides have a rate for.

    `rate` is in dollars an hour (default: what guides of 2024 say), `seconds` those of one
    picture, measured by you (default: predicted by `kn.plan`, 25 steps, by the first plan that
    fits the card). `cost` is in dollars; `in_4_hours` and `in_a_day` are pictures. A rented
    machine is paid while it downloads and waits, too: that is not in it. Raises KandiError.
    """
    whole("pictures", pictures, 1)
    if rate is not None:
        rate = _positive("rate", "dollars an hour, a number from 0", rate, least=0)
    if seconds is not None:
        seconds = _positive("seconds", "those of one picture, a number above 0", seconds)
    cards = list(rates()) if card is None else [read_card(card).name]
    rows = []
    for name in cards:
        price = _rate(name) if rate is None else rate
        how, each = (
            ("measured by you", seconds) if seconds else _first_fit(model, name, width, height)
        )
        rows.append({"card": name, "plan": how, "rate": price} | _bill(pictures, price, each))
    return Table(rows, columns=COLUMNS, note=_note(pictures, rate, seconds))


def _bill(pictures: int, rate: float, seconds: float | None) -> dict[str, Any]:
    if seconds is None:
        return dict.fromkeys(COLUMNS[3:])
    hours = pictures * seconds / 3600
    fours, day = (int(n * 3600 / seconds) for n in (4, 24))
    figures = {"seconds": seconds, "hours": hours, "cost": hours * rate}
    return figures | {"in_4_hours": fours, "in_a_day": day}


def _first_fit(model: Any, card: str, width: Any, height: Any) -> tuple[str, float | None]:
    """Return the first plan that fits a card, and its predicted seconds."""
    plans = plan(model, card=card, width=width, height=height)
    if plans.best is None:
        return "nothing fits", None
    seconds = next(row["seconds"] for row in plans if row["plan"] == plans.best)
    return plans.best, max(seconds, 0.05)  # predicted to a tenth: never nothing


def _rate(card: str) -> float:
    known = rates()
    if card in known:
        return known[card]
    raise KandiError(
        f"guides have no rate for {card}: give yours, rate=1.5; they have {', '.join(known)}"
    )


def _positive(name: str, what: str, value: Any, least: float | None = None) -> float:
    if least is not None:
        return real(name, value, least, says=f"{name} is {what}")
    return real(name, value, says=f"{name} is {what}", above=0)


def _note(pictures: int, rate: float | None, seconds: float | None) -> str:
    rates = "guides' rates of 2024, dollars an hour" if rate is None else "your rate"
    taken = "25 predicted steps" if seconds is None else "your seconds"
    return f"{pictures} pictures; {rates}; {taken}; downloads and waiting are paid, too"
