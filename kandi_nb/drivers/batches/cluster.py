"""Draw on a Ray cluster: an actor a worker, on whichever node has room.

The pictures stay the truth, on a disk that all nodes share; Ray moves rows one way and reports
the other. So an actor, or a node with all its actors, may die at any moment.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...words.errors import KandiError, line_of, quote
from ...words.extras import check_extra
from ...words.files import write
from .engines import RESTARTS, STARTS, Done
from .folder.claims import HIDDEN
from .rows.runs import Run
from .worker import Order, Unsaved, Worker

_ANSWERS = 5.0  # seconds in which a cluster must


def check_cluster(address: str | None) -> None:
    """Raise KandiError unless Ray is installed and the cluster answers."""
    remedy = "or leave engine out and take workers on this machine"
    check_extra("ray", 'engine="ray"', "ray", otherwise=remedy)
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None or address in ("auto", "local"):
        return
    place = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        if not place.hostname or not place.port:
            raise KandiError(
                f"an address is host:port, such as head:6379, not {quote(address)}"
            )
        socket.create_connection((place.hostname, place.port), _ANSWERS).close()
    except (OSError, ValueError) as error:
        raise KandiError(
            f"no Ray cluster answers at {address} ({error}); start one: ray start --head, or "
            "leave the address out: Ray then starts on this machine"
        ) from None


class Cluster:
    """Draw by actors; one that dies is replaced, and its runs are handed out again.

    Not by `ray.util.ActorPool`: it does not say which of its actors died with which runs.
    """

    def __init__(self, order: Order, workers: int, address: str | None) -> None:
        import ray

        self._ray, self._order = ray, order
        self._ours = not ray.is_initialized()
        if self._ours:
            address = address or os.environ.get("RAY_ADDRESS")
            # Started here it listens on the loopback address alone, and serves no page.
            own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
            try:
                ray.init(
                    address,
                    log_to_driver=False,
                    configure_logging=False,
                    **(own if address in (None, "local") else {}),
                )
            except Exception as error:  # Ray raises many kinds
                raise _refusal(error) from None
        needs = {"num_gpus": 1} if ray.cluster_resources().get("GPU") else {"num_cpus": 1}
        self._actor = ray.remote(max_restarts=0, **needs)(_Actor)
        self._probe = write(
            order.folder / HIDDEN / f"probe-{secrets.token_hex(8)}", b"do all nodes see this?"
        )
        self._failed_starts, self._most = 0, STARTS
        # What is awaited → the actor, and the runs that it has.
        self._at: dict[Any, tuple[Any, Sequence[Run] | None]] = {}
        self._idle: list[Any] = []
        for _ in range(workers):
            self._start()

    def idle(self) -> int:
        return len(self._idle)

    def submit(self, runs: Sequence[Run]) -> None:
        actor = self._idle.pop()
        self._at[actor.do.remote(runs)] = actor, runs

    def collect(self, seconds: float) -> list[Done]:
        if not self._at:
            return []
        ended, _ = self._ray.wait(list(self._at), num_returns=1, timeout=seconds)
        return [done for one in ended if (done := self._hear(one)) is not None]

    def close(self) -> None:
        # Whatever they are at: a picture is there or not, and claims end with the process.
        for actor in [*self._idle, *(actor for actor, _ in self._at.values())]:
            self._ray.kill(actor)
        self._probe.unlink(missing_ok=True)
        if self._ours:
            self._ray.shutdown()

    def _start(self) -> None:
        actor = self._actor.remote(self._order)
        self._at[actor.begin.remote(str(self._probe))] = actor, None

    def _hear(self, ended: Any) -> Done | None:
        actor, runs = self._at.pop(ended)
        try:
            kind, content = self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            return self._replace(runs, error)
        if kind == "refused":
            raise KandiError(content)
        if kind == "unsaved":
            raise Unsaved(content)
        self._failed_starts, self._most = 0, RESTARTS
        self._idle.append(actor)
        return Done(runs, content) if runs is not None else None

    def _replace(self, runs: Sequence[Run] | None, error: Exception) -> Done | None:
        why = type(error).__name__
        if runs is None:
            self._failed_starts += 1
        if self._failed_starts >= self._most:
            raise KandiError(
                f"the actors end before they can draw ({line_of(error)}); see that kandi_nb is "
                "installed on each node, and that memory suffices"
            )
        self._start()
        return None if runs is None else Done(runs, lost=f"its actor died ({why})")


def _refusal(error: Exception) -> KandiError:
    if "timed out during startup" in str(error):
        return KandiError(
            "Ray gives its own processes 30 s to start, which was too little on this machine "
            "just now: call it again when less else runs, give the address of a cluster that "
            "runs already (ray start --head), or leave engine out"
        )
    return KandiError(f"the Ray cluster does not take this batch: {error}")


class _Actor:
    """Hold a worker on some node."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def begin(self, probe: str) -> tuple[str, Any]:
        """Load the model; refuse where this node does not see the batch's folder."""
        if not Path(probe).exists():
            node, folder = socket.gethostname(), self._order.folder
            return "refused", (
                f"the node {node} does not see {folder}; out must lie on a disk that all nodes "
                "share"
            )
        try:
            self._worker = Worker(self._order)
        except KandiError as error:
            return "refused", str(error)
        return "ready", None

    def do(self, runs: Sequence[Run]) -> tuple[str, Any]:
        try:
            return "done", self._worker.do(runs)
        except Unsaved as error:
            return "unsaved", str(error)
