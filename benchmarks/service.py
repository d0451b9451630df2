"""Measure the service: pictures a minute against the bare task, and /health while it draws.

    .venv/bin/python benchmarks/service.py          # the bundled model, a minute or two
    .venv/bin/python benchmarks/service.py --clients 16 --each 3

Prints pictures a minute of the bare task in one call, of one client after the other and of all
clients at once, and how long /health takes at rest and while it draws (the slowest of twenty).
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

import kandi_nb as kn

SHARING_GOAL = 2.0  # times as many pictures a minute as one by one
HEALTH_GOAL = 0.05  # seconds, or ten times what it takes at rest
PROMPT = "a red fox in a snowy forest"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini-2.2")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--each", type=int, default=2, help="pictures of each client")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    k = kn.load(options.model)
    body = {"prompt": PROMPT, "steps": options.steps, "prior_steps": options.steps}
    count = options.clients * options.each
    with kn.serve(k, queue=2 * options.clients, per_client=2 * options.clients) as service:
        fields = [{**body, "seed": seed} for seed in range(count)]
        requests(service.url, fields[:2], 1)
        bare = timed(lambda: kn.generate(k, [kn.Params(**one) for one in fields]))
        one = timed(lambda: requests(service.url, fields, 1))
        shared = timed(lambda: requests(service.url, fields, options.clients))
        rest = slow(service.url, threading.Event())
        drawing = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(requests, service.url, fields, options.clients)
            busy.add_done_callback(lambda _: drawing.set())
            under_load = slow(service.url, drawing)
    for name, seconds in {"bare task": bare, "one by one": one, "at once": shared}.items():
        print(f"{name:<12} {count / seconds * 60:7.0f} pictures a minute")
    print(f"at once against one by one: {one / shared:.2f} × (goal {SHARING_GOAL:g} ×)")
    print(f"at once against the bare task: {bare / shared:.2f} ×")
    goal = max(HEALTH_GOAL, 10 * rest)
    print(f"/health, p95: {rest:.4f} s at rest, {under_load:.4f} s drawing (goal {goal:.3f})")


def requests(url: str, fields: list[dict], clients: int) -> None:
    """Ask for pictures from several clients, each with a connection of its own."""

    def client(number: int) -> None:
        with httpx.Client(base_url=url, timeout=600) as http:
            for one in fields[number::clients]:
                http.post("/generate", json=one).raise_for_status()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))


def timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def slow(url: str, over: threading.Event) -> float:
    """Return the 95th percentile of the seconds that /health takes, until `over` or 100."""
    seconds = []
    with httpx.Client(base_url=url, timeout=60) as http:
        while len(seconds) < 20 or (len(seconds) < 100 and not over.is_set()):
            seconds.append(timed(lambda: http.get("/health").raise_for_status()))
            time.sleep(0.01)
    return statistics.quantiles(seconds, n=20)[-1]


if __name__ == "__main__":
    main()
