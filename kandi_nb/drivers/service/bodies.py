"""What a client sends → plain values: JSON objects and forms, with every doubt refused."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ...words.errors import KandiError, did_you_mean, shown
from ...words.fields import number_or_text
from ..queue.limits import Refused
from .settings import from_form

if TYPE_CHECKING:
    from starlette.requests import Request

_FIELDS = 200  # parts of a form
_LONGEST_JSON = 2**21  # bytes: two texts as long as they may be, each letter escaped
_LONGEST_PART = 2**19  # bytes of a text among them: the longest prompt in four-byte letters


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; raise Refused or KandiError for anything else."""
    _check_kind(request, "application/json", "-H \"Content-Type: application/json\" -d '{…}'")
    body = await request.body()
    if len(body) > _LONGEST_JSON:
        raise Refused(413, f"a JSON body has at most {_LONGEST_JSON:,} bytes; send less")
    return parsed(body)


def _check_kind(request: Request, wanted: str, how: str) -> None:
    # Forms of foreign web pages may send other kinds without asking; this one they may not.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != wanted:
        raise Refused(415, f"the body is {wanted}, not {shown(kind or 'unnamed')}: {how}")


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object that a body's JSON says, each name once, all numbers finite.

    >>> parsed(b'{"steps": 25}')
    {'steps': 25}
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_float=_number,
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
        raise KandiError(f'the body is one JSON object, {{"prompt": "…"}}, not {shown(value)}')
    return value


def _number(text: str) -> float:
    """Return a number with a point or an exponent; 2.0 is the whole number 2, as in schemas."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_number(name: str) -> NoReturn:
    raise KandiError(f"{name} is no number in JSON; give a finite one")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise KandiError(f"{shown(twice)} is given twice; give it once")
    return fields


async def form(request: Request) -> list[tuple[str, str | bytes]]:
    """Return the parts of a form in their order: texts, and the bytes of files.

    Names of files are left out: no path of a client means anything here.
    """
    _check_kind(request, "multipart/form-data", "-F prompt='…' -F image=@fox.png")
    from starlette.exceptions import HTTPException

    most = {"max_files": _FIELDS, "max_fields": _FIELDS, "max_part_size": _LONGEST_PART}
    parts = []
    try:
        async with request.form(**most) as sent:
            for name, value in sent.multi_items():
                parts.append((name, value if isinstance(value, str) else await value.read()))
    except HTTPException as error:
        raise KandiError(f"the form cannot be read ({error.detail}); check it") from None
    return parts


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
            raise KandiError(f"{shown(name)} is given twice; give it once")
        if name in files:
            pictures[name] = _file(name, value)
        elif isinstance(value, bytes):
            hint = did_you_mean(name, files)
            known = ", ".join(files) or "none"
            raise KandiError(f"{shown(name)} is no file here; {hint}files: {known}")
        elif name in options:
            chosen[name] = _option(value)
        else:
            fields[name] = from_form(name, value)
    for name in required:
        if name not in pictures:
            raise KandiError(f"{name} is missing: send a picture's file, -F {name}=@fox.png")
    return fields, pictures, chosen


def _file(name: str, value: str | bytes) -> bytes:
    if isinstance(value, str):
        raise KandiError(
            f"{name} is a picture's file, -F {name}=@fox.png; paths and addresses are never "
            "opened here"
        )
    return value


def _option(text: str) -> Any:
    """Return what an option's text says: a number, a size such as 96x64, or the text."""
    width, cross, height = text.partition("x")
    if cross and width.isdecimal() and height.isdecimal():
        return int(width), int(height)
    return number_or_text(text)
