"""Clients that come and go, and thousands of bad requests: short here, long in `make soak`."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import httpx
import psutil
import pytest
from asgi import QUICK, asked, commands, completed, dry_run, serving
from fuzz import request

from kandi_nb.drivers.queue import worker
from kandi_nb.drivers.service.serving import serve

FOX = {"prompt": "a red fox", **QUICK}
FORESEEN = {200, 204, 400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429}
WAIT = 60  # seconds: never reached when all is well


# Clients that come and go


def clients(url, count, seconds):
    """Let clients ask, of whom a third hang up; return their answers, and /health's times."""
    statuses, healths, ends = Counter(), [], time.monotonic() + seconds

    def client(number):
        rng = random.Random(number)
        with httpx.Client(base_url=url, timeout=WAIT) as http:
            while time.monotonic() < ends:
                body = {**FOX, "steps": rng.choice((2, 3, 5)), "n": rng.choice((1, 1, 4))}
                patience = rng.uniform(0.02, 0.3) if number % 3 == 0 else WAIT
                try:
                    answer = http.post("/generate", json=body, timeout=patience)
                except httpx.TimeoutException:
                    statuses["left"] += 1
                    continue
                statuses[answer.status_code] += 1

    def monitor():
        with httpx.Client(base_url=url, timeout=WAIT) as http:
            while time.monotonic() < ends:
                healths.append(answer_seconds(http))
                time.sleep(min(0.5, seconds / 100))

    with ThreadPoolExecutor(count + 1) as pool:
        futures = [pool.submit(client, number) for number in range(count)]
        for future in [*futures, pool.submit(monitor)]:
            future.result()
    return statuses, healths


def answer_seconds(http):
    began = time.perf_counter()
    assert http.get("/health").json()["status"] == "healthy"
    return time.perf_counter() - began


def p95(seconds):
    return statistics.quantiles(seconds, n=20)[-1]


def at_rest(url, count=40):
    with httpx.Client(base_url=url, timeout=WAIT) as http:
        return p95([answer_seconds(http) for _ in range(count)])


def metrics(url):
    return httpx.get(f"{url}/metrics").text.splitlines()


def settled(url, line=None):
    """Tell whether nobody waits, nothing is drawn and no place is taken, at last.

    What was sent before its client hung up may come in after all is quiet.
    """
    ends, idle = time.monotonic() + WAIT, {"kandi_nb_queue_requests 0.0"}
    idle.add("kandi_nb_running_requests 0.0")
    while time.monotonic() < ends:
        if idle <= set(metrics(url)) and (line is None or not line._shares):
            return True
        time.sleep(0.05)
    return False


def test_clients_come_and_go_and_leave_nothing_behind(tiny_roles):
    with serve(tiny_roles, queue=64, per_client=64) as service:
        statuses, _ = clients(service.url, 24, 2)
        assert settled(service.url, service.worker.queue), "no place is stuck"
        assert "kandi_nb_failures_total 0.0" in metrics(service.url)
    assert statuses.keys() == {200, "left"}, "all who wait are served"


