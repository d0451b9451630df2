"""Several requests to a service at once: waited for, tried again, and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...words.errors import KandiError
from ..service.answers import EVENTS, PREVIEW
from .replies import MOST_BYTES, MOST_INFORMATION, Answer, answer, done, event, read_event
from .tally import ANSWER, Tally

if TYPE_CHECKING:
    import httpx

    from ...model.progress import Progress
    from ...words.models import ModelSpec
    from .tally import Show

_LOOK = 0.05  # seconds between two looks at the stop button
_CONNECT, _SPARE = 10.0, 30.0  # seconds: to reach the service; beyond its own deadline
_LEAST = 0.2  # seconds to wait, whatever a service says
_BUSY = (429, 503)
_OVER = "over"  # what is heard when there is nothing more


@dataclass(frozen=True)
class Request:
    """Hold what is sent: an address, the body as httpx takes it, and the task behind it.

    `told`: whether its steps are, and every how many its unfinished pictures (0: never).
    """

    url: str
    body: Mapping[str, Any]
    task: str
    told: bool = False
    preview: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that say so."""
        preview = {PREVIEW: str(self.preview)} if self.preview else {}
        return {"Accept": f"{EVENTS}, image/png", **preview} if self.told else {}


class Sender(Protocol):
    """Say what requests ask of the client that they are sent for."""

    spec: ModelSpec
    limits: Mapping[str, Any]
    at_once: int
    patience: float

    @property
    def transport(self) -> dict[str, Any]: ...

    def absent(self, error: Exception) -> KandiError: ...

    def refusal(self, status: int, content: bytes) -> KandiError: ...


