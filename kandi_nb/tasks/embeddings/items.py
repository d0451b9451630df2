"""What can be mixed and embedded: texts, Params, pictures, embeddings, or a list of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from ...pictures.images import KINDS, open_source, picture
from ...pictures.inputs import fingerprint
from ...pictures.pixels import is_result
from ...words.embedding import Embedding, as_embedding
from ...words.errors import KandiError, quote, warn
from ...words.fields import FIELDS, readable
from ...words.files import expand_path
from ...words.params import Params

if TYPE_CHECKING:
    from PIL.Image import Image

    Item = Union[Params, Embedding, Image]  # noqa: UP007

_KNOWN_ENDINGS = "png jpe?g webp gif bmp tiff? avif heic safetensors"
_FILE_NAME = re.compile(
    rf"(~?/|\.\.?[/\\]|[a-z]:[/\\]|\\\\).*"  # begins like a path
    rf"|.*\S\.({_KNOWN_ENDINGS.replace(' ', '|')})"  # ends like a picture
    rf"|\S+\.(?=\d*[a-z])[a-z0-9]{{2,5}}",  # a word with any ending, a mistyped one
    re.IGNORECASE | re.DOTALL,
)


def gather(items: Any, user: str, params: Params | None = None) -> list[Item]:
    """Return one item or a list of them, each as Params, a picture or an embedding of one row.

    A text becomes Params with the prior settings of `params`. Files are opened; messages name
    the `user`, such as "embed". Raises KandiError for an empty list and for what is no item.
    """
    several = isinstance(items, (list, tuple))
    every = [
        one for item in (items if several else [items]) for one in _each(item, user, params)
    ]
    if not every:
        raise KandiError(f"{user} got an empty list; give at least one text or picture")
    return every


def _each(item: Any, user: str, params: Params | None) -> Iterator[Item]:
    """Yield what one item stands for: an embedding has rows, a Result pictures."""
    if isinstance(item, Params):
        if item.prompt is None:
            raise KandiError(f'{user} needs a prompt: Params("a red fox in space")')
        yield item
    elif isinstance(item, Embedding):
        yield from item
    elif isinstance(item, str):
        yield from _text_or_file(item, user, params)
    elif isinstance(item, os.PathLike):
        yield from _file(Path(item), user)
    elif is_result(item):
        yield from (open_source(each, user) for each in item.images)
    elif type(item).__module__.partition(".")[0] == "torch" and item.ndim in (1, 2):
        yield from as_embedding(item, f"an item of {user}")
    else:
        yield _picture(item, user)


def _text_or_file(text: str, user: str, params: Params | None) -> Iterator[Item]:
    readable(f"the text for {user}", text)
    if not text.strip():
        raise KandiError(f"{user} got an empty text; say what a picture shows")
    if not looks_like_a_file(text):
        yield Params(text) if params is None else text_item(params, text)
        return
    path = expand_path(text)
    if not path.exists():
        raise KandiError(
            f"there is no file {quote(text)}; check the name, or say that it is text: "
            f"kn.Params({quote(text)})"
        )
    yield from _file(path, user)


def text_item(params: Params, text: str) -> Params:
    """Return the params for a text that is one item among others, which has no negative."""
    return params.replace(prompt=text, negative=None, count=1)


def warn_about_idle(items: Iterable[Item], user: str) -> None:
    """Warn once of what Params say that does not change an embedding, and might be meant to.

    What the decoder reads is for later: the same Params go on to it.
    """
    given = [item for item in items if isinstance(item, Params)]
    idle = [
        name
        for name in ("negative", "count")
        if any(getattr(run, name) != FIELDS[name].default for run in given)
    ]
    if idle:
        warn(f"{user} does not use {', '.join(idle)}; left out")


def looks_like_a_file(text: str) -> bool:
    """Tell whether a text is written as the name of a file is, whether or not there is one.

    >>> looks_like_a_file("fox.png"), looks_like_a_file("a fox, 2.5 m long.")
    (True, False)
    """
    return _FILE_NAME.fullmatch(text.strip()) is not None


def _file(path: Path, user: str) -> Iterator[Item]:
    if path.suffix.lower() == ".safetensors":
        yield from Embedding.load(path)
    else:
        yield _picture(path, user)


def _picture(source: Any, user: str) -> Image:
    """Return a picture that knows the name of its file."""
    if (
        not isinstance(source, (os.PathLike, bytes, bytearray, memoryview))
        and not hasattr(source, "__array_interface__")
        and not hasattr(source, "shape")
    ):
        raise KandiError(
            f"{user} takes texts, Params, embeddings and pictures ({KINDS}), not "
            f"{quote(source)}"
        )
    read = picture(source, f"{user}'s picture")
    name: Any = source if isinstance(source, os.PathLike) else getattr(source, "filename", "")
    if name:
        read.info["file"] = re.split(r"[\\/]", str(name))[-1]
    return read


def item_names(items: list[Item]) -> tuple[str, ...]:
    """Return a name for each item: its text, its file, or its place among the pictures."""
    nameless = [n for n, item in enumerate(items) if _name(item) is None]
    count = {
        n: f"picture {i}" if len(nameless) > 1 else "picture" for i, n in enumerate(nameless, 1)
    }
    return tuple(_name(item) or count[n] for n, item in enumerate(items))


def _name(item: Item) -> str | None:
    if isinstance(item, Embedding):
        return item.names[0]
    return item.prompt if isinstance(item, Params) else item.info.get("file")


def picture_recipe(item: Image) -> dict[str, Any]:
    """Return what a recipe says of a picture that was embedded."""
    known = {"file": item.info["file"]} if "file" in item.info else {}
    return {"picture": fingerprint(item), "size": list(item.size), **known}
