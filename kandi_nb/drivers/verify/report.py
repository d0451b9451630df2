"""The folder that a verification leaves: `report.json`, and `report.html` with the pictures.

Neither holds a path, a name or a prompt of the user, so that both can be sent to others.
"""

from __future__ import annotations

import html
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...pictures.result import package_versions
from ...words.errors import KandiError
from ...words.files import write
from .rows import ABSENT, KEPT, WRONG

JSON, PAGE = "report.json", "report.html"
SCHEMA = 2
_COLOURS = {KEPT: "#1a7f37", WRONG: "#b42318", ABSENT: "#57606a"}
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;
padding:.35em .6em;border-bottom:1px solid #d0d7de}img{image-rendering:pixelated;height:128px;
margin:2px}.verdict{font-weight:600;white-space:nowrap}"""


def about(model: Mapping[str, Any], quick: bool) -> dict[str, Any]:
    """Return what a report says of itself: the model's facts, the machine, the versions."""
    return {
        "schema": SCHEMA,
        "model": dict(model),
        "quick": quick,
        "machine": f"{platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}",
        "versions": package_versions(),
    } | ({"card": card} if (card := _card(model)) else {})


def _card(model: Mapping[str, Any]) -> str:
    """Return the name of the card that a model lies on, nothing elsewhere."""
    if model.get("device") != "cuda":
        return ""
    import torch

    return torch.cuda.get_device_name()


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report of a folder, empty if there is none; KandiError for a broken one."""
    file = folder / JSON
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text("utf-8"))
        assert isinstance(found, dict) and isinstance(found["checks"], dict)
    except (ValueError, KeyError, AssertionError, RecursionError):
        raise KandiError(f"{file} is no report; move it away, or name another folder") from None
    return found


def save(folder: Path, report: Mapping[str, Any]) -> None:
    """Write both files, each whole or not at all."""
    text = json.dumps(report, ensure_ascii=False, indent=1)
    write(folder / JSON, text.encode(), overwrite=True)
    write(folder / PAGE, page(report).encode(), overwrite=True)


def rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of all checks, in their order."""
    return [row for check in report["checks"].values() for row in check]


def verdict(found: Sequence[Mapping[str, Any]]) -> str:
    """Say in one line what became of all rows."""
    wrong = [row["what"] for row in found if row["verdict"] == WRONG]
    kept = sum(row["verdict"] == KEPT for row in found)
    told = sum(row["verdict"] in (KEPT, WRONG) for row in found)
    line = f"{kept} of {told} as promised, {len(found) - told} cannot be told here"
    return f"{line}; wrong: {', '.join(wrong)}" if wrong else line


def page(report: Mapping[str, Any]) -> str:
    """Return the report as one HTML page; its pictures lie beside it."""
    found = rows(report)
    facts = {**report["model"], "machine": report["machine"], **report["versions"]}
    told = ", ".join(f"{name} {_fact_text(value)}" for name, value in facts.items())
    body = "".join(map(_line, found))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>kandi-nb verify</title>'
        f"<style>{_STYLE}</style><h1>Does this model work here as promised?</h1>"
        f"<p><strong>{html.escape(verdict(found))}</strong></p><p>{html.escape(told)}</p>"
        "<table><thead><tr><th>check<th>what<th>expected<th>seen<th>verdict</tr></thead>"
        f"<tbody>{body}</tbody></table></html>\n"
    )


def _fact_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{text} ({name})" for name, text in value.items())
    return str(value)


def _line(row: Mapping[str, Any]) -> str:
    pictures = "".join(
        f'<img src="{html.escape(name)}" alt="{html.escape(row["what"])}">'
        for name in row["pictures"]
    )
    cells = "".join(
        f"<td>{html.escape(row[name])}" for name in ("check", "what", "expected", "seen")
    )
    colour = _COLOURS.get(row["verdict"], "#9a6700")
    return (
        f'<tr>{cells}{"<br>" if pictures else ""}{pictures}<td class="verdict" '
        f'style="color:{colour}">{html.escape(row["verdict"])}</tr>'
    )
