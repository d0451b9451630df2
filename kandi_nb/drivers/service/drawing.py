"""The endpoints that draw: one for each task that starts from a picture, generate and mix."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ...tasks.checks import Task, check_prior, every_task
from ...tasks.embeddings.items import text_item
from ...tasks.embeddings.mixing import mix
from ...tasks.embeddings.mixtures import HOW, MIXERS, shares_of
from ...words.errors import KandiError, collected_warnings, quote
from ...words.params import Params
from ...words.tasks import INPUTS
from ..queue.effort import check_time, effort_of
from ..queue.limits import HungUp, Refused
from ..queue.orders import Drawn, Order, Reload, order_for
from ..queue.watch import Watch
from .answers import files_of, pictures_response
from .events import Events, preview_of, wants_events
from .guard import client_of
from .requests.bodies import form, is_json, json_object, sorted_out
from .requests.settings import DEFAULTS, check_length, params_of, scheduler_of, with_size
from .requests.uploads import check_grown, inputs_of, read_upload

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ..queue.worker import Worker

MOST_ITEMS = 16  # of a mixture
MOST_WEIGHT = 1000  # of an item: more would leave the numbers of a model
_LOOK = 0.1  # seconds between two looks at an order whose client is told how far it is


@dataclass(frozen=True)
class Endpoint:
    """Say how a task is called over HTTP: which part of a form is which of its inputs."""

    name: str
    task: str
    text: str
    parts: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def endpoints() -> list[Endpoint]:
    """Return an endpoint for each task of the table that starts from pictures.

    One from text has an endpoint for each kind of picture that it follows.
    """
    tasks = every_task()
    redrawing = [
        Endpoint(
            name,
            name,
            row.help or name,
            {part: part for part in row.pictures},
            _required_parts(row),
            row.options,
        )
        for name, row in tasks.items()
        if row.starts_from_picture
    ]
    following = [
        Endpoint(
            part, name, f"a picture along {INPUTS[part].help}", {"image": part}, ("image",)
        )
        for name, row in tasks.items()
        for part in row.along
    ]
    return redrawing + following


def _required_parts(row: Task) -> tuple[str, ...]:
    takes = inspect.signature(row.function).parameters
    return tuple(n for n in row.pictures if takes[n].default is inspect.Parameter.empty)


async def generate(request: Request) -> Response:
    """Draw what a JSON object says."""
    values = await json_object(request)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        params = params_of(with_size(values, k), k, "generate", worker.limits, DEFAULTS)
        return order_for(k, "generate", params, {}, {}, client, scheduler_of(values, k))

    return await _pictures(request, make)


async def draw_from(endpoint: Endpoint, request: Request) -> Response:
    """Draw what a form says, from the pictures in it."""
    parts = await form(request)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        values, files, options = sorted_out(
            parts, endpoint.parts, endpoint.required, endpoint.options
        )
        others = (*endpoint.parts, *endpoint.options)
        params = params_of(values, k, endpoint.task, worker.limits, others=others)
        inputs = inputs_of(files, worker.limits, endpoint.parts)
        if "image" in inputs:
            check_grown(endpoint.task, inputs["image"], options, worker.limits)
        scheduler = scheduler_of(values, k)
        return order_for(k, endpoint.task, params, inputs, options, client, scheduler)

    return await _pictures(request, make)


async def mix_items(request: Request) -> Response:
    """Draw a mixture of texts and pictures, in the order in which they are sent."""
    if is_json(request):
        values = await json_object(request)
        items, weights = values.pop("items", None), values.pop("weights", None)
        how = values.pop("how", None) or HOW
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise KandiError(
                'items is a list of texts, ["a cat", "a dog"]; send pictures in a form'
            )
    else:
        parts = await form(request)
        items = [value for name, value in parts if name == "items"]
        weights = _weights([value for name, value in parts if name == "weights"])
        rest = [part for part in parts if part[0] not in ("items", "weights")]
        values, _, options = sorted_out(rest, (), (), ("how",))
        how = options.get("how", HOW)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        params = params_of(
            with_size(values, k),
            k,
            "generate",
            worker.limits,
            others=("items", "weights", "how"),
        )
        if not items or len(items) > MOST_ITEMS:
            raise KandiError(
                f"items are 1 to {MOST_ITEMS} texts and pictures, not {len(items)}"
            )
        check_prior(k, MIXERS)
        shares_of(weights, len(items), how)
        if weights is not None and max(map(abs, weights)) > MOST_WEIGHT:
            raise KandiError(f"a weight is at most {MOST_WEIGHT:,} here; only shares matter")
        mixed = {
            "items": [_item(item, params, worker) for item in items],
            "weights": weights,
            "how": how,
        }
        singles = params.singles()
        return Order(
            mix,
            singles,
            mixed,
            {},
            None,
            client,
            effort=effort_of(k, singles),
            scheduler=scheduler_of(values, k),
        )

    return await _pictures(request, make)


def _item(item: str | bytes, params: Params, worker: Worker) -> Any:
    """Return an item as `mix` takes it; as Params a text is never the name of a file."""
    if isinstance(item, bytes):
        return read_upload(item, "items", worker.limits)
    return text_item(params, check_length("items", item, worker.limits))


def _weights(texts: list[Any]) -> list[float] | None:
    """Return the weights of a form: one a part, or all of them as one JSON list."""
    if not texts:
        return None
    try:
        values = [json.loads(text) for text in texts]
    except (TypeError, ValueError, RecursionError):
        raise KandiError(f"weights are numbers, one an item, not {quote(texts)}") from None
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


async def _pictures(request: Request, make: Callable[..., Order]) -> Response:
    if wants_events(request):
        preview = preview_of(request)
        order = await order_of(request, make)
        order.watch = Watch(preview)
        return Events(request, order, wait_for)
    drawn = await draw_order(request, make)
    # Packing takes time, and the loop that everybody's requests go through has none.
    files = await run_in_threadpool(files_of, drawn.result)
    return await run_in_threadpool(pictures_response, drawn, files)


async def draw_order(request: Request, make: Callable[..., Order]) -> Drawn:
    """Make an order of a request, have it drawn, and return what came of it; raise its error.

    `make` is that of `order_of`.
    """
    return await wait_for(request, await order_of(request, make))


async def order_of(request: Request, make: Callable[..., Order]) -> Order:
    """Return the order that a request makes; raise the error of one that makes none.

    `make(k, worker, client)` runs in a thread: it may decode pictures.
    """
    worker: Worker = request.app.state.worker
    if worker.k is None:
        raise Refused(503, "no model is loaded; see the service's log")
    client = client_of(request.scope)

    def make_order() -> Order:
        with collected_warnings() as said:
            order = make(worker.k, worker, client)
        check_time(worker, order)
        order.warnings = said
        return order

    order = await run_in_threadpool(make_order)
    note = request.scope["state"]["note"]
    note |= {"pictures": order.count, "seed": order.params[0].seed}
    note["prompt"] = order.params[0].prompt
    return order


async def wait_for(
    request: Request, order: Order | Reload, tell: Callable[[], Awaitable[None]] | None = None
) -> Drawn:
    """Put an order into the line and wait for it; raise its error.

    `tell()` is called again and again meanwhile. Raises HungUp when the client hangs up and
    Refused after the deadline: nobody waits for it then, and the run stops as soon as that is
    so of all that share it.
    """
    worker: Worker = request.app.state.worker
    worker.queue.enter(order)
    future = asyncio.wrap_future(order.future)
    gone = asyncio.ensure_future(_hung_up(request))
    loop = asyncio.get_running_loop()
    ends = loop.time() + worker.limits.deadline
    try:
        while not (future.done() or gone.done()) and (left := ends - loop.time()) > 0:
            if tell is not None:
                await tell()
            await asyncio.wait(
                {future, gone},
                timeout=left if tell is None else min(left, _LOOK),
                return_when=asyncio.FIRST_COMPLETED,
            )
        if future.done():
            drawn = future.result()
            if drawn.error is not None:
                raise drawn.error
            waited = {"waited": round(drawn.waited, 4), "shared": drawn.shared}
            request.scope["state"]["note"] |= waited if isinstance(order, Order) else {}
            return drawn
        if gone.done():
            raise HungUp
        raise Refused(
            503,
            f"this was not done after {worker.limits.deadline:g} s, and is given up; ask for "
            "fewer steps or pictures, or when less is going on; see "
            "docs/troubleshooting.md#slow",
        )
    finally:
        gone.cancel()
        if not future.done():
            worker.queue.leave(order)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def handler(endpoint: Endpoint) -> Callable[[Request], Any]:
    """Return the function that answers an endpoint, under a name of its own."""

    async def answer(request: Request) -> Response:
        return await draw_from(endpoint, request)

    answer.__name__ = endpoint.name
    return answer