class Requests:
    """Send requests of a client, a few at once, from a thread with a loop of its own.

    A notebook has a loop already, and a stop must close connections that are waited on.
    """

    def __init__(self, client: Sender, requests: Sequence[Request]) -> None:
        self.client, self.requests = client, requests
        self._heard: queue.SimpleQueue[tuple[int, str, Any]] = queue.SimpleQueue()
        self._answers: dict[int, Answer] = {}
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._work = self._loop.create_task(self._every())

    def collect(self, bar: Progress, show: Show | None = None) -> list[Answer]:
        """Return the answers in the order of the requests; raise the first error.

        `show(pictures, step)` is given the unfinished ones. A stop, or Ctrl-C, closes all
        connections, by which the service learns of it.
        """
        thread = threading.Thread(target=self._run, name="kandi_nb client", daemon=True)
        thread.start()
        tally = Tally(bar, len(self.requests), show)
        try:
            while self._next(tally):
                pass
        finally:
            with contextlib.suppress(RuntimeError):  # all is over, and the loop is closed
                self._loop.call_soon_threadsafe(self._work.cancel)
            thread.join()
        if self._error is not None:
            raise self._error
        return [self._answers[number] for number in range(len(self.requests))]

    def _next(self, tally: Tally) -> bool:
        """Wait for what is told next, and for the stop button; False when all is over."""
        try:
            number, kind, what = self._heard.get(timeout=_LOOK)
        except queue.Empty:
            tally.look()
            return True
        if kind != _OVER:
            tally.hear(number, kind, what)
        return kind != _OVER

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._work)
        except BaseException as error:
            self._error = error
        finally:
            self._loop.close()
            self._heard.put((0, _OVER, None))

    async def _every(self) -> None:
        import httpx

        timeout = httpx.Timeout(
            float(self.client.limits["deadline"]) + _SPARE, connect=_CONNECT, pool=None
        )
        places = asyncio.Semaphore(self.client.at_once)
        async with httpx.AsyncClient(timeout=timeout, **self.client.transport) as http:
            tasks = [
                asyncio.ensure_future(self._one(number, http, places))
                for number in range(len(self.requests))
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(
        self, number: int, http: httpx.AsyncClient, places: asyncio.Semaphore
    ) -> None:
        request = self.requests[number]
        async with places:
            content, headers = await self._response(http, number)
        self._answers[number] = answer(content, headers, request.task, self.client.spec)
        self._heard.put((number, ANSWER, None))

    async def _response(
        self, http: httpx.AsyncClient, number: int
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of an answer; wait while the service says that it is full."""
        import httpx

        request = self.requests[number]

        def hear(kind: str, data: Mapping[str, Any]) -> None:
            if (told := read_event(kind, data)) is not None:
                self._heard.put((number, kind, told))

        ends = time.monotonic() + self.client.patience
        longest = float(self.client.limits["deadline"]) + 2 * _SPARE
        while True:
            try:
                async with asyncio.timeout(longest):
                    status, content, headers = await _send(http, request, hear)
            except TimeoutError:
                raise KandiError(
                    f"the service did not answer within {longest:g} s; ask its keeper, or for "
                    "fewer steps"
                ) from None
            except httpx.HTTPError as error:
                raise self.client.absent(error) from None
            if status == 200:
                return content, headers
            after = headers.get("Retry-After", "")
            wait = max(_LEAST, float(after)) if after.isdecimal() and len(after) < 9 else None
            full = status in _BUSY and wait is not None
            if not full or time.monotonic() + wait > ends:
                raise self.client.refusal(status, content)
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # not all at the same moment


async def _send(
    http: httpx.AsyncClient, request: Request, hear: Callable[[str, Mapping[str, Any]], None]
) -> tuple[int, bytes, Mapping[str, str]]:
    """Send a request and return status, body and headers; raise KandiError for no end.

    Of an answer in events `hear(kind, data)` gets all but the last, which is the answer.
    """
    content = bytearray()
    words = {"headers": request.headers, **request.body}
    async with http.stream("POST", request.url, **words) as response:
        most = _most(response)
        if response.headers.get("Content-Type", "").startswith(EVENTS):
            return await _events(response, most, hear)
        async for piece in response.aiter_raw():
            content += piece
            _check_length(len(content), most)
    return response.status_code, bytes(content), response.headers


async def _events(
    response: httpx.Response, most: int, hear: Callable[[str, Mapping[str, Any]], None]
) -> tuple[int, bytes, Mapping[str, str]]:
    rest, length = bytearray(), 0
    async for piece in response.aiter_raw():
        seen = max(0, len(rest) - 1)
        rest += piece
        length += len(piece)
        _check_length(length, most)
        if rest.find(b"\n\n", seen) < 0:
            continue
        *whole, rest = rest.split(b"\n\n")
        for text in whole:
            kind, data = event(bytes(text))
            if kind == "done":
                return (200, *done(data))
            if kind == "error":
                return _failure(data)
            hear(kind, data)
    raise KandiError("the service's answer broke off; ask its keeper, or try again")


def _failure(data: Mapping[str, Any]) -> tuple[int, bytes, Mapping[str, str]]:
    """Return status, body and headers as an error has them without events."""
    status, after = data.get("status"), data.get("retry_after")
    known = status if type(status) is int and 400 <= status < 600 else 503
    headers = {"Retry-After": str(after)} if type(after) is int else {}
    said = {name: data[name] for name in ("detail", "param") if name in data}
    return known, json.dumps(said).encode(), headers


def get_limited(http: httpx.Client, url: str, most: int, seconds: float) -> tuple[int, bytes]:
    """Get what lies at an address: status and body, of so many bytes and seconds at most.

    Raises KandiError beyond, and what httpx raises.
    """
    ends, content = time.monotonic() + seconds, bytearray()
    with http.stream("GET", url, headers={"Accept": "application/json"}) as response:
        _most(response)
        for piece in response.iter_raw():
            content += piece
            _check_length(len(content), most)
            if time.monotonic() > ends:
                raise KandiError(f"{url} has no end within {seconds:g} s: is it kandi_nb?")
    return response.status_code, bytes(content)


def _most(response: httpx.Response) -> int:
    """Return how many bytes an answer may have; raise KandiError for one that is packed."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise KandiError("the service packs what it sends, unasked: is it kandi_nb?")
    return MOST_BYTES if response.status_code == 200 else MOST_INFORMATION


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise KandiError(f"the service sent more than {most:,} bytes: is it kandi_nb?")
