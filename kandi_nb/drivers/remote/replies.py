"""What a service answers, looked at before anything is made of it: it may be anybody's.

Bodies have an end, pictures a size, names are plain, and errors and warnings are single lines.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...pictures.reading.formats import open_picture
from ...pictures.recipe import recipe
from ...words.errors import KandiError, one_line, shorten
from ...words.fields import FIELDS
from ...words.models import SPECS, ModelSpec, Role
from ...words.params import Params
from ...words.tasks import INPUTS, TASKS
from ..service.answers import DETAILS

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_INFORMATION = 2**20  # bytes of GET /, and of an error
MOST_BYTES = 2**28  # of a picture's file
MOST_PIXELS = 2**26
_MOST_LINES, _LONGEST_LINE = 20, 500  # warnings that came along
_MOST_ROWS = 64  # of a proof
_LONGEST_NAME = 120
_LONGEST_WAIT = 3600.0  # seconds that a service may claim for one picture


@dataclass(frozen=True)
class Information:
    """Hold what a service says of itself at GET /."""

    spec: ModelSpec
    device: str
    options: dict[str, Any]
    revision: dict[str, Any]
    limits: dict[str, Any]
    endpoints: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """Hold one picture that came back, what its recipe says, and what was said of it."""

    image: Image
    recipe: Mapping[str, Any]
    params: Params
    warnings: tuple[str, ...] = ()
    peak_mb: float | None = None
    proof: tuple[Mapping[str, Any], ...] = ()


def information(content: bytes, url: str) -> Information:
    """Return what GET / says; raise KandiError for what is no service of kandi_nb."""
    try:
        info = json.loads(content)
        limits = dict(info["limits"])
        limits["per_client"] = int(_number_within(limits["per_client"], 1, 1e6))
        limits["deadline"] = min(_number_within(limits["deadline"], 0, 1e9), _LONGEST_WAIT)
        return Information(
            _spec(info["model"]),
            _plain_name(info["device"]),
            dict(info["options"]),
            dict(info["revision"]),
            limits,
            tuple(map(_plain_name, info["endpoints"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise KandiError(
            f"{url} is not a service of kandi_nb, or one of another release"
        ) from None


def _number_within(value: Any, least: float, most: float) -> float:
    """Return a finite number; raise ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError
    if not least <= value <= most:
        raise ValueError
    return value


def _plain_name(text: Any) -> str:
    """Return a short text without what steers a terminal; raise ValueError for another."""
    if not isinstance(text, str) or len(text) > _LONGEST_NAME or not text.isprintable():
        raise ValueError
    return text


def _key(text: Any) -> str:
    """Return the name of a model, never a way to a file here; raise ValueError for one."""
    name = _plain_name(text)
    plain = name.removesuffix("/")  # how a model of a folder there is called
    if not plain or plain[0] in ".~ " or {"/", "\\", ":"} & set(plain):
        raise ValueError
    return name


def _spec(model: Mapping[str, Any]) -> ModelSpec:
    """Return what is known of the service's model, which may be one of a folder there."""
    key, size = _key(model["key"]), int(_number_within(model["native_size"], 8, 8192))
    if key in SPECS:
        return dataclasses.replace(SPECS[key], native_size=size)
    family = _plain_name(model["family"])
    known = {name for spec in SPECS.values() for name in spec.roles}
    roles = {
        name: Role(key, "", tuple(task for task in tasks if task in TASKS))
        for name, tasks in model["roles"].items()
        if name in known
    }
    if family not in {spec.family for spec in SPECS.values()}:
        raise ValueError
    words = {name: _line(model[name]) for name in ("languages", "draws")}
    return ModelSpec(key, family, roles, native_size=size, **words)


