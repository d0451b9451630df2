"""What a client sends → plain values: JSON objects and forms, with every doubt refused."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.concurrency import run_in_threadpool

from ....words.bounds import first_duplicate
from ....words.errors import KandiError, did_you_mean, quote
from ....words.fields import number_or_text
from ...queue.limits import Refused
from .settings import from_form

if TYPE_CHECKING:
    from starlette.requests import Request

_FIELDS = 200  # parts of a form
_LONGEST_JSON = 2**21  # bytes: a mixture of texts as long as they may be, each letter escaped
_LONGEST_PART = 2**19  # bytes of a text in a form
_LONGEST_HEADER = 1000  # bytes of what says how a body is to be read
_LONGEST_OPTION = 100  # letters of a number, a size, a word
_DIGITS = 9  # of a size in pixels
JSON, FORM = "application/json", "multipart/form-data"


async def json_object(request: Request, longest: int = _LONGEST_JSON) -> dict[str, Any]:
    """Return the JSON object of a request; raise Refused or KandiError for anything else.

    It has at most `longest` bytes.
    """
    _check_kind(request, JSON, f"-H \"Content-Type: {JSON}\" -d '{{…}}'")
    body = await request.body()
    if len(body) > longest:
        raise Refused(413, f"a JSON body has at most {longest:,} bytes; send less")
    # Reading takes time, and the loop that everybody's requests go through has none.
    return await run_in_threadpool(parse_object, body)


def is_json(request: Request) -> bool:
    """Tell whether a request says that its body is JSON."""
    return _kind(request)[0] == JSON


def _kind(request: Request) -> tuple[str, dict[bytes, bytes]]:
    """Return what a body is said to be, in small letters, and how it is to be read."""
    from python_multipart.multipart import parse_options_header

    header = request.headers.get("content-type", "")
    if len(header) > _LONGEST_HEADER:
        raise Refused(415, f"Content-Type has at most {_LONGEST_HEADER} letters here")
    kind, options = parse_options_header(header)
    return kind.decode("latin-1").strip(), {n.strip().lower(): o for n, o in options.items()}


def _check_kind(request: Request, wanted: str, how: str) -> dict[bytes, bytes]:
    """Return how a body is to be read; raise Refused for other kinds, and letters."""
    # Forms of foreign web pages may send other kinds without asking; this one they may not.
    kind, options = _kind(request)
    if kind != wanted:
        raise Refused(415, f"the body is {wanted}, not {quote(kind or 'unnamed')}: {how}")
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    # By name: some codecs take minutes for a megabyte, others are no text at all.
    if charset.strip("\"' ").casefold() not in ("utf-8", "utf8", "us-ascii"):
        raise Refused(415, f"the body is UTF-8, not {quote(charset)}; encode it so")
    return options


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body's JSON says, each name once, all numbers finite.

    >>> parse_object(b'{"steps": 25}')
    {'steps': 25}
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_float=_json_number,
            parse_constant=_no_number,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise KandiError("the body is no UTF-8 text; encode it so") from None
    except RecursionError:
        raise KandiError("the body is nested too deep; send one object of fields") from None
    except ValueError as error:  # a number may be too long, too
        reason = getattr(error, "msg", "a number is too long")
        place = f" at character {error.pos}" if hasattr(error, "pos") else ""
        raise KandiError(f"the body is no JSON ({reason}{place}); check it") from None
    if not isinstance(value, dict):
        raise KandiError(f'the body is one JSON object, {{"prompt": "…"}}, not {quote(value)}')
    return value


def _json_number(text: str) -> float:
    """Return a number with a point or an exponent; 2.0 is the whole number 2, as in schemas."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_number(name: str) -> NoReturn:
    raise KandiError(f"{name} is no number in JSON; give a finite one")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if (twice := first_duplicate(name for name, _ in pairs)) is not None:
        raise KandiError(f"{quote(twice)} is given twice; give it once")
    return dict(pairs)


