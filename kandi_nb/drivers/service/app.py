"""The service as one ASGI app: its endpoints, and what each of them may answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...pictures.result import package_versions
from ...words.errors import KandiError
from ...words.tasks import TASKS
from ..queue.limits import HungUp, Refused
from ..queue.orders import Reload
from ..queue.worker import Worker
from . import openai, pages
from .answers import HUNG_UP, error_response
from .drawing import endpoints, generate, handler, mix_items, wait_for
from .guard import LOOPBACK, Entrance, Guard
from .journal import Journal
from .requests.receiving import Receiver
from .requests.settings import DEFAULTS
from .schemas import (
    Answers,
    error,
    form_body,
    json_body,
    mix_body,
    openai_body,
    picture_answers,
)


def make_app(
    worker: Worker,
    *,
    tokens: Sequence[str] = (),
    hosts: Collection[str] = LOOPBACK,
    log_prompts: bool = False,
    aliases: Collection[str] = (),
    origins: Collection[str] = (),
) -> FastAPI:
    """Return the app over a worker that was started.

    With `tokens` a request needs one of them; without, it answers to its `hosts` alone.
    `aliases` are names of elsewhere that OpenAI's clients may give the model, `origins` those
    whose pages may ask.
    """

    @asynccontextmanager
    async def life(app: FastAPI):
        yield
        worker.close(0)

    app = FastAPI(
        title="kandi_nb",
        version=package_versions()["kandi_nb"],
        description="Kandinsky picture models: one model, one queue.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        redirect_slashes=False,
    )
    app.state.worker, app.state.receiver = worker, Receiver(worker.limits)
    app.state.texts, app.state.aliases = {}, tuple(aliases)
    # So that the documentation has a field for the token; the guard is what asks for it.
    app.state.scheme = [Depends(HTTPBearer(auto_error=False))] if tokens else []
    _add_drawing(app, worker)
    _add_openai(app, worker)
    _add_about(app)
    for kind, answer in (
        (KandiError, _answer_error),
        (HTTPException, _answer_no_route),
        (HungUp, _answer_hung_up),
    ):
        app.add_exception_handler(kind, answer)
    app.add_middleware(Guard, receiver=app.state.receiver, tokens=tokens, hosts=hosts)
    app.add_middleware(Journal, metrics=worker.metrics, prompts=log_prompts)
    app.add_middleware(Entrance, origins=origins)
    return app


def _add(
    app: FastAPI, path: str, answer: Any, text: str, answers: Answers, body: Any = None,
    method: str = "POST",
) -> None:  # fmt: skip
    app.state.texts[path] = text
    app.add_api_route(
        path,
        answer,
        methods=[method],
        summary=text,
        responses=answers,
        response_class=Response,
        dependencies=[] if path == "/health" else app.state.scheme,
        openapi_extra={"requestBody": body} if body else None,
    )
    if method == "GET":  # monitors ask for no more than the headers
        app.add_api_route(
            path, answer, methods=["HEAD"], include_in_schema=False, response_class=Response
        )


def _add_drawing(app: FastAPI, worker: Worker) -> None:
    k, limits = worker.k, worker.limits
    body = json_body(k, limits, DEFAULTS)
    _add(app, "/generate", generate, TASKS["generate"].help, picture_answers(), body)
    for endpoint in endpoints():
        form = form_body(k, limits, endpoint)
        _add(
            app, f"/{endpoint.name}", handler(endpoint), endpoint.text, picture_answers(), form
        )
    text = "a mixture of texts and pictures"
    _add(app, "/mix", mix_items, text, picture_answers(), mix_body(k, limits))


def _add_openai(app: FastAPI, worker: Worker) -> None:
    answers = error(400, 401, 403, 404, 408, 413, 415, 421, 429, 503, ok="pictures, as base64")
    made, changed = (
        "as OpenAI's clients draw",
        "as OpenAI's clients edit: transparent = repaint",
    )
    body = openai_body(worker.k, worker.limits)
    _add(app, "/v1/images/generations", openai.generations, made, answers, body)
    body = openai_body(worker.k, worker.limits, edits=True)
    _add(app, "/v1/images/edits", openai.edits, changed, answers, body)
    known = error(401, 403, 413, 421, ok="the model that is loaded")
    _add(app, "/v1/models", openai.models, "the model, in a list", known, method="GET")
    app.add_api_route(
        "/v1/models/{model:path}",
        openai.model,
        include_in_schema=False,
        response_class=Response,
    )


def _add_about(app: FastAPI) -> None:
    seen = error(401, 403, 413, 421)
    _add(app, "/", about, "what this service is", seen, method="GET")
    _add(app, "/health", health, "whether it draws", error(403, 413, 421, 503), method="GET")
    _add(app, "/metrics", metrics, "numbers for Prometheus", seen, method="GET")
    answers = error(401, 403, 408, 409, 413, 421, 503)
    _add(app, "/reload", reload, "load the model anew, between two pictures", answers)
    for path, page in (("/docs", pages.docs), ("/docs/{name}", pages.asset)):
        app.add_api_route(path, page, include_in_schema=False, response_class=Response)


async def about(request: Request) -> Response:
    """Say what this is, in HTML for browsers."""
    info = information(request.app)
    if pages.wants_html(request):
        return pages.front_page(info, str(request.base_url))
    return JSONResponse(info)


def information(app: FastAPI) -> dict[str, Any]:
    """Return what clients need to know of the service and its model."""
    worker: Worker = app.state.worker
    spec = worker.k.spec
    return {
        "name": "kandi_nb",
        "version": app.version,
        "endpoints": dict(app.state.texts),
        "model": {
            "key": spec.key,
            "family": spec.family,
            "native_size": spec.native_size,
            "languages": spec.languages,
            "draws": spec.draws,
            "roles": {name: list(role.tasks) for name, role in spec.roles.items()},
        },
        "device": worker.k.device,
        "options": worker.k.options,
        "revision": dict(worker.k.revision),
        "limits": {
            name: getattr(worker.limits, name)
            for name in ("count", "steps", "pixels", "body_bytes", "per_client", "deadline")
        },
    }


async def health(request: Request) -> Response:
    """Say whether the service draws, as the published one does."""
    worker: Worker = request.app.state.worker
    body = {
        "status": "healthy" if worker.healthy else "unhealthy",
        "device": worker.k.device if worker.k else "none",
        "models_loaded": worker.k is not None,
    }
    return JSONResponse(body, 200 if worker.healthy else 503)


async def metrics(request: Request) -> Response:
    """Return the counters in Prometheus's format."""
    text = request.app.state.worker.metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def reload(request: Request) -> Response:
    """Load the model anew between two runs; the old one stays when that fails."""
    await wait_for(request, Reload())
    k = request.app.state.worker.k
    return JSONResponse({"status": "success", "message": f"{k.spec.key} was loaded anew"})


async def _answer_error(request: Request, error: Exception) -> Response:
    return error_response(error, request.url.path)


async def _answer_hung_up(request: Request, error: Exception) -> Response:
    return Response(status_code=HUNG_UP)


async def _answer_no_route(request: Request, error: Exception) -> Response:
    """Answer to paths and methods that there are not."""
    path = request.url.path
    line = f"there is no {request.method} {path[:80]} here; GET / lists what there is"
    code = "unknown_url" if error.status_code == 404 else None
    response = error_response(Refused(error.status_code, line, code=code), path)
    response.headers.update(error.headers or {})
    return response
