"""What is to be learned: pictures with a caption each, from a folder or from lists."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...pictures.inputs import fingerprint
from ...pictures.reading.rows import rows
from ...words.errors import KandiError, quote, warn
from ...words.fields import readable
from ...words.files import beside, expand_path, refuse_device

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
# Tables of captions, the names that other trainers have for them included.
_TABLES = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
_FILE = ("file", "file_name", "image", "picture")
_CAPTION = ("caption", "text", "prompt")
_NAMED = 5  # files that a message names
_SYSTEM = {"thumbs.db", "desktop.ini"}  # what systems leave in folders


@dataclass(frozen=True)
class Example:
    """Hold a picture, upright 8-bit RGB, the text that describes it, and its file's name."""

    picture: Image
    caption: str
    name: str

    @property
    def mark(self) -> str:
        """Return the SHA-256 of the picture."""
        return fingerprint(self.picture)


def read_dataset(pictures: Any, captions: Any = None) -> list[Example]:
    """Return pictures with their captions; raise KandiError where either is missing.

    `pictures` is a folder, a Result, or a list of what `kn.edit` takes for a picture.
    `captions` is a list of texts in their order, or one text for all; a folder has them in
    captions.jsonl ({"file": …, "caption": …} a line), captions.csv (columns file and caption),
    or one .txt file beside each picture. One picture alone is allowed, with a warning.
    """
    if isinstance(pictures, (str, os.PathLike)):
        examples = _of_folder(expand_path(pictures), captions)
    else:
        examples = _of_list(getattr(pictures, "images", pictures), captions)
    if not examples:
        raise KandiError("there are no pictures to learn from; give at least a dozen")
    if len(examples) == 1:
        warn("one picture is little to learn from: it will be learned by heart; give a dozen")
    return examples


def _of_list(pictures: Any, captions: Any) -> list[Example]:
    if not isinstance(pictures, (list, tuple)):
        raise KandiError(
            f"teach takes a folder or a list of pictures with captions, not {quote(pictures)}"
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
        raise KandiError(f"captions are a list of texts, or one for all, not {quote(captions)}")
    if len(texts) != len(pictures):
        raise KandiError(
            f"{len(texts)} captions do not go with {len(pictures)} pictures; give one for each"
        )
    names = [f"picture {n}" for n in range(1, len(pictures) + 1)]
    _check_captions(dict(zip(names, texts, strict=True)))
    return [
        Example(picture(each, name), _one_line(text), name)
        for each, text, name in zip(pictures, texts, names, strict=True)
    ]


def _of_folder(folder: Path, captions: Any) -> list[Example]:
    if not folder.is_dir():
        raise KandiError(f"there is no folder {folder}; check the path")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
    files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise KandiError(
            f"{folder} holds no pictures; endings that are read: {', '.join(ENDINGS)}"
        )
    if captions is not None:
        texts: dict[Path, str] = {}
        read: Collection[Path] = ()
        examples = _of_list(files, captions)
        examples = [
            Example(each.picture, each.caption, path.name)
            for each, path in zip(examples, files, strict=True)
        ]
    else:
        texts, read = _captions_of(folder, files)
        _check_captions({path.name: texts.get(path) for path in files})
        examples = [
            Example(picture(path, "the picture"), texts[path], path.name) for path in files
        ]
    _name_left_out(folder, {*files, *read}, [path.name for path in texts if path not in files])
    return examples


def _name_left_out(folder: Path, read: Collection[Path], unread: Collection[str]) -> None:
    """Warn of what stands in a folder and is not read, and of captions of such files."""
    there = (path.name for path in sorted(folder.iterdir()) if path not in read)
    names = [n for n in there if not n.startswith(".") and n.lower() not in _SYSTEM]
    names += [name for name in unread if name not in names]
    if names:
        warn(
            f"left out of {folder}: {_enumeration(names)}; read are pictures "
            f"({', '.join(ENDINGS)}), one table of captions, or a .txt beside each"
        )


def _enumeration(names: Collection[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(list(names)[:_NAMED])}{more}"


def _check_captions(captions: Mapping[str, Any]) -> None:
    """Raise KandiError, which names the pictures, where captions are missing or no text."""
    missing = (
        [name for name, text in captions.items() if not (text or "").strip()]
        if all(text is None or isinstance(text, str) for text in captions.values())
        else []
    )
    for name, text in captions.items():
        if text is not None and not isinstance(text, str):
            raise KandiError(f"the caption of {name} is a text, not {quote(text)}")
        if text:
            readable(f"the caption of {name}", text)
    if missing:
        raise KandiError(
            f"captions are missing for {_enumeration(missing)}; write them into "
            "captions.jsonl, captions.csv, or a .txt file beside each picture"
        )


def _captions_of(
    folder: Path, files: Collection[Path]
) -> tuple[dict[Path, str], Collection[Path]]:
    """Return picture → caption, and the files that say it.

    They are the folder's table, else texts beside the pictures.
    """
    tables = [folder / name for name in _TABLES if (folder / name).exists()]
    if tables:
        # Some systems take é of one and of two characters for the same name.
        known = {unicodedata.normalize("NFC", path.name): path for path in files}
        found = _read_table(tables[0]).items()
        names = [(unicodedata.normalize("NFC", path.name), path, text) for path, text in found]
        return (
            {
                known.get(name, path) if path.parent == folder else path: text
                for name, path, text in names
            },
            {tables[0]},
        )
    texts = {path: path.with_suffix(".txt") for path in files}
    texts = {path: text for path, text in texts.items() if text.exists()}
    return {
        path: _one_line(_read_caption(text)) for path, text in texts.items()
    }, texts.values()


def _read_table(path: Path) -> dict[Path, str]:
    captions: dict[Path, str] = {}
    for number, row in rows(path, only=(*_FILE, *_CAPTION)):
        file, caption = (
            next((row[n] for n in names if row.get(n)), None) for names in (_FILE, _CAPTION)
        )
        if not isinstance(file, str) or not isinstance(caption, str):
            raise KandiError(
                f"{path.name}, row {number}, needs a file and a caption: "
                '{"file": "snowman-01.png", "caption": "a snowman in space"}'
            )
        there = beside(path.parent, file)
        if not there.exists():
            raise KandiError(
                f"{path.name}, row {number}, has a caption for {quote(file)}, but there is no "
                "such picture"
            )
        caption = _one_line(caption)
        if captions.setdefault(there, caption) != caption:
            raise KandiError(f"{path.name} has two captions for {file}; leave one")
    return captions


def _one_line(caption: str) -> str:
    return " ".join(caption.split())


def _read_caption(path: Path) -> str:
    try:
        refuse_device(path, path, "a text")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KandiError(f"{path} cannot be read ({error}); save it as UTF-8") from None