async def form(request: Request) -> list[tuple[str, str | bytes]]:
    """Return the parts of a form in their order: texts, and the bytes of files.

    Names of files are left out: no path of a client means anything here.
    """
    options = _check_kind(request, FORM, "-F prompt='…' -F image=@fox.png")
    body = await request.body()
    return await run_in_threadpool(parts_of, body, options.get(b"boundary", b""))


def parts_of(body: bytes, boundary: bytes) -> list[tuple[str, str | bytes]]:
    """Return the parts of a form's body; raise KandiError for what is no form."""
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError

    if not boundary:
        raise KandiError("the form has no boundary; let your program make the Content-Type")
    collector = _Collector()
    calls = {name: getattr(collector, name) for name in dir(_Collector) if name[:3] == "on_"}
    try:
        parser = MultipartParser(boundary, calls)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise KandiError(f"the form cannot be read ({error}); check it") from None
    if not collector.ended:
        raise KandiError("the form has no end; send all of it")
    return collector.parts


class _Collector:
    """Collect the parts that a parser of forms finds."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str | bytes]] = []
        self.ended = False
        self._header, self._value, self._data = bytearray(), bytearray(), bytearray()
        self._says = b""
        self._name, self._is_file = "", False

    def on_part_begin(self) -> None:
        if len(self.parts) >= _FIELDS:
            raise KandiError(f"a form has at most {_FIELDS} parts; send fewer")
        self._says, self._data = b"", bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._says = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, options = parse_options_header(self._says[:_LONGEST_HEADER])
        if b"name" not in options:
            raise KandiError("a part of the form has no name; give it one")
        self._name = _utf8(options[b"name"], "a part's name")
        self._is_file = b"filename" in options

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if not self._is_file and len(self._data) > _LONGEST_PART:
            raise KandiError(f"{quote(self._name)} is longer than a text may be; shorten it")

    def on_part_end(self) -> None:
        data = bytes(self._data)
        value = data if self._is_file else _utf8(data, quote(self._name))
        self.parts.append((self._name, value))

    def on_end(self) -> None:
        self.ended = True


def _utf8(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise KandiError(f"{what} is no UTF-8 text; encode it so") from None


def sorted_out(
    parts: Sequence[tuple[str, str | bytes]],
    files: Collection[str],
    required: Collection[str],
    options: Collection[str] = (),
) -> tuple[dict[str, Any], dict[str, bytes], dict[str, Any]]:
    """Return a form's fields, files and options, each by name; raise KandiError.

    `files` names the parts that are files, of which the `required` ones must be there.
    """
    fields: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}
    chosen: dict[str, Any] = {}
    for name, value in parts:
        if name in fields or name in pictures or name in chosen:
            raise KandiError(f"{quote(name)} is given twice; give it once", about=name)
        if name in files:
            pictures[name] = _picture_file(name, value)
        elif isinstance(value, bytes):
            hint = did_you_mean(name, files)
            known = ", ".join(files) or "none"
            raise KandiError(f"{quote(name)} is no file here; {hint}files: {known}")
        elif name in options:
            chosen[name] = _option(name, value)
        else:
            fields[name] = from_form(name, value)
    for name in required:
        if name not in pictures:
            raise KandiError(
                f"{name} is missing: send a picture's file, -F {name}=@fox.png", about=name
            )
    return fields, pictures, chosen


def _picture_file(name: str, value: str | bytes) -> bytes:
    if isinstance(value, str):
        raise KandiError(
            f"{name} is a picture's file, -F {name}=@fox.png; paths and addresses are never "
            "opened here",
            about=name,
        )
    return value


def _option(name: str, text: str) -> Any:
    """Return what an option's text says: a number, a size such as 96x64, or the text."""
    if len(text) > _LONGEST_OPTION:
        raise KandiError(
            f"{name} has at most {_LONGEST_OPTION} letters, not {len(text):,}", about=name
        )
    width, cross, height = text.partition("x")
    sides = (width, height)
    if cross and text.isascii() and all(w.isdigit() and len(w) <= _DIGITS for w in sides):
        return int(width), int(height)
    return number_or_text(text)
