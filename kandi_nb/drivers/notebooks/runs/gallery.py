"""What is left of runs: one HTML file of all pictures, newest run first, and a JUnit report."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as xml

from ....words.files import write
from ....words.params import Params
from .pictures import Picture, pictures

if TYPE_CHECKING:
    from .headless import NotebookRun

__all__ = ["Picture", "junit", "pictures", "write_gallery"]

SHOWN_AT_LEAST = 192  # pixels: small pictures are enlarged, pixel by pixel

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff9d94; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h2 { border-bottom: 1px solid #8886; margin-top: 2.5rem; overflow-wrap: anywhere; }
.failed { color: var(--bad); overflow-wrap: anywhere; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
figcaption, .kind { font-size: .8rem; max-width: 16rem; overflow-wrap: anywhere; }
summary { cursor: pointer; list-style: none; }
summary:focus-visible, a:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
pre { max-width: 40rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; }
img.large { image-rendering: auto; }
.other img { outline: 2px dashed #888c; outline-offset: -2px; }
"""

# Nothing is loaded and nothing runs, whatever a prompt or a notebook may have smuggled in.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_SECTION = re.compile(r"<!--notebook (.*?)-->\n(.*?)\n<!--/notebook-->", re.DOTALL)


@dataclass
class _Section:
    """One notebook's part of the page; `figures` are of the last run that went well."""

    notebook: str
    ok: bool
    count: int
    reason: str
    time: str
    drawn: str  # when the pictures were made
    kept: bool = False  # from a run before this one, which failed
    figures: str = ""
    executed: str | None = None  # link to the executed copy


def write_gallery(runs: Sequence[NotebookRun], path: Path, *, merge: bool = False) -> Path:
    """Write the pictures of all runs into one HTML file and return its path.

    An older gallery of that name is replaced. `merge` keeps its notebooks that did not run
    now, below, and the last good pictures of one that failed. Raises KandiError if it cannot
    be written.
    """
    if not merge:
        return _write_page(_sections(runs, {}, path), path)
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):  # two runs may end at once
        older = _read_sections(path)
        sections = _sections(runs, older, path)
        now = {section.notebook for section in sections}
        # What somebody deleted should not live on in the gallery.
        kept = [s for s in older.values() if (path.parent / s.notebook).is_dir()]
        return _write_page([*sections, *(s for s in kept if s.notebook not in now)], path)


def _sections(
    runs: Sequence[NotebookRun], older: dict[str, _Section], path: Path
) -> list[_Section]:
    now = datetime.now().strftime("%Y-%m-%d %H:%M")
    sections = []
    for run in runs:
        section = _Section(
            run.notebook, run.ok, 0, run.reason, now, now, executed=_link(run.executed, path)
        )
        before = older.get(run.notebook)
        if not run.ok and before and before.count and (before.ok or before.kept):
            section.figures, section.count = before.figures, before.count
            section.drawn, section.kept = before.drawn, True
        else:
            images = pictures(run)
            section.count = len(images)
            section.figures = "\n".join(_figure(picture, path) for picture in images)
        sections.append(section)
    return sections


def _read_sections(path: Path) -> dict[str, _Section]:
    """Return the sections of an older gallery, none if there is none that can be read."""
    try:
        page = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    sections = {}
    for head, body in _SECTION.findall(page):
        with suppress(ValueError, TypeError):
            section = _Section(**json.loads(head), figures=_figures_of(body))
            sections[section.notebook] = section
    return sections


def _figures_of(body: str) -> str:
    _, _, figures = body.partition('<div class="pictures">')
    return figures.rpartition("</div>")[0]


def _write_page(sections: list[_Section], path: Path) -> Path:
    contents = "\n".join(_line(section) for section in sections)
    body = "\n".join(map(_html, sections))
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>kandi_nb gallery</title><style>{STYLE}</style></head>\n"
        "<body><header><h1>Pictures of the notebooks</h1>\n"
        "<p>Click a picture for its recipe and the call that draws it again. A dashed frame "
        "marks what no model drew: painted, plotted or computed pictures.</p>\n"
        f'<nav aria-label="Contents"><ul>\n{contents}\n</ul></nav></header>\n'
        f"<main>\n{body}\n</main>\n</body></html>\n"
    )
    # A prompt may hold half of a character, which no file can.
    return write(path, page.encode("utf-8", "xmlcharrefreplace"), overwrite=True)


