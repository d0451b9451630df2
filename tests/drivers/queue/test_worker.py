"""The line before the model and the thread that serves it, with a toy in the model's place."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from kandi_nb.drivers.queue.limits import Limits, Refused
from kandi_nb.drivers.queue.orders import Order, Reload
from kandi_nb.drivers.queue.worker import Worker
from kandi_nb.words.errors import Cancelled, KandiError, warn
from kandi_nb.words.params import Params

WAIT = 20  # seconds: never reached when all is well


class Toy:
    """Stand where a model stands; no picture is drawn."""

    prior = decoder = None
    revision: dict = {}  # noqa: RUF012
    spec = SimpleNamespace(advice=None, key="toy", family="2.2", roles={})

    def __init__(self):
        self.lock = threading.RLock()
        self.opened = []

    def open(self, roles):
        self.opened += roles


class Task:
    """Draw words: a gate holds each run until it is opened, unless it is stopped."""

    __name__ = "toy"

    def __init__(self, *, open_gate=True):
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.runs, self.models = [], []
        if open_gate:
            self.gate.set()

    def __call__(self, k, params, *, progress, stop, **inputs):
        self.runs.append([single.prompt for single in params])
        self.models.append(k)
        self.begun.release()
        while not self.gate.wait(0.005):
            if stop.is_set():
                raise Cancelled("stopped")
        if stop.is_set():
            raise Cancelled("stopped")
        for single in params:
            if single.prompt.startswith("bad"):
                raise KandiError(f"{single.prompt} cannot be drawn")
            if single.prompt.startswith("bug"):
                raise ZeroDivisionError
            if single.prompt.startswith("warn"):
                warn(f"{single.prompt} is odd")
        return [f"drawn {single.prompt}" for single in params]

    def wait_until_it_draws(self):
        assert self.begun.acquire(timeout=WAIT)


@pytest.fixture
def start():
    workers = []

    def started(load=Toy, trial=None, **limits):
        more = {"trial": trial} if trial else {}
        worker = Worker(load, Limits(**{"window": 0.0, **limits}), **more).start()
        workers.append(worker)
        return worker

    yield started
    for worker in workers:
        worker.close(0)
        worker.join(WAIT)


def order(task, prompt="a", key="same", client="me", count=1):
    return Order(task, Params(prompt, count=count).singles(), key=key, client=client)


def enter(worker, *orders):
    for entry in orders:
        worker.queue.enter(entry)
    return orders if len(orders) > 1 else orders[0]


def drawn(entry):
    return entry.future.result(WAIT)


def busy(worker, task):
    """Let the worker draw something that holds it until the gate opens."""
    first = enter(worker, order(task, "first", key="first", client="first"))
    task.wait_until_it_draws()
    return first


def test_requests_of_one_key_share_a_run_and_others_do_not(start):
    worker, task = start(), Task(open_gate=False)
    busy(worker, task)
    orders = [order(task, p, key) for p, key in (("a", 1), ("b", 2), ("c", 1), ("d", None))]
    enter(worker, *orders, order(task, "e", None))
    task.gate.set()
    assert [drawn(o).result for o in orders] == [[f"drawn {p}"] for p in "abcd"]
    assert task.runs[1:4] == [["a", "c"], ["b"], ["d"]], "None shares with nobody"
    assert drawn(orders[0]).shared == 2


def test_a_lone_request_waits_for_others_no_longer_than_the_window(start):
    worker, task = start(window=0.2), Task()
    a = enter(worker, order(task, "a"))
    time.sleep(0.05)
    b = enter(worker, order(task, "b"))
    assert [drawn(a).shared, drawn(b).shared] == [2, 2]
    assert 0.1 < drawn(a).waited < WAIT


def test_a_full_batch_does_not_wait_for_the_window(start):
    worker, task = start(window=WAIT, batch=2), Task()
    orders = enter(worker, order(task, "a"), order(task, "b"), order(task, "c"))
    assert drawn(orders[0]).shared == drawn(orders[1]).shared == 2
    assert not orders[2].future.done(), "the third waits for company of its own"


def test_each_gets_its_own_pictures_of_a_shared_run(start):
    worker, task = start(), Task(open_gate=False)
    busy(worker, task)
    a, b = enter(worker, order(task, "a", count=3), order(task, "b", count=2))
    task.gate.set()
    assert (drawn(a).result, drawn(b).result) == (["drawn a"] * 3, ["drawn b"] * 2)


def test_one_bad_request_fails_no_other_of_its_run(start):
    worker, task = start(), Task(open_gate=False)
    busy(worker, task)
    a, bad, bug, b = enter(worker, *(order(task, p) for p in ("a", "bad", "bug", "b")))
    task.gate.set()
    assert drawn(a).result == ["drawn a"] and drawn(b).result == ["drawn b"]
    assert str(drawn(bad).error) == "bad cannot be drawn"
    assert drawn(bug).error.status == 503 and "log" in str(drawn(bug).error)
    assert worker.healthy and worker.queue.running == 0


def test_nobody_hears_warnings_of_others(start):
    worker, task = start(), Task(open_gate=False)
    busy(worker, task)
    mine, theirs = enter(worker, order(task, "a"), order(task, "warn"))
    task.gate.set()
    assert drawn(mine).warnings == () == drawn(theirs).warnings
    alone = enter(worker, order(task, "warn"))
    assert drawn(alone).warnings == ("warn is odd",)


def test_a_full_queue_refuses_and_says_when_to_come_again(start):
    worker, task = start(queue=2), Task(open_gate=False)
    busy(worker, task)
    enter(worker, order(task, client="a"), order(task, client="b"))
    with pytest.raises(Refused, match="queue is full") as refused:
        enter(worker, order(task, client="c"))
    assert refused.value.status == 503 and int(refused.value.headers["Retry-After"]) >= 1
    task.gate.set()


def test_a_client_has_its_share_and_no_more(start):
    worker, task = start(per_client=2), Task(open_gate=False)
    busy(worker, task)
    mine = enter(worker, order(task), order(task))
    with pytest.raises(Refused, match="requests of yours") as refused:
        enter(worker, order(task))
    assert refused.value.status == 429 and "Retry-After" in refused.value.headers
    enter(worker, order(task, client="another"))
    task.gate.set()
    drawn(mine[0]), drawn(mine[1])
    assert drawn(enter(worker, order(task))).result, "what has ended is no share any more"


def test_who_leaves_the_queue_frees_a_place_and_touches_nobody(start):
    worker, task = start(queue=2), Task(open_gate=False)
    busy(worker, task)
    a, b = enter(worker, order(task, "a"), order(task, "b"))
    worker.queue.leave(a)
    assert worker.queue.waiting == 1
    c = enter(worker, order(task, "c"))
    task.gate.set()
    assert drawn(b).result == ["drawn b"] and drawn(c).result == ["drawn c"]
    assert ["a"] not in task.runs and not a.future.done()


def test_a_run_stops_when_its_client_leaves_and_only_then_its_place_is_free(start):
    worker, task = start(), Task(open_gate=False)
    first = busy(worker, task)
    assert worker.queue.running == 1
    worker.queue.leave(first)
    assert isinstance(drawn(first).error, Cancelled)
    deadline = time.monotonic() + WAIT
    while worker.queue.running and time.monotonic() < deadline:
        time.sleep(0.005)
    assert worker.queue.running == 0


def test_a_shared_run_goes_on_while_one_of_its_clients_waits(start):
    worker, task = start(), Task(open_gate=False)
    busy(worker, task)
    a, b = enter(worker, order(task, "a"), order(task, "b"))
    task.gate.set()
    task.wait_until_it_draws()
    worker.queue.leave(a)
    assert drawn(b).result == ["drawn b"]


def test_a_shared_run_stops_when_all_its_clients_have_left(start):
    worker, task = start(window=0.1), Task(open_gate=False)
    a, b = enter(worker, order(task, "a"), order(task, "b"))
    task.wait_until_it_draws()
    worker.queue.leave(a)
    time.sleep(0.03)
    assert not b.future.done()
    worker.queue.leave(b)
    assert isinstance(drawn(a).error, Cancelled) and isinstance(drawn(b).error, Cancelled)


def test_a_reload_waits_for_the_run_and_never_mixes_models(start):
    worker, task = start(), Task(open_gate=False)
    busy(worker, task)
    old = worker.k
    before, reload, after = enter(worker, order(task, "b"), Reload(), order(task, "c"))
    with pytest.raises(Refused, match="already") as refused:
        enter(worker, Reload())
    assert refused.value.status == 409
    task.gate.set()
    drawn(before), drawn(after)
    assert drawn(reload).error is None
    assert task.models[1] is old and task.models[2] is worker.k is not old
    assert task.runs[1:] == [["b"], ["c"]], "equal keys, yet not across the reload"


def test_the_old_model_stays_when_a_reload_fails(start):
    loads = [Toy()]

    def load():
        if not loads:
            raise KandiError("the weights are damaged")
        return loads.pop()

    worker, task = start(load), Task()
    old = worker.k
    error = drawn(enter(worker, Reload())).error
    assert error.status == 503 and "the weights are damaged" in str(error)
    assert worker.k is old and worker.healthy
    assert drawn(enter(worker, order(task))).result


def test_a_fault_of_loading_is_raised_at_the_start():
    def load():
        raise KandiError("unknown model")

    worker = Worker(load)
    with pytest.raises(KandiError, match="unknown model"):
        worker.start()
    assert not worker.healthy


def test_unforeseen_errors_in_a_row_make_it_unhealthy_and_a_picture_heals_it(start):
    worker, task = start(), Task()
    for _ in range(3):
        assert worker.healthy
        assert drawn(enter(worker, order(task, "bug"))).error.status == 503
    assert not worker.healthy
    assert drawn(enter(worker, order(task, "bad"))).error, "bad input says nothing of it"
    assert not worker.healthy
    drawn(enter(worker, order(task)))
    assert worker.healthy


def test_what_an_input_causes_says_nothing_of_health(start):
    tried, task = [], Task()
    worker = start(trial=lambda k, stop: tried.append(k))
    for _ in range(5):
        assert drawn(enter(worker, order(task, "bug"))).error.status == 503
    assert worker.healthy and tried == [worker.k] * 5
    assert b"kandi_nb_failures_total 5.0" in worker.metrics.text(), "they are defects"


def test_the_end_lets_nobody_in_and_finishes_what_it_can(start):
    worker, task = start(), Task(open_gate=False)
    first = busy(worker, task)
    second = enter(worker, order(task, "b"))
    worker.close(WAIT)
    with pytest.raises(Refused, match="ending") as refused:
        enter(worker, order(task))
    assert refused.value.status == 503 and not worker.healthy
    task.gate.set()
    assert drawn(first).result and drawn(second).result
    worker.join(WAIT)


def test_the_end_comes_within_its_patience(start):
    worker, task = start(), Task(open_gate=False)
    first = busy(worker, task)
    second = enter(worker, order(task, "b"))
    worker.close(0.05)
    for entry in (first, second):
        assert drawn(entry).error.status == 503 and "ending" in str(drawn(entry).error)
    worker.join(WAIT)
    assert worker.queue.running == worker.queue.waiting == 0


@pytest.mark.parametrize(
    "limits", [{"queue": 0}, {"queue": 2.5}, {"window": -1}, {"deadline": float("nan")}]
)
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(KandiError, match=next(iter(limits))):
        Limits(**limits)
