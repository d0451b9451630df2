"""The same service on several machines, by Ray Serve: one model, one queue a replica.

    pip install "ray[serve]" ".[serve]"
    export KANDINSKY_SERVICE_TOKEN=…
    serve run deploy.ray_service:service

Ray spreads the requests; what a replica cannot take it refuses with Retry-After, as a single
service does, and `kn.Client` comes again. Set KANDINSKY_MODEL, KANDINSKY_REPLICAS and
KANDINSKY_GPUS (GPUs a replica, 0 for none) before it starts.
"""

from __future__ import annotations

import os

from ray import serve

MODEL = os.environ.get("KANDINSKY_MODEL", "mini-2.2")
REPLICAS = int(os.environ.get("KANDINSKY_REPLICAS", "2"))
GPUS = float(os.environ.get("KANDINSKY_GPUS", "0"))
WORKERS: list = []  # of this process: a replica has one


def app():
    """Return the app of one replica; Ray calls this where the replica runs."""
    from kandi_nb.drivers.queue.worker import Worker
    from kandi_nb.drivers.service.app import make_app
    from kandi_nb.drivers.service.serving import TOKEN, loader, tokens_of

    worker = Worker(loader(MODEL)).start()
    WORKERS.append(worker)
    return make_app(worker, tokens=tokens_of(os.environ.get(TOKEN)))


@serve.deployment(
    num_replicas=REPLICAS,
    max_ongoing_requests=64,  # more than a replica's queue: it refuses in its own words
    ray_actor_options={"num_cpus": 4 if GPUS else 1, "num_gpus": GPUS},
    graceful_shutdown_timeout_s=30,
)
@serve.ingress(app)
class Service:
    """Hold one model behind one queue."""

    def check_health(self) -> None:
        """Let Ray replace a replica that draws no more."""
        from deploy.ray_service import WORKERS

        if not all(worker.healthy for worker in WORKERS):
            raise RuntimeError("the worker draws no more")


service = Service.bind()
