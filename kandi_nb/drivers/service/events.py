"""An answer that tells how far it is: place in the queue, steps, previews, then pictures."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ...pictures.recipe import png_bytes
from ...words.bounds import whole
from ...words.errors import KandiError
from ...words.fields import FIELDS, number_or_text
from ..queue.limits import HungUp, Refused
from .answers import EVENTS, PREVIEW, details_of, error_response, files_of, status_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from starlette.requests import Request

    from ..queue.orders import Drawn, Order

_SILENCE = 15.0  # seconds: proxies hang up on who says nothing for longer


def wants_events(request: Request) -> bool:
    """Tell whether a client accepts events."""
    for kind in request.headers.get("accept", "").casefold().split(","):
        name, *words = (word.strip() for word in kind.split(";"))
        if name == EVENTS:
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", word) for word in words)
    return False


def preview_of(request: Request) -> int:
    """Return every how many steps a client wants to see; 0: never. Raises KandiError."""
    every = number_or_text(request.headers.get(PREVIEW, "0")[:20])
    says = f"{PREVIEW} is a number of steps, 0 for no previews"
    return whole(PREVIEW, every, 0, int(FIELDS["steps"].high), says=says)


class Events(Response):
    """Answer with events: `queue`, `step` and `preview` as they come, then `done` or `error`.

    `awaited(request, order, tell)` has the order drawn. What is wrong before the order has a
    place in the queue is answered by its own status, as without events.
    """

    media_type = EVENTS

    def __init__(
        self, request: Request, order: Order, awaited: Callable[..., Awaitable[Drawn]]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]  # nobody knows it
        self._request, self._order, self._awaited = request, order, awaited
        self._queue = request.app.state.worker.queue
        self._begun = False
        self._said = 0.0
        self._told: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the events until all is drawn, given up, or nobody listens."""
        self._send = send
        try:
            drawn = await self._awaited(self._request, self._order, self._tell)
            await self._tell()
            files = await run_in_threadpool(files_of, drawn.result)
            done = await run_in_threadpool(_event_bytes, "done", details_of(drawn), files)
            await self._body(done, more=False)
        except HungUp:
            return
        except KandiError as error:
            if not self._begun:
                await error_response(error, scope["path"])(scope, receive, send)
                return
            said = {"status": status_of(error), "detail": str(error)}
            if error.about:
                said["param"] = error.about
            if isinstance(error, Refused) and error.after is not None:
                said["retry_after"] = error.after
            await self._body(_event("error", said), more=False)

    async def _tell(self) -> None:
        """Send what is new."""
        await self._begin()
        watch = self._order.watch
        place, steps, at = self._queue.place(self._order), watch.steps, watch.at
        if place is not None and place[0] != self._told.get("queue"):
            self._told["queue"] = place[0]
            said = {"place": place[0], "seconds": round(place[1], 1)}
            await self._body(_event("queue", said))
        if steps[1] and steps != self._told.get("step"):
            self._told["step"] = steps
            await self._body(_event("step", {"done": steps[0], "total": steps[1]}))
        if watch.pictures and at != self._told.get("preview"):
            self._told["preview"] = at
            shown = await run_in_threadpool(_preview, watch.pictures, at)
            await self._body(shown)
        if time.monotonic() - self._said > _SILENCE:
            await self._body(b": still here\n\n")

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await self._send(start)

    async def _body(self, event: bytes, more: bool = True) -> None:
        self._said = time.monotonic()
        await self._send({"type": "http.response.body", "body": event, "more_body": more})


def _event(kind: str, said: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(said, default=str)}\n\n".encode()


def _event_bytes(kind: str, said: dict[str, Any], files: Sequence[bytes]) -> bytes:
    return _event(kind, {**said, "images": [base64.b64encode(f).decode() for f in files]})


def _preview(pictures: Sequence[Image], step: int) -> bytes:
    return _event_bytes("preview", {"step": step}, [png_bytes(picture) for picture in pictures])
