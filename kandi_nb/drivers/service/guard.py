"""What stands before the app: who may ask, of which pages, how much, and how slowly.

Plain ASGI, so that the app still learns when a client hangs up.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from ...words.errors import KandiError, quote
from ..queue.limits import Refused
from .answers import DETAILS, IGNORED, error_response
from .requests.receiving import Body, Receiver, too_much

ALLOWED = "allowed_origin"  # in a scope's state: a page of an origin that may ask
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OPEN = ("/health", "/docs", "/openapi.json")  # without a token; none says what was drawn
_METHODS = "GET, HEAD, POST"
_SEEN = f"X-Seed, {DETAILS}, {IGNORED}, Retry-After"  # headers that a page may read
_REMEMBERED = "600"  # seconds for which a browser need not ask again


class Guard:
    """Refuse what the app must not see; hand on the rest with its whole body.

    `tokens`: one of them is asked for, if there are any; without, the service answers only to
    its `hosts`, so that no foreign page can reach it under a name of its own. Bodies are taken
    of those alone who may ask, and by POST alone.
    """

    def __init__(
        self,
        app: Any,
        receiver: Receiver,
        tokens: Sequence[str] = (),
        hosts: Collection[str] = LOOPBACK,
    ) -> None:
        self.app, self.receiver, self.limits = app, receiver, receiver.limits
        self.tokens = [token.encode() for token in tokens]
        self.hosts = {host.casefold() for host in hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = Body(client_of(scope))
        try:
            headers = {name.lower(): value for name, value in scope["headers"]}
            takes = self._check(scope, headers)
            whole = not takes or await self.receiver.receive(body, receive)
        except Refused as refused:
            response = error_response(refused, scope["path"])
            response.headers["Connection"] = "close"  # what was not read stays unread
            await response(scope, receive, send)
            return
        else:
            if whole:
                unread = not takes and _length(headers)
                answer = _closing(send) if unread else send
                await self.app(scope, _replay(bytes(body.data), receive), answer)
        finally:
            self.receiver.forget(body)

    def _check(self, scope: Any, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a body is taken; raise Refused for what is not answered at all."""
        is_open = scope["path"] in _OPEN or scope["path"].startswith("/docs/")
        if not self.tokens:
            self._check_page(headers, scope.get("state", {}).get(ALLOWED, False))
        elif not is_open:
            self._check_token(headers.get(b"authorization", b""))
        length, method = _length(headers), scope["method"]
        if length and method in ("GET", "HEAD"):
            raise Refused(413, f"{method} {scope['path'][:80]} takes no body; send none")
        if length > self.limits.body_bytes:
            raise too_much(self.limits)
        return method == "POST" and not is_open  # to others the app says that there are none

    def _check_page(self, headers: dict[bytes, bytes], is_allowed: bool) -> None:
        """Raise Refused for a foreign name, and for pages of origins that were not allowed."""
        host = headers.get(b"host", b"")
        if _host_name(host) not in self.hosts:
            raise Refused(
                421,
                f"this service answers to {', '.join(sorted(self.hosts))}, not to "
                f"{quote(_host_name(host))}; for other names start it with a token",
            )
        origin = headers.get(b"origin")
        if is_allowed:
            return
        # Another port of this machine is another's page, too.
        other = origin is not None and origin_place(origin) != host.decode("latin-1").casefold()
        sent_by = headers.get(b"sec-fetch-site", b"none")
        navigates = headers.get(b"sec-fetch-mode") == b"navigate"
        if other or (sent_by not in (b"none", b"same-origin") and not navigates):
            raise Refused(403, "pages of other sites may not use this service; open its own")

    def _check_token(self, header: bytes) -> None:
        kind, _, given = header.partition(b" ")
        # Each is compared to its end, so that the time taken says nothing.
        same = [hmac.compare_digest(given.strip(), token) for token in self.tokens]
        if kind.lower() != b"bearer" or not any(same):
            raise Refused(
                401, 'a token is needed: -H "Authorization: Bearer …", as its keeper gave it'
            )


class Entrance:
    """Take a slash off the end of a path, and let the pages of some `origins` ask."""

    def __init__(self, app: Any, origins: Collection[str] = ()) -> None:
        self.app, self.origins = app, frozenset(origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        headers = {name.lower(): value for name, value in scope["headers"]}
        origin = headers.get(b"origin", b"").decode("latin-1").casefold()
        if origin not in self.origins:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(origin)(scope, receive, send)
            return
        scope.setdefault("state", {})[ALLOWED] = True

        async def telling(message: Any) -> None:
            if message["type"] == "http.response.start":
                told = [(b"access-control-allow-origin", origin.encode("latin-1")),
                        (b"access-control-expose-headers", _SEEN.encode()),
                        (b"vary", b"Origin")]  # fmt: skip
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        await self.app(scope, receive, telling)


def _preflight(origin: str) -> Any:
    from starlette.responses import Response

    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": "*, Authorization",
            "Access-Control-Max-Age": _REMEMBERED,
            "Vary": "Origin",
        },
    )


def origins_of(texts: Collection[str]) -> tuple[str, ...]:
    """Return origins as browsers write them; raise KandiError for what is none.

    >>> origins_of(["https://Chat.example/"])
    ('https://chat.example',)
    """
    origins = []
    for text in texts:
        origin = str(text).strip().rstrip("/").casefold()
        place = origin_place(origin.encode("utf-8", "replace"))
        if place is None or origin != f"{origin.partition('://')[0]}://{place}":
            raise KandiError(
                f"an origin is a scheme and a host, such as https://chat.example, not "
                f"{quote(text)}"
            )
        origins.append(origin)
    return tuple(origins)


def client_of(scope: Any) -> str:
    """Return by what a client is known: its address, of IPv6 the network that it has.

    >>> client_of({"client": ("2001:db8::7", 80)})
    '2001:db8::/64'
    """
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    if address.version == 4 or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def _length(headers: dict[bytes, bytes]) -> float:
    """Return how many bytes a request says that it brings: 0 for no body, infinite if many.

    One in chunks does not say: that is a byte.
    """
    if b"transfer-encoding" in headers:
        return 1
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18:
        return float("inf")
    return int(length)


def origin_place(origin: bytes) -> str | None:
    """Return host and port of an origin as a Host header has them; None when it is none.

    >>> origin_place(b"http://localhost:8002"), origin_place(b"http://["), origin_place(b"null")
    ('localhost:8002', None, None)
    """
    try:
        parts = urlsplit(origin.decode("latin-1"))
    except ValueError:
        return None
    return parts.netloc.casefold() if parts.scheme in ("http", "https") else None


def _host_name(host: bytes) -> str:
    """Return the host of a Host header, without its port.

    >>> _host_name(b"LOCALHOST:8002"), _host_name(b"[::1]:8002")
    ('localhost', '::1')
    """
    text = host.decode("latin-1").casefold()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _closing(send: Any) -> Any:
    """Return a `send` that ends the connection: what was not read stays unread."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            message = {**message, "headers": headers}
        await send(message)

    return sending


def _replay(body: bytes, receive: Any) -> Any:
    """Return a `receive` that gives the body once, then what else comes: the hanging up."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return rest.pop() if rest else await receive()

    return again
