"""uvicorn, taught to count, to hang up on who is slow, and to end in bounded time."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..queue.limits import Limits
from ..queue.worker import Worker
from .requests.receiving import Receiver

_PIECES, _PIECE = 1000, 256  # a body may come in so many pieces, and more of so many bytes
_LAST_STEP = 10.0  # seconds in which a stop is heard, of a step that takes long
_LAST_WORDS = 2.0  # seconds to read an answer when the service ends
_UNREAD, _UNREAD_SECONDS = 64 << 20, 2.0  # what is read and dropped behind an answer at most


class Server(uvicorn.Server):
    """Serve an app; told to end, refuse new orders and half-sent bodies at once."""

    def __init__(self, config: uvicorn.Config, worker: Worker, receiver: Receiver) -> None:
        super().__init__(config)
        self.worker, self.receiver = worker, receiver

    async def shutdown(self, sockets: Any = None) -> None:
        """End: what is being drawn has the worker's patience, then it is stopped.

        Told twice, it is stopped at once. A thread that still draws when Python ends would
        abort the process.
        """
        self.worker.close()
        self.receiver.end()
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves it out
            await self.lifespan.shutdown()
        await asyncio.to_thread(self.worker.join, _LAST_STEP)


def patient_protocol(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol, which hangs up on who is too slow, and counts pieces.

    uvicorn has a time limit between requests only, so that few can hold many connections; a
    body in pieces of a byte would keep it busy for a second a megabyte.
    """

    class Patient(H11Protocol):
        _late: Any = None
        _reader: Any = None
        _dropping: Any = None  # ends the connection; what comes until then is dropped

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._pieces = self._bytes = 0
            self._uncounted, self.conn.next_event = self.conn.next_event, self._next_event

        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Unhurried(transport, self._drop_rest))
            self._since = self.loop.time()
            self._wait()
            if len(self.connections) > limits.connections:
                idle = [other for other in self.connections if not other._busy()]
                min(idle, key=lambda other: other._since)._hang_up()  # itself, if need be

        def data_received(self, data: bytes) -> None:
            if self._dropping is not None:
                self._dropped += len(data)
                if self._dropped > _UNREAD:
                    self.transport.close()
                return
            if not self._busy():
                self._wait()
            super().data_received(data)
            if self._busy():
                self._stop_waiting()

        def connection_lost(self, exc: Any) -> None:
            self._stop_waiting()
            for timer in (self._reader, self._dropping):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch_reader()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch_reader()

        def shutdown(self) -> None:
            super().shutdown()
            if not self._busy():
                self.loop.call_later(_LAST_WORDS, self.transport.abort)

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                super().send_400_response(msg)
            else:  # it was answered already
                self.transport.close()

        def _next_event(self) -> Any:
            """Return the next event; raise RemoteProtocolError for a body in crumbs."""
            event = self._uncounted()
            if isinstance(event, h11.Request):
                self._pieces = self._bytes = 0
            elif isinstance(event, h11.Data):
                self._pieces += 1
                self._bytes += len(event.data)
                if self._pieces > _PIECES + self._bytes // _PIECE:
                    raise h11.RemoteProtocolError("a body in too many pieces")
            return event

        def _drop_rest(self) -> bool:
            """Begin to drop what still comes of a body that was answered; tell whether.

            A connection that ends before it is read loses its answer with many clients; of the
            answer itself the end is said at once.
            """
            if self._dropping is not None or self.conn.their_state is not h11.SEND_BODY:
                return False
            self._dropped = 0
            self._dropping = self.loop.call_later(_UNREAD_SECONDS, self.transport.close)
            self.flow.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
            return True

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
            self._stop_waiting()
            if not self._busy() and not self.transport.is_closing():
                self.transport.close()

        def _watch_reader(self, before: float = float("inf")) -> None:
            """Hang up on who reads nothing of an answer for as long as a body may take."""
            left = self.transport.get_write_buffer_size()
            if self._reader is not None:
                self._reader.cancel()
            if left >= before:
                self.transport.abort()
            elif left:
                self._reader = self.loop.call_later(
                    limits.body_seconds, self._watch_reader, left
                )

    return Patient


class _Unhurried:
    """A transport that is closed at once only where there is nothing left to drop."""

    def __init__(self, transport: Any, drop: Callable[[], bool]) -> None:
        self._transport, self._drop = transport, drop

    def close(self) -> None:
        if not self._drop():
            self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Forwarded:
    """Name the client that stands before `proxies` proxies, for the app behind them.

    Each proxy writes at the end of X-Forwarded-For who called it; what stands before that,
    the caller itself may have written.
    """

    def __init__(self, app: Any, proxies: int) -> None:
        self.app, self.proxies = app, proxies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            callers = _header_list(scope, b"x-forwarded-for")[-self.proxies :]
            schemes = _header_list(scope, b"x-forwarded-proto")[-self.proxies :]
            if callers and (client := address_of(callers[0])):
                scope = {**scope, "client": (client, 0)}
            if schemes and schemes[0] in ("http", "https"):
                scope = {**scope, "scheme": schemes[0]}
        await self.app(scope, receive, send)


def _header_list(scope: Any, name: bytes) -> list[str]:
    """Return what a header lists, however often it stands there."""
    whole = b",".join(value for key, value in scope["headers"] if key.lower() == name)
    return [entry.strip() for entry in whole.decode("latin-1").split(",") if entry.strip()]


def address_of(entry: str) -> str | None:
    """Return the address of an entry of X-Forwarded-For, None for what is none.

    >>> address_of("192.0.2.7:443"), address_of("[2001:db8::7]:443"), address_of("unknown")
    ('192.0.2.7', '2001:db8::7', None)
    """
    host = entry[1:].partition("]")[0] if entry.startswith("[") else entry
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def server_of(app: Any, worker: Worker, *, grace: int, proxies: int = 0) -> Server:
    """Return a server of the app, not started yet, behind so many `proxies`."""
    config = uvicorn.Config(
        Forwarded(app, proxies) if proxies else app,
        http=patient_protocol(worker.limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # uvicorn believes what the client itself wrote
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(worker.limits.patience) + grace,
    )
    return Server(config, worker, app.state.receiver)
