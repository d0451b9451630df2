"""The service at an address: slow senders, hang-ups, signals, kill -9, load and abuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from asgi import QUICK, opened

from kandi_nb import cli
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
    line = service.worker.line
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
        assert until(lambda: service.worker.line.running == 1)
        connection.close()
        assert idle(service), "while the model is still held"


def test_who_hangs_up_while_waiting_touches_nobody(service, tiny_roles):
    line = service.worker.line
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


def test_five_seconds_of_load_and_a_hundred_bad_requests(service):
    """Eight clients draw, hang up, send nonsense; each answer is one that it may give."""
    bad = [b"[]", b"{", b'{"prompt": NaN}', b"[" * 9000, b'{"stepz": 1}', b"\xff", b"{}"]
    ends, statuses = time.monotonic() + 5, []

    def good(number):
        with httpx.Client(base_url=service.url, timeout=WAIT) as client:
            while time.monotonic() < ends:
                body = {**FOX, "seed": number, "steps": 2 + number % 2}
                statuses.append(client.post("/generate", json=body).status_code)

    def leaving():
        with httpx.Client(base_url=service.url, timeout=0.05) as client:
            while time.monotonic() < ends:
                try:
                    client.post("/generate", json=LONG)
                except httpx.TimeoutException:
                    time.sleep(0.5)

    def nonsense():
        headers = {"Content-Type": "application/json"}
        with httpx.Client(base_url=service.url, timeout=WAIT) as client:
            for number in range(100):
                content = bad[number % len(bad)]
                answer = client.post("/generate", content=content, headers=headers)
                assert answer.status_code == 422 and answer.json()["detail"]

    with ThreadPoolExecutor(10) as pool:
        futures = [pool.submit(good, n) for n in range(6)]
        futures += [pool.submit(leaving), pool.submit(nonsense)]
        for future in futures:
            future.result(WAIT)
    assert set(statuses) == {200} and len(statuses) > 6
    assert idle(service)
    assert httpx.get(f"{service.url}/health").json()["status"] == "healthy"


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
        assert until(lambda: service.worker.line.running == 1)
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
    with pytest.raises(KandiError, match=r"pip install 'kandi_nb\[serve\]'"):
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


def test_tokens_come_from_lines_and_commas():
    assert tokens_of(f"{TOKEN}\n\n {TOKEN}2 ,{TOKEN}3") == [TOKEN, f"{TOKEN}2", f"{TOKEN}3"]
    assert tokens_of("") == tokens_of(None) == []
    assert is_loopback("localhost") and is_loopback("::1") and not is_loopback("example.org")


def test_a_stopped_service_refuses_connections(tiny):
    with serve(tiny) as service:
        assert httpx.get(f"{service.url}/health").status_code == 200
    assert "stopped" in repr(service)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/health")


@pytest.fixture
def command(tiny_folder):
    """Run `kandi-nb serve` with options; give the process and its address."""
    running = []

    def run(*options):
        model = str(tiny_folder / "kandinsky-2-2-decoder")
        words = [sys.executable, "-m", "kandi_nb.cli", "serve", "--model", model]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [*words, *options], stderr=subprocess.PIPE, text=True, env=environment
        )
        running.append(process)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "serving at" in line:
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return process, line.split()[-1]
        raise AssertionError("".join(lines))

    yield run
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_it_comes_back_after_kill_9_and_ends_in_bounded_time_when_told_to(command):
    body = {**FOX, "steps": 1000, "n": 8, "width": 512}
    process, url = command("--port", "0", "--limit", "steps=1000")
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(httpx.post, f"{url}/generate", json=body, timeout=WAIT)
        assert until(lambda: "running_requests 1.0" in httpx.get(f"{url}/metrics").text)
        process.kill()
        with pytest.raises(httpx.HTTPError):
            running.result(WAIT)
        port = url.rpartition(":")[2]
        process, url = command(
            "--port", port, "--limit", "patience=0.5", "--limit", "steps=1000"
        )
        running = pool.submit(httpx.post, f"{url}/generate", json=body, timeout=WAIT)
        assert until(lambda: "running_requests 1.0" in httpx.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        answer = running.result(WAIT)
        assert answer.status_code == 503 and "ending" in answer.json()["detail"]
        process.wait(WAIT)
        assert time.monotonic() - began < 10
