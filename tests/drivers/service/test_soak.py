"""A minute of 64 clients and ten thousand bad requests: `make soak`."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from asgi import QUICK

from kandi_nb.drivers.service.serving import serve

pytestmark = pytest.mark.soak
SECONDS, CLIENTS, BAD = 60, 64, 10_000
MOST_MB = 200  # that the process may grow by, once it is warm
FOX = {"prompt": "a red fox", **QUICK}
NONSENSE = [
    b"", b"[]", b"{", b"null", b'"fox"', b"[" * 20_000, b'{"prompt": NaN}', b"\xff\xfe",
    b'{"prompt": "a", "steps": 1e400}', b'{"prompt": "a", "steps": ' + b"9" * 9000 + b"}",
    b'{"prompt": "a", "guidence": 1}', b'{"prompt": "a", "seed": {"a": [1]}}',
]  # fmt: skip


def settled(service):
    line, ends = service.worker.line, time.monotonic() + 60
    while time.monotonic() < ends and (line.running or line.waiting or line._shares):
        time.sleep(0.05)
    return not (line.running or line.waiting or line._shares)


def memory():
    return psutil.Process().memory_info().rss / 2**20


@pytest.fixture
def service(tiny_roles):
    with serve(tiny_roles, queue=16, per_client=200) as service:
        for count in (1, 8):
            httpx.post(f"{service.url}/generate", json={**FOX, "n": count}, timeout=60)
        yield service


def test_a_minute_of_64_clients_leaves_nothing_behind(service):
    statuses, before = Counter(), memory()
    ends = time.monotonic() + SECONDS

    def client(number):
        rng = random.Random(number)
        with httpx.Client(base_url=service.url) as http:
            while time.monotonic() < ends:
                body = {**FOX, "steps": rng.choice((2, 3, 5)), "n": rng.choice((1, 1, 4))}
                patience = rng.choice((0.02, 60, 60))
                try:
                    answer = http.post("/generate", json=body, timeout=patience)
                except httpx.TimeoutException:
                    statuses["left"] += 1
                    continue
                statuses[answer.status_code] += 1
                if answer.status_code != 200:
                    assert int(answer.headers["Retry-After"]) >= 1
                    time.sleep(0.2)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for future in [pool.submit(client, number) for number in range(CLIENTS)]:
            future.result()
    assert set(statuses) <= {200, 429, 503, "left"} and statuses[200] > 0
    assert settled(service), "no place is stuck"
    assert httpx.get(f"{service.url}/health").status_code == 200
    assert memory() - before < MOST_MB, statuses


def test_ten_thousand_bad_requests_change_nothing(service):
    before = memory()

    def client(number):
        headers = {"Content-Type": "application/json"}
        with httpx.Client(base_url=service.url, timeout=60) as http:
            return Counter(
                http.post(
                    "/generate", content=NONSENSE[n % len(NONSENSE)], headers=headers
                ).status_code
                for n in range(number, BAD, 8)
            )

    with ThreadPoolExecutor(8) as pool:
        statuses = sum(pool.map(client, range(8)), Counter())
    assert statuses == {422: BAD}
    assert settled(service) and memory() - before < MOST_MB
    answer = httpx.post(f"{service.url}/generate", json=FOX, timeout=60)
    assert answer.status_code == 200
