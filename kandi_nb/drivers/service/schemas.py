"""What the API's description says of bodies and answers."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...tasks.checks import TASKS
from ...tasks.embeddings.mixtures import HOW, HOWS
from ...tasks.outpaint import MOST
from ...words.tasks import INPUTS, SIDES
from ..queue.limits import Limits
from .answers import EVENTS
from .drawing import MOST_ITEMS, MOST_WEIGHT, Endpoint
from .requests.openai_requests import FORMATS
from .requests.settings import SAYS, blank, rules, schema

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky

Answers = dict[int | str, dict[str, Any]]

_WHY = {
    400: "bad input, in one line",
    401: "no token, or a wrong one",
    403: "a page of another site asks",
    404: "a model that is not loaded",
    408: "the body came too slowly",
    409: "the model is about to be loaded anew already",
    413: "too many bytes or pixels",
    415: "a body of another kind",
    421: "a host that the service does not answer to",
    422: "bad input, in one line that names the remedy",
    429: "too many requests of one client: wait for Retry-After seconds",
    503: "the queue is full (wait for Retry-After seconds), or it cannot be drawn",
}
_LINE = {"application/json": {"schema": {"type": "object"}}}
_FILE = {"type": "string", "format": "binary"}
_PICTURES = "image/png, image/jpeg, image/webp"
_PATTERNS = {
    "aspect": r"^[1-9][0-9]?:[1-9][0-9]?$",
    "size": r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$",
}


def error(*statuses: int, ok: str = "") -> Answers:
    """Return the answers of an endpoint: these statuses, and 200 with JSON or text."""
    good: Answers = {200: {"description": ok or "all is well"}}
    every = {status: {"description": _WHY[status], "content": _LINE} for status in statuses}
    return {**good, **every}


def picture_answers() -> Answers:
    """Return the answers of an endpoint that draws."""
    answers = error(401, 403, 404, 408, 413, 415, 421, 422, 429, 503)
    files = {"image/png": {"schema": _FILE}, "application/zip": {"schema": _FILE}}
    files[EVENTS] = {"schema": {"type": "string"}}  # to who asks for it: how far it is
    headers = {
        "X-Seed": {"description": "the first picture's seed", "schema": {"type": "string"}}
    }
    ok = "one picture, or several as a ZIP; each PNG holds its recipe"
    return {**answers, 200: {"description": ok, "content": files, "headers": headers}}


def _object(
    properties: Mapping[str, Any],
    required: Collection[str],
    together: Sequence[Sequence[Mapping[str, Any]]] = (),
    *,
    closed: bool = True,
) -> dict[str, Any]:
    """Return the schema of an object; of each list in `together` one schema must hold."""
    body: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    body |= {"additionalProperties": False} if closed else {}
    body |= {"required": list(required)} if required else {}
    # Each choice with each: a list of lists is what generators of examples get lost in.
    every = [_merge(choices) for choices in itertools.product(*together)]
    return body | ({"anyOf": every} if len(every) > 1 else {})


def _merge(choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    needed = [name for choice in choices for name in choice.get("required", ())]
    properties = {n: v for choice in choices for n, v in choice.get("properties", {}).items()}
    return {"properties": properties} | ({"required": needed} if needed else {})


def _body(**content: dict[str, Any]) -> dict[str, Any]:
    """Return a body's description: as JSON, as a form or as either."""
    kinds = {"json": "application/json", "form": "multipart/form-data"}
    described: dict[str, Any] = {}
    for name, schema_of in content.items():
        described[kinds[name]] = {"schema": schema_of}
        files = [n for n, entry in schema_of["properties"].items() if entry is _FILE]
        if files:
            described[kinds[name]]["encoding"] = {n: {"contentType": _PICTURES} for n in files}
    return {"required": True, "content": described}