def _line(section: _Section) -> str:
    state = f", {_state(section)}" if section.reason else ""
    return (
        f'<li><a href="#{_anchor(section)}">{html.escape(section.notebook)}</a>: '
        f"{section.count} pictures{state}, {section.time}</li>"
    )


def _state(section: _Section) -> str:
    """Return how it ended where something stands in its way: only what is skipped is ok."""
    return "skipped" if section.ok else "failed"


def _anchor(section: _Section) -> str:
    return quote(section.notebook, safe="")


def _html(section: _Section) -> str:
    values = {name: value for name, value in vars(section).items() if name != "figures"}
    head = json.dumps(values).replace("-", "\\u002d").replace(">", "\\u003e")  # ends no comment
    title = html.escape(section.notebook)
    state = ""
    if section.reason:
        reason = html.escape(section.reason)
        state = f'<p class="{_state(section)}">{_state(section)}: {reason}</p>\n'
        if section.kept:
            state += f"<p>The pictures are of the last good run, {section.drawn}.</p>\n"
    link = ""
    if section.executed:
        link = f' · <a href="{html.escape(section.executed)}">executed notebook</a>'
    return (
        f"<!--notebook {head}-->\n"
        f'<section id="{_anchor(section)}"><h2>{title}</h2>\n<p>{section.time}{link}</p>\n'
        f'{state}<div class="pictures">{section.figures}</div></section>\n<!--/notebook-->'
    )


def _figure(picture: Picture, page: Path) -> str:
    scale = max(1, -(-SHOWN_AT_LEAST // max(picture.width, picture.height)))
    large = "" if scale > 1 else ' class="large"'
    source = base64.b64encode(picture.png).decode("ascii")
    image = (
        f'<img{large} src="data:image/png;base64,{source}" alt="{html.escape(picture.alt)}" '
        f'width="{picture.width * scale}" height="{picture.height * scale}">'
    )
    link = _link(picture.file, page)
    link = f' · <a href="{html.escape(link)}">file</a>' if link else ""
    caption = f'<figcaption dir="auto">{html.escape(picture.caption)}{link}</figcaption>'
    if picture.recipe is None:
        kind = '<div class="kind">no recipe: painted, plotted or computed</div>'
        return f'<figure class="other">{image}{caption}{kind}</figure>'
    details = json.dumps(picture.recipe, ensure_ascii=False, indent=1)
    return (
        f"<figure><details><summary>{image}</summary><pre>{html.escape(_call(picture))}</pre>"
        f"<pre>{html.escape(details)}</pre></details>{caption}</figure>"
    )


def _call(picture: Picture) -> str:
    """Return the Python that draws a picture with a recipe again."""
    made = picture.recipe or {}
    if made.get("task") == "generate":
        with suppress(Exception):
            params = Params.from_dict(made["params"])
            return f"k = kn.load({made['model']!r})\nkn.generate(k, kn.{params!r})"
    return f"kn.replay({str(picture.file)!r})" if picture.file else "kn.replay(path)"


def _link(file: Path | None, page: Path) -> str | None:
    """Return a file's address as seen from the page, which may be moved with its folder."""
    if file is None:
        return None
    try:
        relative = os.path.relpath(Path(file).resolve(), page.parent.resolve())
    except ValueError:  # another drive
        return None
    return quote(Path(relative).as_posix())


def junit(runs: Sequence[NotebookRun]) -> bytes:
    """Return a JUnit report with one test case a notebook, times in seconds."""
    failures, skipped = sum(not run.ok for run in runs), sum(run.skipped for run in runs)
    seconds = f"{sum(run.seconds for run in runs):.3f}"
    counts = {"tests": str(len(runs)), "failures": str(failures), "errors": "0"}
    counts["skipped"] = str(skipped)
    root = xml.Element("testsuites", {**counts, "time": seconds})
    suite = xml.SubElement(root, "testsuite", {"name": "notebooks", **counts, "time": seconds})
    for run in runs:
        case = {"classname": "notebooks", "name": _for_xml(run.notebook)}
        element = xml.SubElement(suite, "testcase", {**case, "time": f"{run.seconds:.3f}"})
        if not run.ok:
            failure = xml.SubElement(element, "failure", {"message": _for_xml(run.reason)})
            failure.text = _for_xml(f"{run.reason}{run.where_to_look}")
        elif run.skipped:
            xml.SubElement(element, "skipped", {"message": _for_xml(run.reason)})
    return xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _for_xml(text: str) -> str:
    """Return the text without the control characters that XML cannot hold, even escaped."""
    return "".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text).encode(
        "utf-8", "replace"
    ).decode("utf-8")  # fmt: skip
