"""uvicorn, taught two things: not to wait for slow headers, and to end in bounded time."""

from __future__ import annotations

from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..queue.limits import Limits
from ..queue.worker import Worker


class Server(uvicorn.Server):
    """Serve an app; told to end, refuse new orders at once."""

    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self.worker = worker

    async def shutdown(self, sockets: Any = None) -> None:
        """End: what is being drawn has the worker's patience, then it is stopped."""
        self.worker.close()
        await super().shutdown(sockets)


def patient_protocol(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol, which hangs up on who sends headers too slowly.

    uvicorn has a time limit between requests only, so that few can hold many connections.
    """

    class Patient(H11Protocol):
        _late: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            if not self._busy():
                self._wait()
            super().data_received(data)
            if self._busy():
                self._stop_waiting()

        def connection_lost(self, exc: Any) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _busy(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _wait(self) -> None:
            if self._late is None:
                self._late = self.loop.call_later(limits.head_seconds, self._hang_up)

        def _stop_waiting(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _hang_up(self) -> None:
            self._late = None
            if not self._busy() and not self.transport.is_closing():
                self.transport.close()

    return Patient


def server_of(app: Any, worker: Worker, *, grace: int, behind_proxy: bool) -> Server:
    """Return a server of the app, not started yet.

    Only `behind_proxy` are the headers believed by which a proxy names its clients.
    """
    config = uvicorn.Config(
        app,
        http=patient_protocol(worker.limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=behind_proxy,
        forwarded_allow_ips="*" if behind_proxy else None,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(worker.limits.patience) + grace,
    )
    return Server(config, worker)
