"""The endpoints that draw: one for each task that starts from a picture, generate and mix."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ...tasks.checks import TASKS, check_prior, every_task
from ...tasks.embeddings.mixing import mix
from ...tasks.embeddings.mixtures import MIXERS, shares_of
from ...words.errors import KandiError, collected_warnings, shown
from ...words.params import Params
from ..queue.limits import Left, Refused
from ..queue.orders import Drawn, Order, Reload, order_for
from .answers import files_of, pictures_response
from .bodies import form, json_object, sorted_out
from .settings import DEFAULTS, params_of
from .uploads import inputs_of, opened

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ..queue.worker import Worker

MOST_ITEMS = 16  # of a mixture
_PICTURES = ("image", "mask")


@dataclass(frozen=True)
class Endpoint:
    """Say how a task is called over HTTP: which part of a form is which of its inputs."""

    name: str
    task: str
    parts: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def endpoints() -> list[Endpoint]:
    """Return an endpoint for each task of the table that starts from pictures."""
    listed = [
        Endpoint(name, name, {part: part for part in parts}, _required(name, parts), t.options)
        for name, t in every_task().items()
        if (parts := [part for part in _PICTURES if part in t.inputs])
    ]
    if "depth" in TASKS["generate"].inputs:
        listed.append(Endpoint("depth", "generate", {"image": "depth"}, ("image",)))
    return listed


def _required(task: str, parts: list[str]) -> tuple[str, ...]:
    takes = inspect.signature(TASKS[task].function).parameters
    return tuple(part for part in parts if takes[part].default is inspect.Parameter.empty)


async def generate(request: Request) -> Response:
    """Draw what a JSON object says."""
    values = await json_object(request)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        params = params_of(values, k, "generate", worker.limits, DEFAULTS)
        return order_for(k, "generate", params, {}, {}, client)

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
        inputs = inputs_of(files, worker.limits)
        inputs = {endpoint.parts[name]: picture for name, picture in inputs.items()}
        return order_for(k, endpoint.task, params, inputs, options, client)

    return await _pictures(request, make)


async def mix_items(request: Request) -> Response:
    """Draw a mixture of texts and pictures, in the order in which they are sent."""
    if request.headers.get("content-type", "").startswith("application/json"):
        values = await json_object(request)
        items, weights = values.pop("items", None), values.pop("weights", None)
        how = values.pop("how", "mean")
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
        how = options.get("how", "mean")

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        params = params_of(
            values, k, "generate", worker.limits, others=("items", "weights", "how")
        )
        if not items or len(items) > MOST_ITEMS:
            raise KandiError(
                f"items are 1 to {MOST_ITEMS} texts and pictures, not {len(items)}"
            )
        check_prior(k, MIXERS)
        shares_of(weights, len(items), how)
        mixed = {
            "items": [_item(item, params, worker) for item in items],
            "weights": weights,
            "how": how,
        }
        return Order(mix, params.singles(), mixed, {}, None, client)

    return await _pictures(request, make)


def _item(item: str | bytes, params: Params, worker: Worker) -> Any:
    """Return an item as `mix` takes it; as Params a text is never the name of a file."""
    if isinstance(item, bytes):
        return opened(item, "items", worker.limits)
    return params.replace(prompt=item)


def _weights(texts: list[Any]) -> list[float] | None:
    """Return the weights of a form: one a part, or all of them as one JSON list."""
    if not texts:
        return None
    try:
        values = [json.loads(text) for text in texts]
    except (TypeError, ValueError, RecursionError):
        raise KandiError(f"weights are numbers, one an item, not {shown(texts)}") from None
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


async def _pictures(request: Request, make: Callable[..., Order]) -> Response:
    drawn = await ordered(request, make)
    # Packing takes time, and the loop that everybody's requests go through has none.
    files = await run_in_threadpool(files_of, drawn.result)
    return await run_in_threadpool(pictures_response, drawn, files)


async def ordered(request: Request, make: Callable[..., Order]) -> Drawn:
    """Make an order of a request, have it drawn, and return what came of it; raise its error.

    `make(k, worker, client)` runs in a thread: it may decode pictures.
    """
    worker: Worker = request.app.state.worker
    if worker.k is None:
        raise Refused(503, "no model is loaded; see the service's log")
    client = request.client.host if request.client else "unknown"

    def made() -> Order:
        with collected_warnings() as said:
            order = make(worker.k, worker, client)
        order.warnings = said
        return order

    order = await run_in_threadpool(made)
    note = request.scope["state"]["note"]
    note |= {"pictures": order.count, "seed": order.params[0].seed}
    note["prompt"] = order.params[0].prompt
    drawn = await awaited(request, order)
    note |= {"waited": round(drawn.waited, 4), "shared": drawn.shared}
    return drawn


async def awaited(request: Request, order: Order | Reload) -> Drawn:
    """Put an order into the line and wait for it; raise its error.

    Raises Left when the client hangs up and Refused after the deadline: nobody waits for it
    then, and the run stops as soon as that is so of all that share it.
    """
    worker: Worker = request.app.state.worker
    worker.line.enter(order)
    future = asyncio.wrap_future(order.future)
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait(
            {future, gone},
            timeout=worker.limits.deadline,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if future.done():
            drawn = future.result()
            if drawn.error is not None:
                raise drawn.error
            return drawn
        if gone.done():
            raise Left
        raise Refused(
            503,
            f"this was not done after {worker.limits.deadline:g} s, and is given up; ask for "
            "fewer steps or pictures, or when less is going on; see "
            "docs/troubleshooting.md#slow",
        )
    finally:
        gone.cancel()
        if not future.done():
            worker.line.leave(order)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def handler(endpoint: Endpoint) -> Callable[[Request], Any]:
    """Return the function that answers an endpoint, under a name of its own."""

    async def answer(request: Request) -> Response:
        return await draw_from(endpoint, request)

    answer.__name__ = endpoint.name
    return answer
