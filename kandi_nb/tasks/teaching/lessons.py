"""What is to be learned: pictures with a caption each, from a folder or from lists."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...pictures.inputs import fingerprint
from ...words.errors import KandiError, shortened, shown, warn
from ...words.fields import readable
from ...words.files import expanded

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
# Tables of captions, the names that other trainers have for them included.
_TABLES = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
_FILE = ("file", "file_name", "image", "picture")
_CAPTION = ("caption", "text", "prompt")
_NAMED = 5  # pictures without a caption that a message names


@dataclass(frozen=True)
class Lesson:
    """Hold a picture, upright 8-bit RGB, the text that describes it, and its file's name."""

    picture: Image
    caption: str
    name: str

    @property
    def mark(self) -> str:
        """Return the SHA-256 of the picture."""
        return fingerprint(self.picture)


def lessons_of(pictures: Any, captions: Any = None) -> list[Lesson]:
    """Return pictures with their captions; raise KandiError where either is missing.

    `pictures` is a folder, a Result, or a list of what `kn.edit` takes for a picture.
    `captions` is a list of texts in their order, or one text for all; a folder has them in
    captions.jsonl ({"file": …, "caption": …} a line), captions.csv (columns file and caption),
    or one .txt file beside each picture. One picture alone is allowed, with a warning.
    """
    if isinstance(pictures, (str, os.PathLike)):
        lessons = _of_folder(expanded(pictures), captions)
    else:
        lessons = _of_list(getattr(pictures, "images", pictures), captions)
    if not lessons:
        raise KandiError("there are no pictures to learn from; give at least a dozen")
    if len(lessons) == 1:
        warn("one picture is little to learn from: it will be learned by heart; give a dozen")
    return lessons


def _of_list(pictures: Any, captions: Any) -> list[Lesson]:
    if not isinstance(pictures, (list, tuple)):
        raise KandiError(
            f"teach takes a folder or a list of pictures with captions, not {shown(pictures)}"
        )
    if captions is None:
        captions = [getattr(each, "info", {}).get("caption") for each in pictures]
        if not pictures or None in captions:
            raise KandiError(
                'pictures need captions: kn.teach(k, pictures, ["a snowman in space", …])'
                if pictures
                else "there are no pictures to learn from; give at least a dozen"
            )
    texts = [captions] * len(pictures) if isinstance(captions, str) else captions
    if not isinstance(texts, (list, tuple)):
        raise KandiError(f"captions are a list of texts, or one for all, not {shown(captions)}")
    if len(texts) != len(pictures):
        raise KandiError(
            f"{len(texts)} captions do not go with {len(pictures)} pictures; give one for each"
        )
    names = [f"picture {n}" for n in range(1, len(pictures) + 1)]
    _check_captions(dict(zip(names, texts, strict=True)))
    return [
        Lesson(picture(each, name), text.strip(), name)
        for each, text, name in zip(pictures, texts, names, strict=True)
    ]


def _of_folder(folder: Path, captions: Any) -> list[Lesson]:
    if not folder.is_dir():
        raise KandiError(f"there is no folder {folder}; check the path")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
    files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise KandiError(
            f"{folder} holds no pictures; endings that are read: {', '.join(ENDINGS)}"
        )
    if captions is not None:
        lessons = _of_list(files, captions)
        return [
            Lesson(each.picture, each.caption, path.name)
            for each, path in zip(lessons, files, strict=True)
        ]
    texts = _captions_of(folder, files)
    _check_captions({path.name: texts.get(path.name) for path in files})
    strange = [name for name in texts if not (folder / name).exists()]
    if strange:
        raise KandiError(f"{folder} has a caption for {strange[0]}, but no such picture")
    return [
        Lesson(picture(path, "the picture"), texts[path.name].strip(), path.name)
        for path in files
    ]


def _check_captions(captions: Mapping[str, Any]) -> None:
    """Raise KandiError, which names the pictures, where captions are missing or no text."""
    missing = (
        [name for name, text in captions.items() if not (text or "").strip()]
        if all(text is None or isinstance(text, str) for text in captions.values())
        else []
    )
    for name, text in captions.items():
        if text is not None and not isinstance(text, str):
            raise KandiError(f"the caption of {name} is a text, not {shown(text)}")
        if text:
            readable(f"the caption of {name}", text)
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise KandiError(
            f"captions are missing for {', '.join(missing[:_NAMED])}{more}; write them into "
            "captions.jsonl, captions.csv, or a .txt file beside each picture"
        )


def _captions_of(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """Return file name → caption, of the folder's table, else of texts beside the pictures."""
    tables = [folder / name for name in _TABLES if (folder / name).exists()]
    if tables:
        return _read_table(tables[0])
    texts = {}
    for path in files:
        beside = path.with_suffix(".txt")
        if beside.exists():
            texts[path.name] = _text(beside).strip()
    return texts


def _read_table(path: Path) -> dict[str, str]:
    lines = _text(path).splitlines()
    if path.suffix == ".jsonl":
        rows = [_json(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    else:
        rows = list(csv.DictReader(lines))
    captions = {}
    for number, row in enumerate(rows, 1):
        file, caption = (
            next((row[n] for n in names if row.get(n)), None) for names in (_FILE, _CAPTION)
        )
        if not isinstance(file, str) or not isinstance(caption, str):
            raise KandiError(
                f"{path.name}, entry {number}, needs a file and a caption: "
                '{"file": "snowman-01.png", "caption": "a snowman in space"}'
            )
        if file in captions and captions[file] != caption:
            raise KandiError(f"{path.name} has two captions for {file}; leave one")
        captions[file] = caption
    return captions


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise KandiError(
            f"{path.name}, line {number}, is no JSON ({shortened(str(error), 80)}); mend it"
        ) from None
    if not isinstance(row, dict):
        raise KandiError(f"{path.name}, line {number}, is no JSON object; mend it")
    return row


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KandiError(f"{path} cannot be read ({error}); save it as UTF-8") from None
