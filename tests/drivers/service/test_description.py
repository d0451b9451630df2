"""The service answers what its own description says, whatever is sent: by schemathesis."""

from __future__ import annotations

import pytest
import schemathesis
from asgi import asked, serving
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    status_code_conformance,
    unsupported_method,
)

EXAMPLES = 4
NAMES = ("testserver", "127.0.0.1")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    unsupported_method,
]


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


POSTS = ("generate", "edit", "inpaint", "mix", "v1/images/generations", "v1/images/edits")
GETS = ("/", "/health", "/metrics", "/v1/models")


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *(("POST", f"/{name}", mode) for name in POSTS for mode in GenerationMode),
        *(("GET", path, GenerationMode.POSITIVE) for path in GETS),
        ("POST", "/reload", GenerationMode.POSITIVE),
    ],
)
def test_every_answer_is_one_that_is_described(described, method, path, mode):
    """Good and bad bodies; that good ones are taken is asked where no picture is needed."""
    good = path in ("/generate", "/v1/images/generations") and mode == GenerationMode.POSITIVE

    @given(case=described[path][method].as_strategy(generation_mode=mode))
    # The same examples each time: a build must not hang on luck.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def answered(case):
        response = case.call()
        case.validate_response(response, checks=CHECKS)
        if good and response.status_code != 200:
            lines = ("pixels", "not loaded", "draws with", "same setting", "size", "half")
            assert any(line in response.text for line in lines), response.text

    answered()


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
