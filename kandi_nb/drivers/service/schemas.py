"""What the API's description says of bodies and answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from ..queue.limits import Limits
from .openai import FORMATS
from .settings import schema

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


def error(*statuses: int, ok: str = "") -> Answers:
    """Return the answers of an endpoint: these statuses, and 200 with JSON or text."""
    good: Answers = {200: {"description": ok or "all is well"}}
    every = {status: {"description": _WHY[status], "content": _LINE} for status in statuses}
    return {**good, **every}


def pictures() -> Answers:
    """Return the answers of an endpoint that draws."""
    answers = error(401, 403, 404, 408, 413, 415, 421, 422, 429, 503)
    files = {"image/png": {"schema": _FILE}, "application/zip": {"schema": _FILE}}
    headers = {
        "X-Seed": {"description": "the first picture's seed", "schema": {"type": "string"}}
    }
    ok = "one picture, or several as a ZIP; each PNG holds its recipe"
    return {**answers, 200: {"description": ok, "content": files, "headers": headers}}


def _object(properties: Mapping[str, Any], required: Collection[str]) -> dict[str, Any]:
    body = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**body, "required": list(required)} if required else body


def _body(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": content}}}


def json_body(limits: Limits, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of /generate."""
    return _body("application/json", _object(schema(limits, defaults), ["prompt"]))


def form_body(
    limits: Limits,
    files: Collection[str],
    required: Collection[str],
    options: Collection[str],
    *,
    mixing: bool = False,
) -> dict[str, Any]:
    """Return the body of an endpoint that takes a form."""
    properties = schema(limits) | dict.fromkeys(files, _FILE)
    properties |= {name: {"type": "string"} for name in options}
    if mixing:
        texts = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        properties["items"] = {**texts, "description": "texts and files, in their order"}
        properties["weights"] = {"type": "array", "items": {"type": "number"}}
        required = ["items"]
    return _body("multipart/form-data", _object(properties, required))


def openai_body(limits: Limits, *, edits: bool = False) -> dict[str, Any]:
    """Return the body of OpenAI's endpoints: their fields; ours are taken besides."""
    properties = schema(limits, MappingProxyType({})) | {
        "model": {"type": "string", "description": "the one that GET /v1/models names"},
        "size": {"type": "string", "description": "auto, or such as 512x512"},
        "response_format": {"type": "string", "enum": ["b64_json"]},
        "output_format": {"type": "string", "enum": list(FORMATS)},
        "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
        "quality": {"type": "string", "description": "ignored"},
        "user": {"type": "string", "description": "ignored"},
    }
    if not edits:
        return _body("application/json", _object(properties, ["prompt"]))
    properties |= {"image": _FILE, "mask": _FILE}
    return _body("multipart/form-data", _object(properties, ["image", "prompt"]))
