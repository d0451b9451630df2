"""What stands before the app: who may ask, how much may be sent, and how slowly.

Plain ASGI, so that the app still learns when a client hangs up.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from ...words.errors import shown
from ..queue.limits import Limits, Refused
from .answers import error_response

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OPEN = ("/health", "/docs", "/openapi.json")  # without a token; none says what was drawn


class Guard:
    """Refuse what the app must not see; hand on the rest with its whole body.

    `tokens`: one of them is asked for, if there are any; without, the service answers only to
    its `hosts`, so that no foreign page can reach it under a name of its own.
    """

    def __init__(
        self,
        app: Any,
        limits: Limits,
        tokens: Sequence[str] = (),
        hosts: Collection[str] = LOOPBACK,
    ) -> None:
        self.app, self.limits = app, limits
        self.tokens = [token.encode() for token in tokens]
        self.hosts = {host.casefold() for host in hosts}
        self.in_flight = 0  # bytes of bodies that are held

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = bytearray()
        try:
            headers = {name.lower(): value for name, value in scope["headers"]}
            self._check(scope, headers)
            whole = await self._read(headers, receive, body)
        except Refused as refused:
            response = error_response(refused, scope["path"])
            response.headers["Connection"] = "close"  # what was not read stays unread
            await response(scope, receive, send)
            return
        else:
            if whole:
                await self.app(scope, _replayed(bytes(body), receive), send)
        finally:
            self.in_flight -= len(body)

    def _check(self, scope: Any, headers: dict[bytes, bytes]) -> None:
        if self.tokens:
            if not (scope["path"] in _OPEN or scope["path"].startswith("/docs/")):
                self._check_token(headers.get(b"authorization", b""))
            return
        host = _name(headers.get(b"host", b""))
        if host not in self.hosts:
            raise Refused(
                421,
                f"this service answers to {', '.join(sorted(self.hosts))}, not to "
                f"{shown(host)}; for other names start it with a token",
            )
        origin = headers.get(b"origin")
        if origin is not None and _name(urlsplit(origin).netloc) not in self.hosts:
            raise Refused(403, "pages of other sites may not use this service; open its own")

    def _check_token(self, header: bytes) -> None:
        kind, _, given = header.partition(b" ")
        # Each is compared to its end, so that the time taken says nothing.
        same = [hmac.compare_digest(given.strip(), token) for token in self.tokens]
        if kind.lower() != b"bearer" or not any(same):
            raise Refused(
                401, 'a token is needed: -H "Authorization: Bearer …", as its keeper gave it'
            )

    async def _read(self, headers: dict[bytes, bytes], receive: Any, body: bytearray) -> bool:
        """Read the body to its end; return False when the client hung up meanwhile."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and (len(length) > 18 or int(length) > self.limits.body_bytes):
            raise self._too_much()
        try:
            return await asyncio.wait_for(
                self._received(receive, body), self.limits.body_seconds
            )
        except asyncio.TimeoutError:
            raise Refused(
                408,
                f"the request was not there after {self.limits.body_seconds:g} s; send faster",
            ) from None

    async def _received(self, receive: Any, body: bytearray) -> bool:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk = message.get("body", b"")
            body += chunk
            self.in_flight += len(chunk)
            if len(body) > self.limits.body_bytes:
                raise self._too_much()
            if self.in_flight > self.limits.bytes_in_flight:
                raise Refused(503, "too much is being received at once; come again later", 1)
            if not message.get("more_body"):
                return True

    def _too_much(self) -> Refused:
        return Refused(
            413, f"a request has at most {self.limits.body_bytes:,} bytes; send a smaller one"
        )


def _name(host: bytes) -> str:
    """Return the host of a Host header, without its port.

    >>> _name(b"LOCALHOST:8002"), _name(b"[::1]:8002")
    ('localhost', '::1')
    """
    text = host.decode("latin-1").casefold()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _replayed(body: bytes, receive: Any) -> Any:
    """Return a `receive` that gives the body once, then what else comes: the hanging up."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return rest.pop() if rest else await receive()

    return again
