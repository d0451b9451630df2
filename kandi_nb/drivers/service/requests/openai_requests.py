"""What OpenAI's clients and their kin send → our fields, the files, and how to answer.

Names that nobody here knows are ignored and told: such clients send what their own services
know.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....words.errors import KandiError, quote
from .bodies import form, is_json, json_object
from .settings import NAMES, from_form

if TYPE_CHECKING:
    from starlette.requests import Request

FORMATS = ("png", "jpeg", "webp")
_READ = ("prompt", "model", "n", "size", "response_format", "output_format",
         "output_compression", "background", "stream")  # fmt: skip
_IGNORED = ("quality", "style", "moderation", "user", "input_fidelity", "partial_images")
FIELDS = (*_READ, *_IGNORED)
_FILES = ("image", "mask")
_BY_ADDRESS = "dall-e"  # models of this name send addresses unless told otherwise
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_NUMBER = re.compile(r"[0-9]{1,8}")
_DATA = re.compile(r"data:[\w.+/-]*(?:;[\w=.-]+)*;base64,", re.ASCII)
_PLAIN = re.compile(r"[\w.\[\]-]{1,40}", re.ASCII)
_TOLD = 20  # names of ignored fields that a header has room for


@dataclass
class Wish:
    """Hold what a request asks for: our fields, its files, and how it wants to be answered.

    `size` is (width, height) where one was named, `alias` the name of elsewhere that was used
    for the model, `ignored` the names that mean nothing here.
    """

    fields: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    file_format: str = "png"
    quality: int = 100
    by_address: bool = False
    stream: bool = False
    alias: str | None = None
    ignored: tuple[str, ...] = ()


async def read_generation(request: Request, aliases: Collection[str]) -> Wish:
    """Return what a JSON object asks for; raise KandiError."""
    values = await json_object(request)
    return _wish(values, {}, aliases, [])


async def read_edit(request: Request, aliases: Collection[str]) -> Wish:
    """Return what a form or a JSON object with pictures in base64 asks for; raise KandiError.

    Of several pictures the first is edited; the others are told as ignored.
    """
    if is_json(request):
        limits = request.app.state.worker.limits
        values = await json_object(request, limits.body_bytes)
        parts = [
            *_picture_parts("image", values.pop("image", None), values.pop("images", None))
        ]
        parts += _picture_parts("mask", values.pop("mask", None))
        return _edit(values, parts, aliases, [])
    values, parts, ignored = {}, [], []
    for sent, value in await form(request):
        name = sent.removesuffix("[]")
        if name in _FILES:
            if isinstance(value, str):
                value = _decode_base64(name, value)
            parts.append((name, value))
        elif isinstance(value, bytes):
            ignored.append(name)
        elif name in values:
            raise KandiError(f"{quote(name)} is given twice; give it once", about=name)
        else:
            values[name] = from_form(name, value)
    for name in ("output_compression", "partial_images"):
        values[name] = _digits(values.get(name))
    return _edit(values, parts, aliases, ignored)


def _edit(
    values: dict[str, Any],
    parts: Sequence[tuple[str, bytes]],
    aliases: Collection[str],
    ignored: list[str],
) -> Wish:
    files = {name: data for name, data in reversed(parts)}  # the first of each
    if "image" not in files:
        raise KandiError(
            "image is missing: send a picture's file, -F image=@fox.png", about="image"
        )
    sent = [name for name, _ in parts]
    if sent.count("mask") > 1:
        raise KandiError("mask is given twice; give it once", about="mask")
    others = [f"image[{number}]" for number in range(1, sent.count("image"))]
    ignored = [*others, *ignored]
    return _wish(values, files, aliases, ignored)


def _picture_parts(name: str, *sources: Any) -> list[tuple[str, bytes]]:
    """Return the pictures of a JSON object: texts in base64, or objects that hold one."""
    every = []
    for source in sources:
        every += source if isinstance(source, list) else [] if source is None else [source]
    found = []
    for each in every:
        text = each.get("image_url", each.get("b64_json")) if isinstance(each, dict) else each
        if isinstance(text, dict):
            text = text.get("url")
        found.append((name, _decode_base64(name, text)))
    return found


def _decode_base64(name: str, text: Any) -> bytes:
    """Return the bytes of a picture in base64, as a data address or alone; raise KandiError."""
    if not isinstance(text, str) or re.match(r"(?!data:)\w+:", text):
        raise KandiError(
            f"{name} is a picture's file or its base64, data:image/png;base64,…; paths and "
            "addresses are never opened here",
            about=name,
        )
    start = _DATA.match(text)
    try:
        return base64.b64decode(text[start.end() :] if start else text, validate=True)
    except (binascii.Error, ValueError):
        raise KandiError(
            f"{name} is no base64; send data:image/png;base64,…, or a file in a form: "
            f"-F {name}=@fox.png",
            about=name,
        ) from None


def _wish(
    values: Mapping[str, Any],
    files: dict[str, bytes],
    aliases: Collection[str],
    ignored: Sequence[str],
) -> Wish:
    given = {name: value for name, value in values.items() if value is not None}
    unknown = [name for name in given if name not in NAMES and name not in FIELDS]
    idle = [name for name in _IGNORED if given.get(name) not in (None, "auto")]
    wish = Wish({name: value for name, value in given.items() if name in NAMES}, files)
    if given.get("model") in aliases:
        wish.alias = wish.fields.pop("model")
    wish.size = _size(given)
    if wish.size and {"width", "height"} & given.keys():
        raise KandiError(
            "size is given twice, as width or height, too; give it once", about="size"
        )
    wish.file_format, wish.quality = _file_format(given)
    wish.by_address = _by_address(given.get("response_format"), wish.alias)
    wish.stream = _flag("stream", given.get("stream"))
    if given.get("background") not in (None, "auto", "opaque"):
        raise KandiError("pictures are opaque here; leave background out", about="background")
    wish.ignored = tuple(dict.fromkeys([*ignored, *unknown, *idle]))
    return wish


def _size(given: Mapping[str, Any]) -> tuple[int, int] | None:
    size = given.get("size")
    if size in (None, "auto", ""):
        return None
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None:
        raise KandiError(
            f'size is "auto" or such as "512x512", not {quote(size)}', about="size"
        )
    return int(match[1]), int(match[2])


def _by_address(wanted: Any, alias: str | None) -> bool:
    if wanted is None:
        return bool(alias) and alias.startswith(_BY_ADDRESS)
    if wanted not in ("b64_json", "url"):
        raise KandiError(
            f'response_format is "b64_json" or "url", not {quote(wanted)}',
            about="response_format",
        )
    return wanted == "url"


def _flag(name: str, value: Any) -> bool:
    if value in (None, False, "false", ""):
        return False
    if value in (True, "true"):
        return True
    raise KandiError(f"{name} is true or false, not {quote(value)}", about=name)


def _file_format(given: Mapping[str, Any]) -> tuple[str, int]:
    """Return format and quality of the files; raise KandiError for what is not offered."""
    name, quality = given.get("output_format"), given.get("output_compression")
    name = "png" if name in (None, "") else "jpeg" if name == "jpg" else name
    if name not in FORMATS:
        raise KandiError(
            f"output_format is one of {', '.join(FORMATS)}, not {quote(name)}",
            about="output_format",
        )
    quality = 100 if quality is None else quality
    if isinstance(quality, bool) or not isinstance(quality, int) or not 0 <= quality <= 100:
        raise KandiError(
            f"output_compression is from 0 to 100, not {quote(quality)}",
            about="output_compression",
        )
    return name, quality


def _digits(text: Any) -> Any:
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else text


def ignored_names(names: Sequence[str]) -> str:
    """Return names of ignored fields as a header holds them.

    >>> ignored_names(["step", "mode\\n"])
    'step, ...'
    """
    plain = [name if _PLAIN.fullmatch(name) else "..." for name in names[:_TOLD]]
    return ", ".join(dict.fromkeys([*plain, *(["..."] if len(names) > _TOLD else [])]))


def aliases_of(texts: Collection[str]) -> tuple[str, ...]:
    """Return the names of elsewhere for a model, from texts with commas; raise KandiError."""
    names = [name.strip() for text in texts for name in str(text).split(",") if name.strip()]
    for name in names:
        if not re.fullmatch(r"[\w.:/-]{1,100}", name, re.ASCII):
            raise KandiError(
                f"a name of elsewhere is plain, such as dall-e-3 or gpt-image-1, not "
                f"{quote(name)}"
            )
    return tuple(dict.fromkeys(names))
