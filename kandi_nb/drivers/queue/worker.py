"""The one thread that owns the model: it draws what the waiting line hands it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ...model.loading.kandinsky import Kandinsky
from ...model.machine.device import free
from ...tasks.loop.texts import warn_about_texts
from ...words.errors import Cancelled, KandiError, collected_warnings
from .limits import ENDING, Limits, Refused
from .metrics import Metrics
from .orders import Abandoned, Drawn, Order, Reload, call, draw_trial
from .waiting import WaitingQueue

log = logging.getLogger("kandi_nb.service")
_FAILURES = 3  # unforeseen errors in a row after which the service calls itself unhealthy


class Worker:
    """Hold the model in one thread, and the line of orders before it.

    `load` gives the model, at the start and for each reload; `trial(k, stop)` draws a picture
    of the service's own, to tell a broken model from a bad input.
    """

    def __init__(
        self,
        load: Callable[[], Kandinsky],
        limits: Limits | None = None,
        metrics: Metrics | None = None,
        trial: Callable[[Kandinsky, Any], Any] = draw_trial,
    ) -> None:
        self.limits, self.metrics = limits or Limits(), metrics or Metrics()
        self.queue = WaitingQueue(self.limits)
        self.k: Kandinsky | None = None
        self._load, self._trial = load, trial
        self._failures = 0
        self._halt = threading.Event()
        self._loaded = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="kandi_nb worker", daemon=True)
        self.metrics.watch(lambda: self.queue.waiting, lambda: self.queue.running)

    def start(self) -> Worker:
        """Load the model and begin; raise what loading it raises."""
        self._thread.start()
        self._loaded.wait()
        if self._fault is not None:
            raise self._fault
        return self

    @property
    def healthy(self) -> bool:
        """Tell whether orders are being drawn."""
        alive = self._thread.is_alive() and self.k is not None
        return alive and not self.queue.closing and self._failures < _FAILURES

    def close(self, patience: float | None = None) -> None:
        """Refuse new orders; stop after `patience` seconds whatever is still being drawn."""
        self.queue.close()
        wait = self.limits.patience if patience is None else patience
        timer = threading.Timer(wait, self._halt.set)
        timer.daemon = True
        timer.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout)

    def _live(self) -> None:
        try:
            self.k = self._load()
        except BaseException as error:
            self._fault = error
            return
        finally:
            self._loaded.set()
        try:
            while not self._halt.is_set() and (entries := self.queue.next()):
                if isinstance(entries[0], Reload):
                    self._reload(entries[0])
                else:
                    self._draw(entries)
        finally:
            ended = Drawn(error=Refused(503, ENDING))
            for entry in self.queue.clear():
                if not entry.future.done():
                    entry.future.set_result(ended)

    def _draw(self, orders: Sequence[Order]) -> None:
        """Draw orders together; where that fails, each alone, so that none fails another."""
        began = time.monotonic()
        mine = [self._about_texts(order) for order in orders] if len(orders) > 1 else []
        try:
            with collected_warnings() as said:
                results = call(self.k, orders, Abandoned(orders, self._halt))
        except Exception as error:
            if len(orders) > 1 and not isinstance(error, Cancelled):
                for order in orders:
                    self._draw([order])
                return
            explained = self._explain(error)
            for order in orders:
                self._hand_over(order, Drawn(error=explained))
            return
        self._failures = 0
        pictures = sum(order.count for order in orders)
        self._count(orders, pictures, time.monotonic() - began)
        for order, result, own in zip(orders, results, mine or [said], strict=True):
            # What a shared run warns of may quote the words of another client.
            lines = tuple(dict.fromkeys([*order.warnings, *own]))
            waited = max(0.0, began - order.arrived)
            self._hand_over(order, Drawn(result, None, lines, waited, pictures))

    def _about_texts(self, order: Order) -> list[str]:
        with collected_warnings() as said:
            try:
                warn_about_texts(self.k, order.params)
            except Exception:  # the run itself will tell
                log.exception("a text could not be looked at")
        return said

    def _explain(self, error: Exception) -> Exception:
        """Return the error for the client: ours as it is, others in a line of their own."""
        if isinstance(error, Cancelled) and self._halt.is_set():
            return Refused(503, "the service is ending, so the run was stopped; ask another")
        if isinstance(error, KandiError):
            return error
        self.metrics.failures.inc()
        log.error("a run ended in an unforeseen error", exc_info=error)
        self._failures = self._failures + 1 if self._is_ill() else 0
        return Refused(
            503,
            "the picture could not be drawn, and the service's log says why; ask its keeper",
        )

    def _is_ill(self) -> bool:
        """Tell whether a picture of the service's own fails, too: then no input is at fault."""
        try:
            with collected_warnings():
                self._trial(self.k, self._halt)
        except Exception:
            log.exception("a picture of the service's own cannot be drawn")
            return True
        return False

    def _count(self, orders: Sequence[Order], pictures: int, seconds: float) -> None:
        self.queue.learn_pace(seconds, sum(order.effort for order in orders))
        self.metrics.runs.observe(seconds)
        self.metrics.batches.observe(pictures)
        task = getattr(orders[0].function, "__name__", "task")
        self.metrics.pictures.labels(task).inc(pictures)

    def _hand_over(self, order: Order, drawn: Drawn) -> None:
        self.metrics.waits.observe(drawn.waited)
        self.queue.free_place(order)
        if not order.future.done():
            order.future.set_result(drawn)

    def _reload(self, reload: Reload) -> None:
        """Take a fresh model in the old one's place; when it cannot be had, the old one stays.

        Until the fresh one stands, there is memory needed for both.
        """
        try:
            fresh = self._load()
            fresh.open(role for role in self.k.revision if role in fresh.spec.roles)
        except Exception as error:
            log.error("the model could not be loaded anew", exc_info=error)
            line = str(error) if isinstance(error, KandiError) else type(error).__name__
            refused = Refused(503, f"the model of before stays in use: {line}")
            reload.future.set_result(Drawn(error=refused))
            return
        self.k = fresh
        self._failures = 0
        free()
        reload.future.set_result(Drawn())
