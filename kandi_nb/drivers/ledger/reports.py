"""Figures of a model that somebody verified: which claims of the guides its report decides."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ...words.errors import KandiError, quote, warn
from ...words.files import expand_path
from ..verify import report
from ..verify.memory import GUIDES_SIDE
from ..verify.rows import RANDOM
from ..verify.verify import Verification
from .claims import claims
from .figures import Figure
from .verdicts import read_value

Report = Mapping[str, Any]


def is_report(source: Any) -> bool:
    """Tell whether that is a verification, or the path of its report or of its folder."""
    if isinstance(source, (Verification, os.PathLike)):
        return True
    return isinstance(source, str) and (source.endswith(report.JSON) or os.path.isdir(source))


def report_figures(source: Any) -> dict[str, Figure]:
    """Return id → figure of the claims that a report decides; warn when it decides none.

    `source` is what `verify` returned, its folder, or the `report.json` in it. Raises
    KandiError for what is no report.
    """
    folder = source.folder if isinstance(source, Verification) else expand_path(source)
    found = report.read_report(folder.parent if folder.name == report.JSON else folder)
    if not found:
        raise KandiError(
            f"there is no {report.JSON} in {quote(str(folder))}; make one: kn.verify(k)"
        )
    basis = ", ".join(["kn.verify", *filter(None, [found.get("card"), found.get("machine")])])
    decided = {id: rule(found) for id, rule in RULES.items()}
    known = {
        id: Figure(read_value(claims()[id], value), basis)
        for id, value in decided.items()
        if value is not None
    }
    if not known:
        warn(
            f"this report of {found['model'].get('key', 'a model')} decides no claim: they "
            "speak of languages, and of memory and seconds on a card"
        )
    return {id: known[id] for id in claims() if id in known}


def _languages(family: str, bundled: bool) -> Callable[[Report], Any]:
    """Return what reads the share of scenes that the worst language brings to its English."""

    def rule(found: Report) -> Any:
        same = _is(found, family) and bundled == str(found["model"]["key"]).startswith("mini")
        return _figure(found, "worst_language") if same else None

    return rule


def _peak(family: str) -> Callable[[Report], Any]:
    """Return what reads the GB that a picture of the guides' size took on a card."""

    def rule(found: Report) -> Any:
        whole = _is(found, family) and found["model"].get("memory") == "resident"
        return _figure(found, "peak_gb", side=GUIDES_SIDE[family]) if whole else None

    return rule


def _seconds(family: str, card: str) -> Callable[[Report], Any]:
    """Return what reads the seconds of a picture of the guides' size on the guides' card."""

    def rule(found: Report) -> Any:
        theirs = _is(found, family) and card in str(found.get("card"))
        return _figure(found, "seconds", side=GUIDES_SIDE[family]) if theirs else None

    return rule


def _is(found: Report, family: str) -> bool:
    return found["model"].get("family") == family


def _figure(found: Report, name: str, **more: Any) -> Any:
    """Return a figure of a row whose weights were learned, and which was taken with `more`."""
    for row in report.rows(found):
        held = row.get("figures") or {}
        fits = all(held.get(key) == value for key, value in more.items())
        if name in held and fits and row["verdict"] != RANDOM:
            return held[name]
    return None


RULES: Mapping[str, Callable[[Report], Any]] = {
    "memory-2.2": _peak("2.2"),
    "memory-3": _peak("3"),
    "service-vram": _peak("2.2"),
    "compare-memory": _peak("3"),
    "seconds-2.2-3090": _seconds("2.2", "RTX 3090"),
    "seconds-2.2-4090": _seconds("2.2", "RTX 4090"),
    "seconds-3-3090": _seconds("3", "RTX 3090"),
    "seconds-3-4090": _seconds("3", "RTX 4090"),
    "languages-mini": _languages("2.2", bundled=True),
    "languages-2.2": _languages("2.2", bundled=False),
}
