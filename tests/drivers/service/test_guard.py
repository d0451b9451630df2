"""Who may ask, how much may be sent, how slowly: before the app sees anything."""

from __future__ import annotations

import asyncio

import pytest
from asgi import asked, completed, serving

from kandi_nb.drivers.queue.limits import Limits
from kandi_nb.drivers.service.guard import Guard

TOKEN, OTHER = "a-token-that-is-long-enough", "another-token-of-a-client"
SMALL = Limits(body_bytes=1000, body_seconds=0.2, bytes_in_flight=1500)


class Echo:
    """Answer with what came through."""

    def __init__(self):
        self.bodies = []

    async def __call__(self, scope, receive, send):
        message = await receive()
        self.bodies.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def sent(guard, messages, headers=(), path="/generate"):
    """Send messages to a guard by hand; return the status and headers of its answer."""
    answers, waiting = [], list(messages)
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    scope["headers"] = [(b"host", b"127.0.0.1:8002"), *headers]

    async def receive():
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60)

    async def send(message):
        answers.append(message)

    completed(guard(scope, receive, send))
    start = answers[0] if answers else {"status": None, "headers": []}
    return start["status"], dict(start["headers"])


def part(data, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_arrives_whole_at_the_app():
    echo = Echo()
    assert sent(Guard(echo, SMALL), [part(b"a"), part(b"b"), part(b"", False)])[0] == 200
    assert echo.bodies == [b"ab"]


@pytest.mark.parametrize(
    ("headers", "messages"),
    [
        ([(b"content-length", b"1001")], []),
        ([(b"content-length", b"9" * 5000)], []),
        ([], [part(b"x" * 600), part(b"x" * 600)]),
    ],
)
def test_too_large_a_body_is_refused_announced_or_not(headers, messages):
    echo = Echo()
    guard = Guard(echo, SMALL)
    status, answer = sent(guard, messages, headers)
    assert status == 413 and answer[b"connection"] == b"close" and not echo.bodies
    assert guard.in_flight == 0


def test_a_slow_sender_is_told_and_let_go():
    guard = Guard(Echo(), SMALL)
    status, answer = sent(guard, [part(b"half")])
    assert status == 408 and answer[b"connection"] == b"close" and guard.in_flight == 0


def test_who_hangs_up_within_a_body_is_forgotten():
    echo = Echo()
    guard = Guard(echo, SMALL)
    assert sent(guard, [part(b"half"), {"type": "http.disconnect"}])[0] is None
    assert not echo.bodies and guard.in_flight == 0


def test_all_bodies_together_are_bounded():
    guard = Guard(Echo(), SMALL)
    guard.in_flight = 1000
    status, answer = sent(guard, [part(b"x" * 600)])
    assert status == 503 and answer[b"retry-after"] == b"1" and guard.in_flight == 1000


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]"])
def test_names_of_others_are_not_answered_to(tiny, host):
    with serving(tiny) as app:
        response = asked(app, "GET", "/", headers={"Host": host})
    assert response.status_code == 421 and "127.0.0.1" in response.json()["detail"]


@pytest.mark.parametrize("host", ["LOCALHOST:8002", "127.0.0.1", "[::1]:8002", "box.lan"])
def test_own_names_are_answered_to(tiny, host):
    with serving(tiny, hosts=("localhost", "127.0.0.1", "::1", "box.lan")) as app:
        assert asked(app, "GET", "/health", headers={"Host": host}).status_code == 200


def test_pages_of_other_sites_may_not_ask(tiny):
    with serving(tiny) as app:
        foreign = asked(app, "POST", "/reload", headers={"Origin": "https://evil.example"})
        nowhere = asked(app, "POST", "/reload", headers={"Origin": "null"})
        own = asked(app, "GET", "/", headers={"Origin": "http://127.0.0.1:8002"})
    assert (foreign.status_code, nowhere.status_code, own.status_code) == (403, 403, 200)
    assert not [name for name in own.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {OTHER}", 200),
    ],
)
def test_a_token_is_asked_for(tiny, header, status):
    headers = {"Host": "any.example"} | ({} if header is None else {"Authorization": header})
    with serving(tiny, tokens=(TOKEN, OTHER)) as app:
        response = asked(app, "GET", "/metrics", headers=headers)
        open_to_all = asked(app, "GET", "/health", headers={"Host": "any.example"})
    assert response.status_code == status and open_to_all.status_code == 200
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer" and TOKEN not in response.text


def test_the_documentation_has_a_field_for_the_token(tiny):
    with serving(tiny, tokens=(TOKEN,)) as app:
        described = asked(app, "GET", "/openapi.json").json()
    assert described["components"]["securitySchemes"]
    assert described["paths"]["/generate"]["post"]["security"]
    assert "security" not in described["paths"]["/health"]["get"]


def test_errors_have_the_shape_of_who_is_asked(tiny):
    with serving(tiny, tokens=(TOKEN,)) as app:
        ours, theirs = asked(app, "GET", "/"), asked(app, "GET", "/v1/models")
    assert ours.json()["detail"] == theirs.json()["error"]["message"]
