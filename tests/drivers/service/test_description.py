"""The service answers what its own description says, whatever is sent: by schemathesis."""

from __future__ import annotations

import io

import pytest
import schemathesis
from asgi import asked, dry_run, serving
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.transport.serialization import Binary

from kandi_nb.drivers.queue import worker

EXAMPLES = 4
NAMES = ("testserver", "127.0.0.1")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    unsupported_method,
]


def gradient():
    """Return a grey picture that is a mask and a map of depth, too, as the bytes of a file."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def app(tiny_roles):
    limits = {"steps": 2, "count": 1, "pixels": 64 * 128, "window": 0.0}
    with serving(tiny_roles, limits=limits, hosts=NAMES) as app:
        yield app


@pytest.fixture(scope="module")
def described(app):
    async def without_end(scope, receive, send):
        # Schemathesis begins and ends the app with each call.
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})

    return schemathesis.openapi.from_asgi("/openapi.json", without_end)


POSTS = (
    *("generate", "edit", "inpaint", "outpaint", "upscale", "depth", "mix"),
    *("v1/images/generations", "v1/images/edits"),
)
GETS = ("/", "/health", "/metrics", "/v1/models")


# What no schema can say: the pixels of a picture, what depends on them, and a number of
# weights that is the number of items.
FILES = ("image", "mask")
JSON = ("/generate", "/v1/images/generations")  # of which no form is known
UNSAID = (
    "no transparent part",
    "weights for",
    "the picture would have",
    "the enlarged picture",
    "has the aspect",
    "outpainting only adds",
)


@pytest.fixture
def undrawn(monkeypatch):
    """Let the model check what it is asked for, and draw nothing."""
    monkeypatch.setattr(worker, "call", dry_run)


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(70, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *(("POST", f"/{name}", mode) for name in POSTS for mode in GenerationMode),
        *(("GET", path, GenerationMode.POSITIVE) for path in GETS),
        ("POST", "/reload", GenerationMode.POSITIVE),
    ],
)
def test_every_answer_is_one_that_is_described(
    app, described, undrawn, method, path, mode, examples
):
    """Good bodies are taken, bad ones refused, by the description that the service gives."""

    more = [positive_data_acceptance]
    if mode == GenerationMode.NEGATIVE:
        # A form knows texts alone: what it takes for a bad number may be a good text.
        more = [negative_data_rejection] if path in JSON else []

    @given(case=described[path][method].as_strategy(generation_mode=mode))
    # The same examples each time: a build must not hang on luck.
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answered(case):
        if mode == GenerationMode.POSITIVE and isinstance(case.body, dict):
            # Bytes that are a picture: of that a schema says no more than "binary".
            case.body |= {name: Binary(gradient()) for name in FILES if name in case.body}
        response = case.call()
        try:
            case.validate_response(response, checks=[*CHECKS, *more])
        except FailureGroup as group:
            left = [f for f in group.exceptions if not isinstance(f, RejectedPositiveData)]
            assert not left and any(line in response.text for line in UNSAID), response.text

    answered()
    assert b"kandi_nb_failures_total 0.0" in app.state.worker.metrics.text()


def test_every_endpoint_says_that_it_may_refuse(app):
    described = asked(app, "GET", "/openapi.json").json()["paths"]
    assert {"/generate", "/edit", "/inpaint", "/mix", "/health", "/reload"} <= set(described)
    assert {"/v1/images/generations", "/v1/images/edits", "/v1/models"} <= set(described)
    for path, methods in described.items():
        for operation in methods.values():
            statuses = set(operation["responses"])
            assert {"200", "421"} <= statuses and not {"500", "502", "504"} & statuses, path


def test_defaults_stay_within_the_limits_of_a_small_service(app):
    response = asked(app, "POST", "/generate", json={"prompt": "a fox"})
    assert response.status_code == 200, response.text
