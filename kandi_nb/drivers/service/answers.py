"""What a client gets: pictures with their recipes, or one line that says why not."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from ...pictures.recipe import png_bytes
from ...words.errors import KandiError
from ..queue.limits import Refused

if TYPE_CHECKING:
    from starlette.responses import Response

    from ...pictures.result import Result
    from ..queue.orders import Drawn

DETAILS = "X-Kandi-NB"  # a header with what does not belong to one picture, as JSON
IGNORED = "X-Kandi-NB-Ignored"  # a header: what was sent and means nothing here
EVENTS = "text/event-stream"  # who accepts it is told how far his pictures are
PREVIEW = "X-Kandi-NB-Preview"  # a header: every how many steps to show them unfinished
_MOST_WARNINGS = 20
HUNG_UP = 499  # nobody reads it; it stands in the log
OPENAI = "/v1/"  # below it, errors have the shape that OpenAI's clients read
_THEIRS = {"count": "n", "width": "size", "height": "size"}  # names of fields below it
_TYPES = {401: "authentication_error", 404: "invalid_request_error", 429: "rate_limit_error"}


def files_of(result: Result) -> list[bytes]:
    """Return the pictures as PNG files with their recipes; what was sent is not inside."""
    every = zip(result.images, result.recipes, strict=True)
    return [png_bytes(image, recipe) for image, recipe in every]


def pictures_response(drawn: Drawn, files: list[bytes]) -> Response:
    """Return one picture as a PNG, several as a ZIP of PNGs, with the seed in a header."""
    from starlette.responses import Response

    seeds = [params.seed for params in drawn.result.params]
    if len(files) == 1:
        return Response(files[0], media_type="image/png", headers=headers_of(drawn))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # PNGs are packed
        for number, (seed, file) in enumerate(zip(seeds, files, strict=True), 1):
            archive.writestr(f"{number:02d}-{seed}.png", file)
    whole = buffer.getvalue()
    return Response(whole, media_type="application/zip", headers=headers_of(drawn))


def details_of(drawn: Drawn) -> dict[str, Any]:
    """Return what is told of how pictures came about."""
    result = drawn.result
    details: dict[str, Any] = {
        "seeds": [params.seed for params in result.params],
        "seconds": round(result.seconds, 4),
        "peak_mb": result.peak_mb,
        "waited": round(drawn.waited, 4),
        "shared": drawn.shared,
        "warnings": list(drawn.warnings[:_MOST_WARNINGS]),
    }
    if result.proof:
        details["proof"] = list(result.proof)
    return details


def headers_of(drawn: Drawn) -> dict[str, str]:
    """Return the headers that tell how pictures came about."""
    # Headers hold ASCII; json.dumps writes everything else as \u….
    return {
        "X-Seed": str(drawn.result.params[0].seed),
        DETAILS: json.dumps(details_of(drawn), default=str),
    }


def error_body(
    status: int, line: str, path: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Return what an error says, in the shape that the endpoint's clients read.

    `param` names the field that it concerns, if it is one.
    """
    if not path.startswith(OPENAI):
        return {"detail": line, **({"param": param} if param else {})}
    param = _THEIRS.get(param, param)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": line, "type": kind, "param": param, "code": code}}


def status_of(error: KandiError) -> int:
    """Return HTTP's number for what cannot be served."""
    return error.status if isinstance(error, Refused) else 422


def error_response(error: KandiError, path: str) -> Response:
    """Return the answer to what cannot be served."""
    from starlette.responses import JSONResponse

    status = status_of(error)
    if status == 422 and path.startswith(OPENAI):
        status = 400  # what OpenAI answers to bad input
    headers = dict(error.headers) if isinstance(error, Refused) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    code = error.code if isinstance(error, Refused) else None
    body = error_body(status, str(error), path, code, error.about)
    return JSONResponse(body, status, headers)
