"""Several requests to a service at once: waited for, tried again, and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError
from .service.answers import DETAILS

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image

    from ..model.progress import Progress
    from .client import Client

_LOOK = 0.05  # seconds between two looks at the stop button
_CONNECT, _SPARE = 10.0, 30.0  # seconds: to reach the service; beyond its own deadline
_BUSY = (429, 503)


@dataclass(frozen=True)
class Request:
    """Hold what is sent: an address, and the body as httpx takes it."""

    url: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """Hold one picture that came back, with its recipe inside, and what was said of it."""

    image: Image
    warnings: tuple[str, ...] = ()
    peak_mb: float | None = None
    proof: tuple[Mapping[str, Any], ...] = ()


class Requests:
    """Send requests of a client, a few at once, from a thread with a loop of its own.

    A notebook has a loop already, and a stop must close connections that are waited on.
    """

    def __init__(self, client: Client, requests: Sequence[Request]) -> None:
        self.client, self.requests = client, requests
        self._done: queue.SimpleQueue[bool] = queue.SimpleQueue()  # False: that was all
        self._answers: dict[int, Answer] = {}
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._work = self._loop.create_task(self._every())

    def answered(self, bar: Progress) -> list[Answer]:
        """Return the answers in the order of the requests; raise the first error.

        A stop, or Ctrl-C, closes all connections, by which the service learns of it.
        """
        thread = threading.Thread(target=self._run, name="kandi_nb client", daemon=True)
        thread.start()
        try:
            while self._next(bar):
                pass
        finally:
            with contextlib.suppress(RuntimeError):  # all is over, and the loop is closed
                self._loop.call_soon_threadsafe(self._work.cancel)
            thread.join()
        if self._error is not None:
            raise self._error
        return [self._answers[number] for number in range(len(self.requests))]

    def _next(self, bar: Progress) -> bool:
        """Wait for one more answer, with an eye on the stop button; False when all is over."""
        try:
            more = self._done.get(timeout=_LOOK)
        except queue.Empty:
            bar.check()
            return True
        if more:
            bar.step()
        return more

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._work)
        except BaseException as error:
            self._error = error
        finally:
            self._loop.close()
            self._done.put(False)

    async def _every(self) -> None:
        import httpx

        timeout = httpx.Timeout(
            float(self.client.limits["deadline"]) + _SPARE, connect=_CONNECT, pool=None
        )
        places = asyncio.Semaphore(self.client.at_once)
        async with httpx.AsyncClient(headers=self.client.headers, timeout=timeout) as http:
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
        async with places:
            response = await self._response(http, self.requests[number])
        self._answers[number] = _answer(response)
        self._done.put(True)

    async def _response(self, http: httpx.AsyncClient, request: Request) -> httpx.Response:
        """Return the answer to one request; wait while the service says that it is full."""
        import httpx

        ends = time.monotonic() + self.client.patience
        while True:
            try:
                response = await http.post(request.url, **request.body)
            except httpx.TransportError as error:
                raise self.client.absent(error) from None
            if response.status_code == 200:
                return response
            after = response.headers.get("Retry-After", "")
            wait = float(after) if after.isdecimal() else None
            full = response.status_code in _BUSY and wait is not None
            if not full or time.monotonic() + wait > ends:
                raise error_of(response.status_code, response.content)
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # not all at the same moment


def error_of(status: int, content: bytes) -> KandiError:
    """Return the service's own line as the error that it was there."""
    try:
        line = json.loads(content)["detail"]
    except (ValueError, KeyError, TypeError):
        line = f"the service answered {status}, and not in its own words: is it kandi_nb?"
    return KandiError(str(line))


def _answer(response: httpx.Response) -> Answer:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(response.content), formats=["PNG"])
        image.load()
        details = json.loads(response.headers[DETAILS])
        warnings, proof = map(str, details["warnings"]), details.get("proof", ())
        return Answer(image, tuple(warnings), details["peak_mb"], tuple(proof))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        raise KandiError(
            f"what the service sent is no picture of kandi_nb ({type(error).__name__}); ask "
            "its keeper"
        ) from None