@pytest.mark.soak
def test_ten_minutes_of_64_clients_change_neither_memory_nor_health(tiny_folder):
    """Prints the line for docs/service.md; its figures want a machine with nothing to do."""
    count, seconds = 64, float(os.environ.get("SOAK_SECONDS", "600"))
    with commands(tiny_folder, [sys.executable]) as run, ThreadPoolExecutor(1) as pool:
        process, url = run("--port", "0", "--limit", "queue=64", "--limit", "per_client=64")
        memory = psutil.Process(process.pid).memory_info
        idle, load = at_rest(url), os.getloadavg()[0]
        asking = pool.submit(clients, url, count, seconds)
        every = []
        while not asking.done():
            time.sleep(min(1, seconds / 60))
            every.append(memory().rss / 2**20)
        statuses, healths = asking.result()
        assert settled(url), "no place is stuck"
        assert "kandi_nb_failures_total 0.0" in metrics(url)
    tenth = len(every) // 10
    minutes = [every[first : first + tenth] for first in range(tenth, 10 * tenth, tenth)]
    rests = [statistics.median(minute) for minute in minutes]  # between runs of the model
    peaks = [max(minute) for minute in minutes]  # with what the largest of its runs needs
    print(
        f"\n* {count} clients for {seconds / 60:g} minutes, a third of them hanging up "
        f"({time.strftime('%Y-%m-%d')}, load {load:.1f} before): {statuses[200]:,} drawn, "
        f"{statuses['left']:,} left, {statuses[429] + statuses[503]:,} sent away, none else; "
        f"memory in the second minute {rests[0]:.0f} MB between runs and {peaks[0]:.0f} at "
        f"most, in those that follow {min(rests):.0f} to {max(rests):.0f} and "
        f"{min(peaks):.0f} to {max(peaks):.0f}; 95 of 100 calls of `/health` within "
        f"{1000 * p95(healths):.0f} ms (idle {1000 * idle:.0f})."
    )
    assert statuses.keys() <= {200, 429, 503, "left"} and statuses[200] > 0
    for of_minutes in (rests, peaks):
        least, most = min(of_minutes), max(of_minutes)
        assert 0.95 * of_minutes[0] <= least and most <= 1.05 * of_minutes[0]
    assert p95(healths) <= max(0.05, 10 * idle)


# Requests of any kind


async def answer_to(app, number):
    """Return the status and the body of an app's answer to a request of the fuzz."""
    method, path, headers, body = request(number)
    path, _, query = path.partition("?")
    if not any(name == b"Host" for name, _ in headers):
        headers = [(b"Host", b"127.0.0.1"), *headers]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": method, "path": unquote(path), "raw_path": path.encode(), "root_path": "",
        "query_string": query.encode(), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(name.lower(), value) for name, value in headers],
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent = []

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), WAIT)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def answers_to(app, numbers):
    """Return the answers to requests of the fuzz, of which four are under way at a time."""
    numbers, answers = iter(numbers), {}

    async def client():
        for number in numbers:
            answers[number] = await answer_to(app, number)

    async def every():
        await asyncio.gather(*[client() for _ in range(4)])

    completed(every())
    return answers


def is_foreseen(status, body):
    """Tell whether an answer is a picture or page, or one line that says what is wrong."""
    if status not in FORESEEN:
        return False
    if status < 400 or not body:  # HEAD has no body
        return True
    detail = httpx.Response(status, content=body).json()
    line = detail["error"]["message"] if "error" in detail else detail["detail"]
    return (
        isinstance(line, str) and line.strip() != "" and "\n" not in line and len(line) < 2000
    )


@pytest.mark.parametrize(
    ("numbers", "draws"),
    [(range(150), False), pytest.param(range(150, 3150), True, marks=pytest.mark.soak)],
)
def test_no_request_has_an_unforeseen_answer(tiny_roles, monkeypatch, numbers, draws):
    if not draws:
        monkeypatch.setattr(worker, "call", dry_run)
    limits = {"steps": 3, "count": 2, "pixels": 64 * 128, "window": 0.0}
    with serving(tiny_roles, limits=limits) as app:
        answers = answers_to(app, numbers)
        bad = {n: (request(n)[:3], a) for n, a in answers.items() if not is_foreseen(*a)}
        assert not bad
        statuses = Counter(status for status, _ in answers.values())
        assert len(answers) == len(numbers) and {200, 404, 405, 415, 422} <= statuses.keys()
        counted = app.state.worker.metrics.text()
        assert b"kandi_nb_failures_total 0.0" in counted
        assert app.state.receiver.bytes_held == 0 and not app.state.worker.queue._shares
        assert asked(app, "POST", "/generate", json=FOX).status_code == 200
        assert asked(app, "GET", "/health").json()["status"] == "healthy"
    print(f"\n{len(answers):,} requests of a seeded fuzz: {dict(sorted(statuses.items()))}")
