"""`Order`, what one client waits for, and how several orders become one call of a task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...tasks.checks import TASKS, every_task, filled_runs
from ...words.fields import FIELDS, names_of
from ...words.params import Params
from .effort import effort_of
from .watch import Watch, watch_run

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ...pictures.result import Result


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

    `params` are one a picture, as `filled_runs` gives them; `inputs` one each for all of them,
    by the task's own names. Orders with equal `key` may share a call. `effort` is that of all
    its pictures; a `scheduler` takes the place of the model's own. `watch`, if somebody looks,
    is told how far it is; `abandoned` is set when nobody waits for it any more.
    """

    function: Callable[..., Result]
    params: Sequence[Params]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    key: Hashable = None
    client: str = ""
    warnings: Sequence[str] = ()
    effort: float = 1.0
    scheduler: str | None = None
    watch: Watch | None = None
    abandoned: threading.Event = field(default_factory=threading.Event)
    future: Future = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        """Return how many pictures are asked for."""
        return len(self.params)


@dataclass(eq=False)
class Reload:
    """Ask for the model to be loaded anew, between two runs."""

    abandoned: threading.Event = field(default_factory=threading.Event)
    future: Future = field(default_factory=Future)


class Abandoned:
    """Be set, as a `stop`, once nobody waits for a run any more, or all is to end."""

    def __init__(self, orders: Sequence[Order], halt: threading.Event) -> None:
        self._orders, self._halt = orders, halt

    def is_set(self) -> bool:
        """Tell whether the run may stop."""
        return self._halt.is_set() or all(order.abandoned.is_set() for order in self._orders)


def order_for(
    k: Kandinsky,
    task: str,
    params: Params,
    inputs: Mapping[str, Any],
    options: Mapping[str, Any],
    client: str,
    scheduler: str | None = None,
) -> Order:
    """Return the order for a task of the table; raise KandiError for what cannot be drawn.

    What the task does not use is left out here, so that it cannot part those who share a call.
    """
    singles = filled_runs(task, k, params, sized=not inputs)
    sizes = [(name, getattr(held, "size", None)) for name, held in inputs.items()]
    shared = [(name, getattr(singles[0], name)) for name in names_of(varies="batch")]
    key = (task, scheduler, *shared, *sizes, *sorted(options.items(), key=repr))
    effort = effort_of(k, singles)
    return Order(
        TASKS[task].function, singles, inputs, options, key, client,
        effort=effort, scheduler=scheduler,
    )  # fmt: skip


def call(k: Kandinsky, orders: Sequence[Order], stop: Any) -> list[Result]:
    """Draw orders of one key in one call; return one Result each."""
    first = orders[0]
    if first.scheduler is not None:
        k = k.with_scheduler(first.scheduler)
    params = [single for order in orders for single in order.params]
    inputs = first.inputs
    if len(orders) > 1:
        rows = [order for order in orders for _ in order.params]
        inputs = {name: [row.inputs[name] for row in rows] for name in first.inputs}
    with watch_run(orders) as told:
        result = first.function(k, params, **inputs, **first.options, **told, stop=stop)
    ends = [sum(order.count for order in orders[: n + 1]) for n in range(len(orders))]
    return [result[end - o.count : end] for o, end in zip(orders, ends, strict=True)]


def draw_trial(k: Kandinsky, stop: Any) -> Result:
    """Draw the smallest picture that there is, of no client's words."""
    least = {
        name: int(FIELDS[name].low) for name in ("steps", "prior_steps", "width", "height")
    }
    params = Params("a fox", **least)
    return every_task()["generate"].function(k, params, progress=False, stop=stop)