def error_of(status: int, content: bytes, token: str | None = None) -> KandiError:
    """Return the service's own line as the error that it was there, never with the token."""
    about = None
    try:
        body = json.loads(content)
        line, param = body["detail"], body.get("param")
        if not isinstance(line, str):
            raise TypeError
        about = param if param in FIELDS or param in INPUTS else None
    except (ValueError, KeyError, TypeError, RecursionError):
        line = f"the service answered {status}, and not in its own words: is it kandi_nb?"
    line = line.replace(token, "…") if token else line
    return KandiError(shorten(line, _LONGEST_LINE), about=about)


def event(text: bytes) -> tuple[str, dict[str, Any]]:
    """Return kind and data of an event; raise KandiError for what is none.

    >>> event(b'event: step\\ndata: {"done": 1, "total": 25}')
    ('step', {'done': 1, 'total': 25})
    """
    try:
        lines = dict(line.split(b": ", 1) for line in text.splitlines() if b": " in line)
        data = json.loads(lines.get(b"data", b"{}"))
        return lines.get(b"event", b"").decode("ascii"), dict(data)
    except (ValueError, TypeError, RecursionError):
        raise KandiError("the service sent an event that cannot be read; ask its keeper") from (
            None
        )


def read_event(kind: str, data: Mapping[str, Any]) -> Any:
    """Return what an event tells of a request that is not done, None for nonsense.

    `queue`: its place and the seconds until then; `step`: those done and all; `preview`: the
    unfinished pictures, and after how many steps.
    """
    try:
        if kind == "queue":
            return int(_number_within(data["place"], 1, 1e6)), _number_within(
                data["seconds"], 0, 1e9
            )
        if kind == "step":
            total = int(_number_within(data["total"], 1, 1e9))
            return int(_number_within(data["done"], 0, total)), total
        if kind == "preview":
            files = [base64.b64decode(text) for text in list(data["images"])[:_MOST_ROWS]]
            return [_picture(file) for file in files], int(_number_within(data["step"], 0, 1e9))
    except (KandiError, OSError, SyntaxError, ValueError, KeyError, TypeError):
        pass
    return None


def done(data: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return the file of the event of one finished picture, and headers as without events."""
    try:
        (text,) = data["images"]
        details = {name: value for name, value in data.items() if name != "images"}
        return base64.b64decode(text), {DETAILS: json.dumps(details)}
    except (KeyError, TypeError, ValueError):
        raise KandiError("what the service sent is not one picture; ask its keeper") from None


def answer(content: bytes, headers: Mapping[str, str], task: str, spec: ModelSpec) -> Answer:
    """Return the picture that a task was asked for; raise KandiError for anything else."""
    try:
        image = _picture(content)
        made = recipe(image)
        if made["task"] != task or made["model"] != spec.key:
            raise ValueError("another task or model")
        details = json.loads(headers[DETAILS])
        peak, proof = details["peak_mb"], details.get("proof", ())
        return Answer(
            image,
            made,
            Params.from_dict(made["params"]),
            tuple(_line(text) for text in list(details["warnings"])[:_MOST_LINES]),
            None if peak is None else _number_within(peak, 0, math.inf),
            tuple(dict(row) for row in list(proof)[:_MOST_ROWS]),
        )
    except (KandiError, OSError, SyntaxError, ValueError, KeyError, TypeError, AttributeError,
            RecursionError, OverflowError) as error:  # fmt: skip
        raise KandiError(
            f"what the service sent is no picture of kandi_nb ({_reason(error)}); ask its "
            "keeper"
        ) from None


def _line(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("a warning that is no text")
    return shorten(one_line(text), _LONGEST_LINE)


def _reason(error: Exception) -> str:
    if not isinstance(error, KandiError):
        return type(error).__name__
    return shorten(str(error).partition("; ")[0], 120)  # its remedy is not the client's


def _picture(content: bytes) -> Image:
    """Return a PNG, decoded; its size is looked at before its pixels are."""
    image = open_picture(content, "it", ("PNG",), MOST_PIXELS)
    image.load()
    return image
