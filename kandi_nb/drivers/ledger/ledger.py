"""Each claim of the guides beside what was measured, with a verdict that is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...words.bounds import whole
from ...words.errors import KandiError, quote
from ...words.tables import Table
from .claims import Claim, claims, claims_of
from .figures import Figure, figures_in
from .measures import MEASURED, MEASURES
from .reports import is_report, report_figures
from .verdicts import read_value, verdict

COLUMNS = ("id", "claimed", "measured", "verdict", "basis", "how")
YOURS = "measured by you"


class Ledger(Table):
    """Show claims, a row each; `ledger["slicing-3"]` is one claim's row."""

    def __getitem__(self, index: Any) -> Any:
        """Return a claim's row by its id or its number; for a slice a Ledger of some."""
        if isinstance(index, str):
            (claim,) = claims_of(index) if index != "all" else (None,)
            rows = {row["id"]: row for row in self.rows}
            if claim is not None and claim.id in rows:
                return rows[claim.id]
            raise KandiError(f"no claim {quote(index)} in this part of the ledger")
        return super().__getitem__(index)

    def about(self, topic: str) -> Ledger:
        """Return the rows of a topic; raise KandiError for one that there is not."""
        topics = dict.fromkeys(row["topic"] for row in self.rows)
        if topic not in topics:
            raise KandiError(f"topic is one of {', '.join(topics)}, not {quote(topic)}")
        return _table([row for row in self.rows if row["topic"] == topic])


def ledger(
    figures: Mapping[str, Any] | None = None,
    *,
    measure: Any = (),
    judge: Callable[[Any], Sequence[Any]] | None = None,
    count: int | None = None,
) -> Ledger:
    """Return every claim of the guides beside what was measured, and whether it holds.

    What was measured before comes with machine and date. `measure` names claims to measure
    here and now with the bundled models, or "all"; or it is what `kn.verify(k)` returned, or
    the folder or `report.json` that it wrote: what such a report decides is taken from it, for
    the model and the machine that were verified. Those about pictures are decided by a
    `judge`, `kandi_nb.mini.judge.read`, over `count` seeds a prompt. `figures` are your own,
    id → value, such as `{"price-3090": 0.2}`. A row also holds `topic`, `figure`, `value` and
    `models`. Verdicts are computed from these values alone. Raises KandiError.
    """
    if count is not None:
        whole("count", count, 1, says="count is a whole number of seeds from 1")
    if not isinstance(figures or {}, Mapping):
        raise KandiError(f'figures is id → value, {{"price-3090": 0.2}}, not {quote(figures)}')
    own = {c.id: Figure(read_value(c, figures[c.id]), YOURS) for c in claims_of(figures or ())}
    verified = report_figures(measure) if is_report(measure) else {}
    chosen = [] if is_report(measure) else _claims_to_measure(measure)
    for claim in chosen:
        _check(claim, judge)
    fresh = {claim.id: measure_claim(claim, judge, count) for claim in chosen}
    known = figures_in() | fresh | verified | own
    return _table([_ledger_row(claim, known.get(id)) for id, claim in claims().items()])


def _claims_to_measure(measure: str | Iterable[str]) -> list[Claim]:
    """Return the claims to measure; of all of them those that can be."""
    return [c for c in claims_of(measure) if measure != "all" or c.measure]


def measure_claim(claim: Claim, judge: Any = None, count: int | None = None) -> Figure:
    """Measure what decides a claim, here and now; raise KandiError where that is not done."""
    _check(claim, judge)
    arguments = dict(claim.measure)
    entry = MEASURES[arguments.pop("name")]
    if entry.judged:
        count = arguments["count"] = count or arguments["count"]
        arguments["judge"] = judge
    value = entry.run(**arguments)
    now = f"{entry.basis} here and now" if entry.basis == MEASURED else entry.basis
    return Figure(value, now, _picture_count(arguments) if entry.judged else 0)


def _picture_count(arguments: Mapping[str, Any]) -> int:
    """Return how many pictures the judge reads."""
    scenes = len(arguments.get("scenes") or arguments["prompts"])
    settings = len(arguments.get("guidance", ())) or 1 + ("few" in arguments)
    return scenes * settings * arguments["count"]


def _check(claim: Claim, judge: Any) -> None:
    if claim.measure is None:
        raise KandiError(
            f"{claim.id} needs {claim.needs}; measure it there, as its row says, and give the "
            f"figure: kn.ledger({{{claim.id!r}: …}})"
        )
    if MEASURES[claim.measure["name"]].judged and not callable(judge):
        raise KandiError(
            f"{claim.id} is decided by a judge: from kandi_nb.mini import judge, then "
            f"kn.ledger(measure={claim.id!r}, judge=judge.read)"
        )


def _ledger_row(claim: Claim, figure: Figure | None) -> dict[str, Any]:
    value = figure.value if figure else None
    return {
        "id": claim.id,
        "topic": claim.topic,
        "claimed": claim.claimed,
        "figure": claim.figure,
        "measured": claim.sentence(value) if figure else None,
        "value": value,
        "verdict": verdict(claim, value),
        "basis": str(figure) if figure else None,
        "models": claim.models,
        "how": claim.how,
    }


def _table(rows: list[dict[str, Any]]) -> Ledger:
    table = Ledger(rows, columns=COLUMNS)
    counts = Counter(row["verdict"].partition(" ")[0] for row in rows)
    words = {
        "holds": "hold",
        "depends": "depend",
        "does": "do not hold",
        "needs": "not run here",
    }
    parts = [f"{counts[first]} {said}" for first, said in words.items() if counts[first]]
    table.note = f"{len(rows)} claims: {', '.join(parts)}"
    return table
