"""A service at an address: in this process for notebooks and tests, or as a command."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...model.loading.description import Description
from ...model.loading.kandinsky import Kandinsky
from ...words.bounds import check_port
from ...words.errors import KandiError, did_you_mean, quote
from ...words.extras import install_command
from ..queue.limits import Limits
from .guard import LOOPBACK

PORT = 8002
TOKEN = "KANDINSKY_SERVICE_TOKEN"  # the environment variable: one token, or several with commas
_GRACE = 5  # seconds to send what was drawn, when the service ends


class Service:
    """Hold a service that runs beside the caller; `url` is its address. Use it with `with`."""

    def __init__(self, server: Any, listener: socket.socket, worker: Any) -> None:
        self.worker, self._server, self._listener = worker, server, listener
        self.url = address(listener)
        self._thread = threading.Thread(
            target=server.run, args=([listener],), name="kandi_nb service", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        state = "running" if self._thread.is_alive() else "stopped"
        return f"Service({self.url}, {state})"

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the service: new requests are refused, what is drawn is finished or stopped."""
        self._server.should_exit = True
        self._thread.join(self.worker.limits.patience + 2 * _GRACE)


def serve(
    model: str | Path | Kandinsky = "mini-2.2",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | Sequence[str] | None = None,
    also_known_as: Sequence[str] = (),
    **limits: Any,
) -> Service:
    """Start a service of a model beside this program, for `Client`, curl and OpenAI's client.

    `model` is a key, a folder or a loaded model. `port` 0 takes a free one; `url` of what is
    returned says which. `token` (None: KANDINSKY_SERVICE_TOKEN) is what clients must know,
    needed beyond the loopback address. `also_known_as` are names of elsewhere, such as
    "dall-e-3", that OpenAI's clients may give the model. `limits` are those of the service,
    such as `queue=4`.
    Needs the extra `serve`. Raises KandiError for a port in use, a missing token and what
    `load` raises.
    """
    tokens = tokens_of(token if token is not None else os.environ.get(TOKEN))
    server, listener, worker = _prepare(
        lambda: loader(model), host, port, tokens, limits_of(limits), LOOPBACK,
        aliases=[also_known_as] if isinstance(also_known_as, str) else also_known_as,
    )  # fmt: skip
    return Service(server, listener, worker)


def run(
    model: Callable[[], Description],
    *,
    host: str,
    port: int,
    tokens: Sequence[str],
    limits: Limits,
    hosts: Collection[str] = (),
    log_prompts: bool = False,
    proxies: int = 0,
    aliases: Collection[str] = (),
    origins: Collection[str] = (),
    ready: Callable[[str], None] = print,
) -> None:
    """Serve until the process is told to end; `ready(url)` is called once it listens.

    `model()` says which, once all else is known to be right.
    """
    from .journal import log_to_stderr

    log_to_stderr()
    server, listener, _ = _prepare(
        lambda: loader(model()), host, port, tokens, limits, (*LOOPBACK, *hosts),
        log_prompts=log_prompts, proxies=proxies, aliases=aliases, origins=origins,
    )  # fmt: skip
    ready(address(listener))
    server.run([listener])


def _prepare(
    model: Callable[[], Callable[[], Kandinsky]],
    host: str,
    port: int,
    tokens: Sequence[str],
    limits: Limits,
    hosts: Collection[str],
    *,
    log_prompts: bool = False,
    proxies: int = 0,
    aliases: Collection[str] = (),
    origins: Collection[str] = (),
) -> tuple[Any, socket.socket, Any]:
    """Return server, socket and worker; all that can be wrong is found before the model."""
    if isinstance(proxies, bool) or not isinstance(proxies, int) or not 0 <= proxies <= 9:
        raise KandiError(
            f"--behind-proxy takes how many there are, 1 to 9, not {quote(proxies)}"
        )
    try:
        from ..queue.worker import Worker
        from .app import make_app
        from .guard import origins_of
        from .requests.openai_requests import aliases_of
        from .server import server_of
    except ImportError as missing:
        raise KandiError(
            f"a service needs the extra serve ({missing.name} is not installed); type: "
            f"{install_command('serve')}"
        ) from None
    if not tokens and not is_loopback(host):
        raise KandiError(
            f"a service at {host} can be reached by others, so it needs a token: set {TOKEN}, "
            "or give --token-file FILE"
        )
    names = {"aliases": aliases_of(aliases), "origins": origins_of(origins)}
    listener = listening(host, port)
    try:
        worker = Worker(model(), limits).start()
        app = make_app(worker, tokens=tokens, hosts=hosts, log_prompts=log_prompts, **names)
        server = server_of(app, worker, grace=_GRACE, proxies=proxies)
    except BaseException:
        listener.close()
        raise
    return server, listener, worker


def loader(model: Any) -> Callable[[], Kandinsky]:
    """Return what gives the model at the start, and anew for each reload: as it was given."""
    if not isinstance(model, Kandinsky):
        described = model if isinstance(model, Description) else Description.of(model)
        return described.load
    waiting, described = [model], Description.of(model)
    return lambda: waiting.pop() if waiting else described.load()


def tokens_of(texts: str | Sequence[str] | None) -> list[str]:
    """Return the tokens of a text with commas or lines, or of a list; raise KandiError."""
    if texts is None:
        return []
    if isinstance(texts, (bytes, bytearray)) or not isinstance(texts, (str, Sequence)):
        raise KandiError(f"a token is text, not a {type(texts).__name__}")
    listed = texts.replace(",", "\n").splitlines() if isinstance(texts, str) else list(texts)
    if not all(isinstance(token, str) for token in listed):
        raise KandiError("tokens are texts, one or a list of them")
    tokens = [token.strip() for token in listed if token.strip()]
    for token in tokens:
        if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
            raise KandiError(
                "a token is 16 or more plain characters without spaces; make one: python -c "
                '"import secrets; print(secrets.token_urlsafe())"'
            )
    return tokens


def limits_of(named: Mapping[str, Any]) -> Limits:
    """Return Limits with some of them changed by name; raise KandiError for others."""
    for name in named:
        if name not in Limits.__dataclass_fields__:
            known = Limits.__dataclass_fields__
            hint = did_you_mean(name, known)
            raise KandiError(f"unknown limit {quote(name)}; {hint}known: {', '.join(known)}")
    return Limits(**named)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host name or address.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise KandiError for a port in use and for no address."""
    check_port(port)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere it would let two programs have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)  # already now, or a second service could take it as well
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise KandiError(_no_port(host, port, error)) from None
    return listener


def _no_port(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        free = "take another one, or 0 for any that is free"
        return f"port {port} is in use; {free}; see docs/troubleshooting.md#service"
    if error.errno == errno.EACCES:
        return f"port {port} is kept for the system; take one above 1023"
    return f"{quote(host)} is no address of this machine ({error.strerror or error})"
