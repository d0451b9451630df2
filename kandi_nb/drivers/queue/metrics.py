"""What a service counts, for Prometheus; each service has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable


class Metrics:
    """Count requests, pictures, batches and waiting times; `text` is what /metrics shows."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        named = {"registry": self.registry, "namespace": "kandi_nb"}
        self.requests = Counter(
            "requests", "answers, by endpoint and status", ["endpoint", "status"], **named
        )
        self.pictures = Counter("pictures", "pictures drawn, by task", ["task"], **named)
        self.failures = Counter(
            "failures", "unforeseen errors, in runs and requests: each is a defect", **named
        )
        self.runs = Histogram(
            "run_seconds", "how long a run of the model took",
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300), **named,
        )  # fmt: skip
        self.waits = Histogram(
            "wait_seconds", "how long requests waited for their run",
            buckets=(0.01, 0.1, 1, 3, 10, 30, 100, 300), **named,
        )  # fmt: skip
        self.batches = Histogram(
            "batch_pictures", "how many pictures a run drew together",
            buckets=(1, 2, 4, 8, 16, 32), **named,
        )  # fmt: skip
        self._queue = Gauge("queue_requests", "requests that wait", **named)
        self._running = Gauge("running_requests", "requests that are being drawn", **named)

    def watch(self, waiting: Callable[[], int], running: Callable[[], int]) -> None:
        """Ask these two whenever somebody looks."""
        self._queue.set_function(waiting)
        self._running.set_function(running)

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
