"""Who may ask, how much may be sent, how slowly: before the app sees anything."""

from __future__ import annotations

import asyncio

import pytest
from asgi import asked, completed, serving

from kandi_nb.drivers.queue.limits import Limits, Refused
from kandi_nb.drivers.service.guard import Guard, client_of
from kandi_nb.drivers.service.requests.receiving import Body, Receiver

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


def sent(guard, messages, headers=(), path="/generate", method="POST"):
    """Send messages to a guard by hand; return the status and headers of its answer."""
    answers, waiting = [], [] if callable(messages) else list(messages)
    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    scope["headers"] = [(b"host", b"127.0.0.1:8002"), *headers]

    async def receive():
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60)

    receive = messages if callable(messages) else receive

    async def send(message):
        answers.append(message)

    completed(guard(scope, receive, send))
    start = answers[0] if answers else {"status": None, "headers": []}
    return start["status"], dict(start["headers"])


def part(data, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_arrives_whole_at_the_app():
    echo = Echo()
    assert (
        sent(Guard(echo, Receiver(SMALL)), [part(b"a"), part(b"b"), part(b"", False)])[0] == 200
    )
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
    guard = Guard(echo, Receiver(SMALL))
    status, answer = sent(guard, messages, headers)
    assert status == 413 and answer[b"connection"] == b"close" and not echo.bodies
    assert guard.receiver.bytes_held == 0


def test_a_slow_sender_is_told_and_let_go():
    guard = Guard(Echo(), Receiver(SMALL))
    status, answer = sent(guard, [part(b"half")])
    assert (
        status == 408 and answer[b"connection"] == b"close" and guard.receiver.bytes_held == 0
    )


def test_who_hangs_up_within_a_body_is_forgotten():
    echo = Echo()
    guard = Guard(echo, Receiver(SMALL))
    assert sent(guard, [part(b"half"), {"type": "http.disconnect"}])[0] is None
    assert not echo.bodies and guard.receiver.bytes_held == 0


class Senders:
    """Send bodies piece by piece to one receiver, by hand, in one loop."""

    def __init__(self, limits):
        self.receiver, self.tasks, self.queues = Receiver(limits), {}, {}

    async def send(self, name, data, more=True):
        """Send a piece of a body; a name is the client's and a number, "a1"."""
        if name not in self.tasks:
            self.queues[name] = asyncio.Queue()
            whole = self.receiver.receive(Body(name[:-1]), self.queues[name].get)
            self.tasks[name] = asyncio.ensure_future(whole)
        self.queues[name].put_nowait(part(data, more))
        for _ in range(10):  # each task gets its turns
            await asyncio.sleep(0)

    async def ended(self, name):
        """Return what became of a body that has ended: True, or the status of its refusal."""
        try:
            return await self.tasks[name]
        except Refused as refused:
            return refused.status

    def going(self):
        return [name for name, task in self.tasks.items() if not task.done()]


def test_half_sent_bodies_make_way_for_what_comes():
    async def sending():
        senders = Senders(Limits(body_bytes=1000, bytes_in_flight=4000))
        for client in "abcd":
            await senders.send(f"{client}1", b"x" * 990)  # nearly all the room, and for ever
        assert senders.going() == ["a1", "b1", "c1", "d1"]
        await senders.send("e1", b"x" * 500, more=False)
        assert await senders.ended("e1") is True, "who pays is served"
        assert await senders.ended("a1") == 408 and senders.going() == ["b1", "c1", "d1"]
        await senders.send("b2", b"x" * 20)
        assert await senders.ended("b1") == 408, "a client's share is a quarter"
        assert "b2" in senders.going() and senders.receiver.bytes_held == 500 + 2 * 990 + 20

    completed(sending())


def test_what_is_whole_keeps_its_room():
    async def sending():
        senders = Senders(Limits(body_bytes=1000, bytes_in_flight=4000))
        for client in "abcd":
            await senders.send(f"{client}1", b"x" * 1000, more=False)
        await senders.send("e1", b"x" * 10)
        assert await senders.ended("e1") == 503
        await senders.send("a2", b"x" * 10)
        assert await senders.ended("a2") == 429

    completed(sending())


def test_the_end_gives_up_what_is_half_there():
    async def sending():
        senders = Senders(Limits())
        await senders.send("a1", b"x")
        senders.receiver.end()
        await senders.send("b1", b"x", more=False)
        assert [await senders.ended(name) for name in ("a1", "b1")] == [503, 503]

    completed(sending())


@pytest.mark.parametrize("path", ["/health", "/docs", "/docs/start.js", "/openapi.json"])
@pytest.mark.parametrize(
    "header", [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")]
)
def test_open_paths_read_no_body(path, header):
    async def never():
        raise AssertionError("a byte was read")

    for method, status in (("GET", 413), ("POST", 200)):
        echo = Echo()
        guard = Guard(echo, Receiver(SMALL), tokens=(TOKEN,))
        got, headers = sent(guard, never, [header], path, method)
        assert (got, headers[b"connection"]) == (status, b"close")
        assert echo.bodies == ([] if method == "GET" else [b""]), "the app says 405 itself"


def test_clients_are_addresses_and_networks():
    clients = ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8::2:1", "::1", "name"]
    known = [client_of({"client": (client, 80)}) for client in clients]
    network = "2001:db8::/64"
    assert known == ["192.0.2.7", "192.0.2.7", network, network, "::1", "name"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]"])
def test_names_of_others_are_not_answered_to(tiny, host):
    with serving(tiny) as app:
        response = asked(app, "GET", "/", headers={"Host": host})
    assert response.status_code == 421 and "127.0.0.1" in response.json()["detail"]


@pytest.mark.parametrize("host", ["LOCALHOST:8002", "127.0.0.1", "[::1]:8002", "box.lan"])
def test_own_names_are_answered_to(tiny, host):
    with serving(tiny, hosts=("localhost", "127.0.0.1", "::1", "box.lan")) as app:
        assert asked(app, "GET", "/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),  # another program's page, on this machine
        ({"Origin": "http://localhost:8002"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:8002"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_other_origins_may_not_ask(headers, status):
    """Not on this machine, either: neither draw nor load anew."""
    every = [(b"host", b"127.0.0.1:8002")]
    every += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    for path in ("/reload", "/generate"):
        guard = Guard(Echo(), Receiver(SMALL))
        got, answered = sent(guard, [part(b"", False)], every[1:], path)
        assert got == status
        assert not [name for name in answered if name.startswith(b"access-control")]


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
