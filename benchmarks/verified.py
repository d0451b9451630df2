"""Write the example reports of docs: what `kn.verify` says of each bundled model.

    python benchmarks/verified.py                 # all three; minutes
    python benchmarks/verified.py mini-2.2

Each becomes a page, docs/verify-<model>.md, and one sheet of the report's pictures beside it.
The time beside plain diffusers is processor time: run it on an idle machine all the same.
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from datetime import date
from pathlib import Path
from typing import Any

from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.verify import report
from kandi_nb.drivers.verify.verify import COLUMNS

DOCS = Path(__file__).parent.parent / "docs"
MODELS = ("mini-2.2", "mini-2.1", "mini-3")
SIDE, ACROSS = 64, 12  # pixels of a picture on the sheet, pictures in a row


def page(model: str, found: dict[str, Any]) -> str:
    """Return the report as a page of docs."""
    rows = report.rows(found)
    about = {"machine": found["machine"], **found["versions"]}
    facts = ", ".join(f"{name} {value}" for name, value in about.items())
    head = [
        f"# What `kandi-nb verify {model}` says",
        f"An example of [a report](published.md#does-it-work-here-as-promised), of "
        f"{date.today():%Y-%m-%d}, written by `python benchmarks/verified.py`. The command "
        "itself writes `report.html`, with the pictures beside their rows, and `report.json`.",
        f"**{report.verdict(rows)}.** {facts}; on {found['model']['device']} in "
        f"{found['model']['dtype']}.",
        f"![The pictures of the report, in the order of its rows](verify-{model}.png)",
    ]
    words = {"break_long_words": False, "break_on_hyphens": False}
    lines = ["\n\n".join(textwrap.fill(part, 96, **words) for part in head), ""]
    lines += ["| check | what | expected | seen | verdict |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (row[name].replace("|", "\\|") for name in COLUMNS)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sheet(folder: Path, found: dict[str, Any]) -> Image.Image:
    """Return the pictures of all rows on one sheet, each as high as `SIDE` at most."""
    names = [name for row in report.rows(found) for name in row["pictures"]]
    small = []
    for name in names:
        with Image.open(folder / name) as picture:
            small.append(picture.convert("RGB"))
            small[-1].thumbnail((2 * SIDE, SIDE), Image.Resampling.LANCZOS)
    rows = [small[n : n + ACROSS] for n in range(0, len(small), ACROSS)]
    width = max(sum(one.width + 2 for one in row) for row in rows)
    whole = Image.new("RGB", (width, len(rows) * (SIDE + 2)), "white")
    for number, row in enumerate(rows):
        left = 0
        for one in row:
            whole.paste(one, (left, number * (SIDE + 2)))
            left += one.width + 2
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, help="default: all three")
    for model in parser.parse_args().models:
        with tempfile.TemporaryDirectory() as folder:
            kn.verify(model, folder, device="cpu", progress=print)
            found = report.read_report(Path(folder))
            sheet(Path(folder), found).save(DOCS / f"verify-{model}.png", optimize=True)
            text = page(model, found)
        (DOCS / f"verify-{model}.md").write_text(text, encoding="utf-8")
        print(report.verdict(report.rows(found)))


if __name__ == "__main__":
    main()
