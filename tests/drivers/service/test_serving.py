"""The service at an address: slow senders, hang-ups, signals, kill -9, load and abuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from asgi import QUICK, commands, opened

from kandi_nb import cli
from kandi_nb.drivers.service import server
from kandi_nb.drivers.service.serving import is_loopback, serve, tokens_of
from kandi_nb.words.errors import KandiError

WAIT = 30  # seconds: never reached when all is well
FOX = {"prompt": "a red fox", **QUICK}
LONG = {**FOX, "steps": 60}  # about half a second
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def service(tiny_roles):
    limits = {"head_seconds": 1.0, "body_seconds": 2.0, "body_bytes": 10_000}
    with serve(tiny_roles, **limits) as service:
        yield service


def until(true, seconds=WAIT):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.01)
    return False


def idle(service):
    line = service.worker.queue
    return until(lambda: line.running == line.waiting == 0 and not line._shares)


def connected(service):
    host, port = service.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=WAIT)


def raw(body, length=None):
    size = len(body) if length is None else length
    head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + body


def test_it_listens_on_a_free_port_of_this_machine_alone(service):
    assert service.url.startswith("http://127.0.0.1:") and "running" in repr(service)
    response = httpx.post(f"{service.url}/generate", json={**FOX, "seed": 7}, timeout=WAIT)
    assert response.status_code == 200 and opened(response.content).size == (64, 64)
    assert "server" not in response.headers


# Slow senders and half bodies


@pytest.mark.parametrize("beginning", [b"", b"POST /generate HTTP/1.1\r\nHost: a"])
def test_who_sends_no_whole_headers_is_hung_up_on(service, beginning):
    with connected(service) as connection:
        connection.sendall(beginning)
        assert connection.recv(1000) == b""


def test_slow_headers_of_a_second_request_are_not_waited_for_either(service):
    with connected(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):  # head and body may come one after the other
            answer += connection.recv(10_000)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost:")
        assert connection.recv(1000) == b""


def test_half_a_body_is_answered_and_the_connection_ends(service):
    with connected(service) as connection:
        connection.sendall(raw(b'{"prompt"', length=50))
        answer = connection.recv(10_000)
        assert b" 408 " in answer.split(b"\r\n")[0] and b"connection: close" in answer.lower()
    assert idle(service)


def test_a_body_in_crumbs_is_refused(service):
    """A piece costs as much as a kilobyte: a megabyte of them stopped everybody for seconds."""
    head = raw(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with connected(service) as connection:
        connection.sendall(head + b"1\r\n \r\n" * 1500)
        assert b" 400 " in connection.recv(10_000).split(b"\r\n")[0]
    body = json.dumps({**FOX, "steps": 0}).encode()
    whole = b"".join(b"1\r\n" + body[n : n + 1] + b"\r\n" for n in range(len(body)))
    with connected(service) as connection:
        connection.sendall(head + whole + b"0\r\n\r\n")
        assert b" 422 " in connection.recv(10_000).split(b"\r\n")[0], "a few may be"


def test_who_sends_far_too_much_reads_why_it_was_refused(service):
    """Closed within the sending, the connection was reset, and the answer was lost."""
    request = urllib.request.Request(f"{service.url}/generate", data=bytes(17 << 20))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=WAIT)
    assert refused.value.code == 413 and b"send a smaller one" in refused.value.read()


def test_who_goes_on_sending_is_hung_up_on(service):
    with connected(service) as connection:
        connection.sendall(raw(b"x" * 100, length=10**9))
        answer = connection.recv(10_000)
        assert b" 413 " in answer.split(b"\r\n")[0]
        connection.sendall(b"x" * 100_000)
        while more := connection.recv(1000):  # headers and words may come one by one
            answer += more
        assert answer.count(b"HTTP/1.1") == 1, "what is dropped has its time"
    assert idle(service)


def test_the_end_of_a_refusal_is_said_while_the_rest_is_dropped(service, monkeypatch):
    monkeypatch.setattr(server, "_UNREAD_SECONDS", 10 * WAIT)
    with connected(service) as connection:
        connection.sendall(raw(b"x" * 100, length=10**9))
        while connection.recv(10_000):
            pass
        connection.sendall(b"x" * 100_000)
        assert service._server.server_state.connections, "what comes is read still"
    assert idle(service)


def test_idle_connections_make_way_for_new_ones(tiny):
    with serve(tiny, connections=3) as few:
        idle = [connected(few) for _ in range(3)]
        assert httpx.get(f"{few.url}/health").status_code == 200
        assert idle[0].recv(10) == b"", "the oldest was closed"
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("reads", [False, True])
def test_who_reads_no_answer_is_hung_up_on(tiny, reads):
    """Eight megabytes of answers lie ready; who takes them, slowly, keeps the connection."""
    with serve(tiny, body_seconds=0.3) as few:
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        count = 8 * 2**20 // len(httpx.get(f"{few.url}/openapi.json").content)
        held = few._server.server_state.connections
        assert until(lambda: not held), "httpx has closed its own"
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
            connection.settimeout(WAIT)
            host, port = few.url.removeprefix("http://").split(":")
            connection.connect((host, int(port)))
            connection.sendall(ask * count)
            if reads:
                answers = 0
                while answers < count:
                    answers += connection.recv(2**16).count(b"HTTP/1.1 200")
                assert len(held) == 1
            else:
                assert until(lambda: len(held) == 1) and until(lambda: not held)
        assert httpx.get(f"{few.url}/health").status_code == 200, "the others are served"


def test_too_large_a_body_is_refused_before_it_is_sent(service):
    with connected(service) as connection:
        connection.sendall(raw(b"", length=10**9))
        assert b" 413 " in connection.recv(10_000)


# Hanging up at every stage


@pytest.mark.parametrize("stage", ["headers", "body"])
def test_who_hangs_up_while_sending_leaves_nothing_behind(service, stage):
    with connected(service) as connection:
        connection.sendall(raw(json.dumps(FOX).encode())[: 30 if stage == "headers" else -5])
    assert idle(service)
    assert httpx.post(f"{service.url}/generate", json=FOX, timeout=WAIT).status_code == 200


def test_who_hangs_up_while_it_is_drawn_frees_its_place(service, tiny_roles):
    with tiny_roles.lock, connected(service) as connection:  # the run waits for the model
        connection.sendall(raw(json.dumps(FOX).encode()))
        assert until(lambda: service.worker.queue.running == 1)
        connection.close()
        assert idle(service), "while the model is still held"


def test_who_hangs_up_while_waiting_touches_nobody(service, tiny_roles):
    line = service.worker.queue
    with ThreadPoolExecutor(1) as pool:
        with tiny_roles.lock, connected(service) as connection:
            more = {"json": {**FOX, "prompt": "first"}, "timeout": WAIT}
            first = pool.submit(httpx.post, f"{service.url}/generate", **more)
            assert until(lambda: line.running == 1)
            connection.sendall(raw(json.dumps({**FOX, "steps": 3}).encode()))
            assert until(lambda: line.waiting == 1)
            connection.close()
            assert until(lambda: line.waiting == 0), "at once, while the first is held"
            assert line.running == 1
        assert first.result(WAIT).status_code == 200
    assert idle(service)


# Load


def test_health_is_answered_while_it_draws(service):
    def taken(count):
        with httpx.Client(base_url=service.url, timeout=WAIT) as client:
            seconds = []
            for _ in range(count):
                began = time.perf_counter()
                assert client.get("/health").status_code == 200
                seconds.append(time.perf_counter() - began)
            return statistics.quantiles(seconds, n=20)[-1]

    at_rest = taken(40)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(httpx.post, f"{service.url}/generate", json=LONG, timeout=WAIT)
        assert until(lambda: service.worker.queue.running == 1)
        drawing = taken(20)
        assert busy.result(WAIT).status_code == 200
    assert drawing <= max(0.5, 10 * at_rest), "a loaded machine is slow: see the bench"


# Beginning and ending


def test_a_port_in_use_is_said_before_a_model_is_loaded(service):
    port = int(service.url.rpartition(":")[2])
    with pytest.raises(KandiError, match=f"port {port} is in use"):
        serve("no such model", port=port)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"host": "0.0.0.0"}, "needs a token"),
        ({"host": "::"}, "needs a token"),
        ({"host": "203.0.113.7", "token": TOKEN}, "no address of this machine"),
        ({"token": "short"}, "16 or more"),
        ({"port": 70_000}, "from 0 to 65535"),
        ({"queues": 4}, "did you mean queue?"),
        ({"queue": 0}, "queue is a whole number from 1"),
    ],
)
def test_what_cannot_be_served_is_said_before_a_model_is_loaded(more, says):
    with pytest.raises(KandiError, match=says):
        serve("no such model", **more)


def test_without_its_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kandi_nb.drivers.service.app", None)
    with pytest.raises(KandiError, match=r'pip install -e "\S+\[serve\]"'):
        serve("no such model")


def test_a_model_that_is_not_there_is_said_and_leaves_its_port_free(tiny):
    with pytest.raises(KandiError, match="no such model"):
        serve("no such model")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "needs a token"),
        (["--port", "{taken}"], "is in use"),
        (["--port", "many"], "a port is a whole number"),
        (["--token-file", "none.txt"], "none.txt cannot be read"),
        (["--token-file", "{empty}"], "holds no token"),
        (["--limit", "queues=4"], "did you mean queue?"),
        (["--limit", "queue=few"], "queue is a whole number"),
        (["--behind-proxy", "many"], "how many there are"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    service, tmp_path, monkeypatch, capsys, options, says
):
    monkeypatch.delenv("KANDINSKY_SERVICE_TOKEN", raising=False)
    (tmp_path / "empty.txt").write_text("\n")
    known = {"taken": service.url.rpartition(":")[2], "empty": tmp_path / "empty.txt"}
    words = [word.format(**known) for word in options]
    assert cli.main(["serve", "--model", "no such model", *words]) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("proxies", "headers", "client"),
    [
        (0, [("X-Forwarded-For", "192.0.2.1")], "127.0.0.1"),
        (1, [("X-Forwarded-For", "192.0.2.9, 192.0.2.1")], "192.0.2.1"),  # 9: a lie
        (1, [("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-For", "192.0.2.1")], "192.0.2.1"),
        (2, [("X-Forwarded-For", "192.0.2.9, 192.0.2.1, 192.0.2.5")], "192.0.2.1"),
        (2, [("X-Forwarded-For", "192.0.2.1")], "192.0.2.1"),
        (1, [("X-Forwarded-For", "[2001:db8::1]:80")], "2001:db8::1"),
        (1, [("X-Forwarded-For", "192.0.2.9, somebody")], "127.0.0.1"),
        (1, [], "127.0.0.1"),
    ],
)
def test_a_client_is_whom_the_last_proxy_names(proxies, headers, client):
    from asgi import completed

    from kandi_nb.drivers.service.server import Forwarded

    seen = []

    async def app(scope, receive, send):
        seen.append(scope["client"][0])

    every = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "headers": every, "client": ("127.0.0.1", 5), "scheme": "http"}
    completed((Forwarded(app, proxies) if proxies else app)(scope, None, None))
    assert seen == [client]


def test_tokens_come_from_lines_and_commas():
    assert tokens_of(f"{TOKEN}\n\n {TOKEN}2 ,{TOKEN}3") == [TOKEN, f"{TOKEN}2", f"{TOKEN}3"]
    assert tokens_of("") == tokens_of(None) == []
    assert is_loopback("localhost") and is_loopback("::1") and not is_loopback("example.org")


@pytest.mark.parametrize("token", [5, b"bytes-that-are-long-enough", [5], {"a": 1}, 1.5])
def test_a_token_that_is_no_text_is_refused_in_a_line(token):
    with pytest.raises(KandiError, match=r"a token is text|tokens are texts"):
        tokens_of(token)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_file_of_tokens_may_be_a_pipe_that_ends(tmp_path, monkeypatch):
    from kandi_nb.drivers.commands.services import serve as command

    ours, theirs = os.pipe()
    writing = os.fdopen(theirs, "w")
    threading.Timer(0.05, lambda: (writing.write(TOKEN), writing.close())).start()
    assert command._tokens(f"/dev/fd/{ours}") == [TOKEN]  # what a shell makes of <(…)
    os.mkfifo(tmp_path / "pipe")  # nobody writes there
    monkeypatch.setattr(command, "_PIPE_SECONDS", 0.1)
    ours, theirs = os.pipe()  # somebody may still write there
    (tmp_path / "big").write_bytes(b"a" * 2**17)
    for file, says in (
        (tmp_path / "pipe", "holds no token"),
        (f"/dev/fd/{ours}", "does not end"),
        (tmp_path / "big", "more than 65,536 bytes"),
        ("/dev/zero", "is a device"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(KandiError, match=says):
            command._tokens(str(file))


def test_told_twice_to_end_it_says_so_and_never_500(tiny):
    body = {**FOX, "steps": 200, "n": 8}
    service = serve(tiny)
    with ThreadPoolExecutor(1) as pool, tiny.lock:
        waiting = pool.submit(httpx.post, f"{service.url}/generate", json=body, timeout=WAIT)
        assert until(lambda: service.worker.queue.running == 1)
        # As the second Ctrl-C has it.
        service._server.should_exit = service._server.force_exit = True
        answer = waiting.result(WAIT)
        assert answer.status_code == 503 and "ending" in answer.json()["detail"]
        assert answer.json().keys() == {"detail"}
    service.stop()


def test_a_stopped_service_refuses_connections(tiny):
    with serve(tiny) as service:
        assert httpx.get(f"{service.url}/health").status_code == 200
    assert "stopped" in repr(service)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/health")


@pytest.fixture
def command(tiny_folder, quick_python):
    with commands(tiny_folder, quick_python) as run:
        yield run


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_it_comes_back_after_kill_9_and_ends_in_bounded_time_when_told_to(command):
    body = {**FOX, "steps": 1000, "n": 8, "width": 512}
    long = ("--limit", "steps=1000", "--limit", "deadline=1000000")
    process, url = command("--port", "0", *long)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(httpx.post, f"{url}/generate", json=body, timeout=WAIT)
        assert until(lambda: "running_requests 1.0" in httpx.get(f"{url}/metrics").text)
        process.kill()
        with pytest.raises(httpx.HTTPError):
            running.result(WAIT)
        port = url.rpartition(":")[2]
        process, url = command("--port", port, "--limit", "patience=0.5", *long)
        running = pool.submit(httpx.post, f"{url}/generate", json=body, timeout=WAIT)
        assert until(lambda: "running_requests 1.0" in httpx.get(f"{url}/metrics").text)
        half = socket.create_connection(("127.0.0.1", int(port)), timeout=WAIT)
        half.sendall(raw(b'{"prompt"', length=50))
        assert until(lambda: httpx.get(f"{url}/health").status_code == 200)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert b" 503 " in half.recv(10_000).split(b"\r\n")[0]
        answer = running.result(WAIT)
        assert answer.status_code == 503 and "ending" in answer.json()["detail"]
        process.wait(WAIT)
        assert time.monotonic() - began < 10, "its patience, and no half-sent body's time"
        assert process.returncode == -signal.SIGTERM, "not aborted in the middle of a step"
        half.close()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_second_ctrl_c_ends_it_at_once_and_nobody_gets_500(command):
    long = ("--limit", "steps=1000", "--limit", "deadline=1000000", "--limit", "patience=1000")
    process, url = command("--port", "0", *long)
    body = {**FOX, "steps": 1000, "n": 8, "width": 512}
    with ThreadPoolExecutor(3) as pool:
        asking = [
            pool.submit(httpx.post, f"{url}/generate", json={**body, "seed": n}, timeout=WAIT)
            for n in range(3)  # some are drawn, some may wait
        ]
        assert until(lambda: "running_requests 0.0" not in httpx.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGINT)

        def refused():
            try:
                return httpx.get(f"{url}/health").status_code == 503
            except httpx.TransportError:  # nobody listens any more
                return True

        assert until(refused), "the first is being heeded"
        process.send_signal(signal.SIGINT)
        for waiting in asking:
            try:
                answer = waiting.result(WAIT)
            except httpx.RemoteProtocolError:
                continue  # hung up on
            assert answer.status_code == 503 and "ending" in answer.json()["detail"]
    process.wait(WAIT)
    process.heard.join(WAIT)
    said = "".join(process.said)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "terminate" not in said