def _nullable(properties: Mapping[str, Any], required: Collection[str]) -> dict[str, Any]:
    """Return the properties of JSON, where null stands for what is absent."""
    null = {"type": "null"}
    return {
        name: entry if name in required else {"anyOf": [entry, null]}
        for name, entry in properties.items()
    }


def json_body(k: Kandinsky, limits: Limits, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of /generate."""
    properties = _nullable(schema(k, limits, defaults), ["prompt"])
    return _body(json=_object(properties, ["prompt"], rules(limits)))


def form_body(k: Kandinsky, limits: Limits, endpoint: Endpoint) -> dict[str, Any]:
    """Return the body of an endpoint that takes a form."""
    properties = {name: blank(entry) for name, entry in schema(k, limits).items()}
    properties |= dict.fromkeys(endpoint.parts, _FILE)
    properties |= {name: _option(name) for name in endpoint.options}
    prompt = ["prompt"] if TASKS[endpoint.task].prompt else []
    together = [*rules(limits, form=True), *_ways(endpoint.options)]
    return _body(form=_object(properties, [*endpoint.required, *prompt], together))


def _option(name: str) -> dict[str, Any]:
    """Return what the text of an option may be."""
    row = INPUTS[name]
    entry: dict[str, Any] = {"description": row.help}
    if row.choices:
        return {**entry, "enum": list(row.choices), "default": row.default}
    if row.kind == "number":
        return {**entry, "type": "integer", "minimum": 0, "maximum": MOST}
    return {**entry, "type": "string", "pattern": _PATTERNS[name]}


def _ways(options: Collection[str]) -> list[list[dict[str, Any]]]:
    """Return that one way is needed to say how far a picture grows."""
    if not set(SIDES) <= set(options):
        return []
    ways = ("aspect", "size")
    more = {"type": "integer", "minimum": 1, "maximum": MOST}
    some = [
        {"required": [side], "properties": {side: more, **dict.fromkeys(ways, False)}}
        for side in SIDES
    ]
    none = dict.fromkeys((*SIDES, *ways), False)
    alone = [{"required": [way], "properties": none | {way: _option(way)}} for way in ways]
    return [some + alone]


def mix_body(k: Kandinsky, limits: Limits) -> dict[str, Any]:
    """Return the body of /mix, as JSON and as a form."""
    text = {"type": "string", "pattern": SAYS, "maxLength": limits.characters}
    several = {"type": "array", "minItems": 1, "maxItems": MOST_ITEMS}
    properties = schema(k, limits) | {
        "items": {**several, "items": text, "description": "in their order; files in forms"},
        "weights": {
            **several,
            "items": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_WEIGHT},
            "description": "one an item; also 0, and with how = sum below it",
        },
        "how": {"enum": list(HOWS), "default": HOW},
    }
    body = _object(properties, ["items"], rules(limits))
    return _body(form=body, json=body)


def openai_body(k: Kandinsky, limits: Limits, *, edits: bool = False) -> dict[str, Any]:
    """Return the body of OpenAI's endpoints: their fields; ours are taken besides."""
    own = f"{k.spec.native_size}x{k.spec.native_size}"
    sizes = {"enum": ["auto"] if edits else ["auto", own]}
    properties = schema(k, limits) | {
        "size": {**sizes, "description": f"others are taken, too; the model draws {own} best"},
        "response_format": {"type": "string", "enum": ["b64_json", "url"]},
        "stream": {"type": "boolean", "description": "the pictures as events"},
        "output_format": {"type": "string", "enum": list(FORMATS)},
        "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
        "quality": {"description": "ignored"},
        "user": {"description": "ignored"},
    }
    for side in ("width", "height"):
        del properties[side]  # it is said by the size
    together = rules(limits)[:1]
    if not edits:
        properties = _nullable(properties, ["prompt"])
        return _body(json=_object(properties, ["prompt"], together, closed=False))
    properties = {name: blank(entry) for name, entry in properties.items()}
    properties |= {"image": _FILE, "mask": _FILE}
    return _body(form=_object(properties, ["image", "prompt"], together, closed=False))
