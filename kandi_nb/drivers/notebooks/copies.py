"""Keep working copies of the notebooks, so that the originals stay as they were pulled.

The folder of copies looks like the clone: notebooks, README, the pages that it links to, and
room for outputs. So every link of a notebook leads somewhere, and its pictures land in there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...words.files import writable, write
from .reading.messages import translate

WORK = "work"  # beside the notebooks folder; git ignores it
RECORD = ".copies.json"  # relative path → what was copied, and how the copy looked


def working_copies(
    originals: Path, work: Path, *, fresh: bool = False, language: str = "en"
) -> list[str]:
    """Bring the copies in `work` up to date and return what there is to say, a line each.

    A copy is renewed when its original changed and the user did not touch it; one that the
    user changed is kept as it is. With `fresh` a folder of copies that were changed, run or
    joined by others is moved aside first. In another `language` the prose is translated, as far
    as it is there. Raises KandiError when `work` cannot be written to.
    """
    writable(work)
    name = originals.name
    sources = {
        f"{name}/{path.relative_to(originals).as_posix()}": path for path in _files(originals)
    }
    said = _set_aside(work / name, originals) if fresh else []
    record = _read_record(work / RECORD)
    for path in _pages(originals.parent):
        sources[path.relative_to(originals.parent.resolve()).as_posix()] = path
    for place in record.keys() - sources.keys():  # the workbook has it no longer
        _forget(work / place, record.pop(place))
    for place, source in sources.items():
        data = translate(source, originals, language)
        said += _bring(data, work / place, record, place)
    write(work / RECORD, json.dumps(record, indent=1).encode("utf-8"), overwrite=True)
    return said


def _bring(data: bytes, copy: Path, record: dict, place: str) -> list[str]:
    """Write or renew one copy, unless the user changed it."""
    entry = {"original": _digest(data), "copy": _digest(_own_text(copy, data))}
    known = record.get(place)
    if not copy.exists():
        write(copy, data)
        record[place] = entry
        return []
    now = _digest(_own_text(copy, copy.read_bytes()))
    if now == entry["copy"] and known is None:  # an earlier call was killed before its record
        record[place] = entry
        return []
    if known is None:
        return [f"{copy} is not from here and stays; the workbook has one of that name"]
    if known["original"] == entry["original"]:
        return []
    if now != known["copy"]:
        return [f"{copy} is kept with your changes; a newer one is there: see --fresh"]
    write(copy, data, overwrite=True)
    record[place] = entry
    return [f"{copy} is renewed: the workbook has a newer one"]


def _forget(copy: Path, known: dict) -> None:
    """Remove a copy whose original is gone, unless the user changed it."""
    if copy.is_file() and _digest(_own_text(copy, copy.read_bytes())) == known["copy"]:
        copy.unlink()


def _set_aside(copies: Path, originals: Path) -> list[str]:
    """Move a folder of copies to the next free name, if anything in it is the user's."""
    if not copies.is_dir() or not any(
        _is_own(path, copies, originals) for path in _all(copies)
    ):
        return []
    number = 2
    while (aside := copies.with_name(f"{copies.name}-{number}")).exists():
        number += 1
    copies.rename(aside)  # at the same depth, where its links stay alive
    return [f"your copies are kept in {aside}"]


def _is_own(path: Path, copies: Path, originals: Path) -> bool:
    original = originals / path.relative_to(copies)
    return not original.is_file() or original.read_bytes() != path.read_bytes()


def _own_text(path: Path, data: bytes) -> bytes:
    """Return what somebody wrote into a file: of a notebook its cells, without outputs.

    To run a notebook is no change, nor is the empty cell that JupyterLab adds at its end.
    """
    if path.suffix != ".ipynb":
        return data
    try:
        cells = [
            (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(data)["cells"]
        ]
    except (ValueError, KeyError, TypeError):
        return data
    return json.dumps([cell for cell in cells if cell[1].strip()]).encode("utf-8")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_record(path: Path) -> dict[str, dict[str, str]]:
    """Return the record; a missing or broken one counts as empty, and so nothing is lost."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        record = json.loads(path.read_text(encoding="utf-8"))
        return {
            place: {"original": entry["original"], "copy": entry["copy"]}
            for place, entry in record.items()
        }
    return {}


def _all(folder: Path) -> Iterator[Path]:
    hidden = (".ipynb_checkpoints", "__pycache__")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part in hidden for part in path.parts):
            yield path


def _files(originals: Path) -> Iterator[Path]:
    """Yield the notebooks, their solutions, and what else lies beside them, but no outputs."""
    for path in _all(originals):
        if path.relative_to(originals).parts[0] != "outputs":
            yield path


def _pages(root: Path) -> list[Path]:
    """Return the README and every file of the clone that it links to, from page to page."""
    root = root.resolve()
    pages, waiting = [], [root / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in pages or not page.is_file() or root not in page.parents:
            continue
        pages.append(page)
        if page.suffix == ".md":
            waiting += _links(page)
    return [page for page in pages if page.suffix != ".ipynb"]


def _links(page: Path) -> list[Path]:
    text = page.read_text(encoding="utf-8", errors="replace")
    targets = re.findall(r"\]\(([^)\s#]+)", text)
    return [(page.parent / target).resolve() for target in targets if "://" not in target]
