"""`Order`, what one client waits for, and how several orders become one call of a task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...tasks.checks import TASKS, asked
from ...words.params import Params

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ...pictures.result import Result

_OWN = ("prompt", "negative", "seed", "prior_seed", "count")  # may differ within one call


@dataclass(frozen=True)
class Drawn:
    """Hold what came of an order: a Result, or the error; and how it went.

    `waited` is the seconds until it was begun, `shared` how many pictures the run drew in all.
    """

    result: Result | None = None
    error: BaseException | None = None
    warnings: tuple[str, ...] = ()
    waited: float = 0.0
    shared: int = 0


@dataclass(eq=False)
class Order:
    """Say what is to be drawn for one client, with a place for what comes of it.

    `params` are one a picture, as `asked` gives them; `inputs` one each for all of them, by the
    task's own names. Orders with equal `key` may share a call. `left` is set when nobody waits
    for it any more.
    """

    function: Callable[..., Result]
    params: Sequence[Params]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    key: Hashable = None
    client: str = ""
    warnings: Sequence[str] = ()
    left: threading.Event = field(default_factory=threading.Event)
    future: Future = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        """Return how many pictures are asked for."""
        return len(self.params)


@dataclass(eq=False)
class Reload:
    """Ask for the model to be loaded anew, between two runs."""

    left: threading.Event = field(default_factory=threading.Event)
    future: Future = field(default_factory=Future)


class Departures:
    """Be set, as a `stop`, once nobody waits for a run any more, or all is to end."""

    def __init__(self, orders: Sequence[Order], halt: threading.Event) -> None:
        self._orders, self._halt = orders, halt

    def is_set(self) -> bool:
        """Tell whether the run may stop."""
        return self._halt.is_set() or all(order.left.is_set() for order in self._orders)


def order_for(
    k: Kandinsky,
    task: str,
    params: Params,
    inputs: Mapping[str, Any],
    options: Mapping[str, Any],
    client: str,
) -> Order:
    """Return the order for a task of the table; raise KandiError for what cannot be drawn.

    What the task does not use is left out here, so that it cannot part those who share a call.
    """
    singles = asked(task, k, params, sized=not inputs)
    first = singles[0].to_dict()
    sizes = [(name, getattr(held, "size", None)) for name, held in inputs.items()]
    shared = [(name, value) for name, value in first.items() if name not in _OWN]
    key = (task, *shared, *sizes, *sorted(options.items(), key=repr))
    return Order(TASKS[task].function, singles, inputs, options, key, client)


def call(k: Kandinsky, orders: Sequence[Order], stop: Any) -> list[Result]:
    """Draw orders of one key in one call; return one Result each."""
    first = orders[0]
    params = [single for order in orders for single in order.params]
    inputs = first.inputs
    if len(orders) > 1:
        rows = [order for order in orders for _ in order.params]
        inputs = {name: [row.inputs[name] for row in rows] for name in first.inputs}
    result = first.function(k, params, **inputs, **first.options, progress=False, stop=stop)
    ends = [sum(order.count for order in orders[: n + 1]) for n in range(len(orders))]
    return [result[end - o.count : end] for o, end in zip(orders, ends, strict=True)]
