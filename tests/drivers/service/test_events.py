"""Answers in events: place in the queue, steps and previews, each told to its client alone."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from asgi import QUICK, asked, opened, png, requested, serving

from kandi_nb.drivers.queue import worker
from kandi_nb.drivers.queue.watch import MOST
from kandi_nb.drivers.remote.replies import error_of
from kandi_nb.drivers.remote.requests import _failure
from kandi_nb.drivers.service.events import wants_events
from kandi_nb.pictures.recipe import recipe
from kandi_nb.words.errors import KandiError

FOX = {"prompt": "a red fox", "seed": 7, **QUICK, "steps": 4}
HEADERS = {"Accept": "text/event-stream", "X-Kandi-NB-Preview": "1"}


@pytest.fixture(scope="module")
def app(tiny_roles):
    with serving(tiny_roles) as app:
        yield app


def events(response):
    """Return kind and data of each event of an answer."""
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    found = []
    for text in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in text.splitlines())
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def pictures(data):
    return [opened(base64.b64decode(text)) for text in data["images"]]


def of_kind(found, kind):
    return [data for name, data in found if name == kind]


@pytest.fixture(scope="module")
def both(app):
    """Events of two clients' requests that shared a run, and the pictures without events."""
    bodies = [FOX, {**FOX, "prompt": "a blue cat", "seed": 8}]
    calls = [("POST", "/generate", {"json": body}) for body in bodies]
    return (
        [events(answer) for answer in requested(app, calls, HEADERS)],
        [opened(answer.content) for answer in requested(app, calls)],
    )


def test_steps_are_told_to_their_end_and_the_picture_is_the_one_without_events(both):
    for found, plain in zip(*both, strict=True):
        steps = [data["done"] for data in of_kind(found, "step")]
        assert steps == sorted(steps) and steps[-1] == 6
        assert {data["total"] for data in of_kind(found, "step")} == {4 + 2}, "prior, too"
        kind, done = found[-1]
        assert kind == "done" and done["shared"] == 2 and done["seconds"] > 0
        (picture,) = pictures(done)
        assert recipe(picture) == recipe(plain)
        assert np.array_equal(np.asarray(picture), np.asarray(plain))


def far(a, b):
    return np.abs(np.asarray(a, int) - np.asarray(b, int)).mean()


def test_each_client_sees_its_own_unfinished_pictures_and_no_others(both):
    found, plain = both
    for mine, other in ((0, 1), (1, 0)):
        shown = of_kind(found[mine], "preview")
        assert shown and len(shown) <= MOST
        (last,) = pictures(shown[-1])
        assert last.size == (64, 64) and "kandi_nb" not in last.info
        assert shown[-1]["step"] == 3, "the last one is the picture"
        assert far(last, plain[mine]) < far(last, plain[other])


def test_forms_and_mixtures_are_told_of_too(app):
    form = {"prompt": "a fox", **QUICK}
    items = [(n, (None, str(v))) for n, v in (*QUICK.items(), ("items", "a cat"))]
    calls = [
        ("POST", "/edit", {"data": form, "files": {"image": png()}}),
        ("POST", "/mix", {"files": [*items, ("items", ("a.png", png()))]}),
    ]
    for answer in requested(app, calls, HEADERS):
        found = events(answer)
        assert of_kind(found, "step") and found[-1][0] == "done"


def test_who_waits_is_told_his_place(tiny_roles):
    limits = {"batch": 1, "window": 0}
    with serving(tiny_roles, limits=limits) as app:
        bodies = [{**FOX, "seed": n, "steps": 20} for n in range(3)]
        calls = [("POST", "/generate", {"json": body}) for body in bodies]
        queues = [of_kind(events(a), "queue") for a in requested(app, calls, HEADERS)]
    for places in ([told["place"] for told in queue] for queue in queues):
        assert places == sorted(set(places), reverse=True), "it only gets better"
    last = max(queues, key=lambda queue: queue[0]["place"])
    assert last[0]["place"] >= 2 and last[-1]["place"] == 1
    assert last[0]["seconds"] > 0


def test_what_is_wrong_has_its_own_status_before_it_waits_and_an_event_after(tiny_roles):
    with serving(tiny_roles, limits={"deadline": 0.3}, tokens=["a-token"]) as app:
        slow = {"json": {**FOX, "steps": 200, "width": 256, "height": 256}}
        calls = [
            ("POST", "/generate", {"json": {**FOX, "steps": 900}}),
            ("POST", "/generate", {"json": FOX, "headers": {"X-Kandi-NB-Preview": "few"}}),
            ("POST", "/generate", {"json": {**FOX, "prompt": 7}}),
        ]
        headers = {**HEADERS, "Authorization": "Bearer a-token"}
        for answer in requested(app, calls, headers):
            assert answer.status_code == 422 and answer.json()["detail"]
        assert asked(app, "POST", "/generate", HEADERS, json=FOX).status_code == 401
        app.state.worker.queue.seconds = lambda effort: 0.0
        found = events(asked(app, "POST", "/generate", headers, **slow))
    kind, said = found[-1]
    assert kind == "error" and said["status"] == 503 and "given up" in said["detail"]


def test_an_error_that_comes_as_an_event_names_its_field_and_a_client_hears_it(
    tiny_roles, monkeypatch
):
    def refuse(*_):
        raise KandiError("image is too dark", about="image")

    monkeypatch.setattr(worker, "call", refuse)
    with serving(tiny_roles) as app:
        kind, said = events(asked(app, "POST", "/generate", HEADERS, json=FOX))[-1]
    assert kind == "error" and (said["status"], said["param"]) == (422, "image")
    status, body, _ = _failure(said)
    assert error_of(status, body).about == "image"


def test_previews_are_few_however_many_are_asked_for(app):
    body = {**FOX, "steps": 40}
    found = events(asked(app, "POST", "/generate", HEADERS, json=body))
    assert 1 <= len(of_kind(found, "preview")) <= MOST
    quiet = {"Accept": "text/event-stream"}
    assert of_kind(events(asked(app, "POST", "/generate", quiet, json=FOX)), "preview") == []


@pytest.mark.parametrize(
    ("accepts", "events"),
    [
        ("text/event-stream", True),
        ("image/png, Text/Event-Stream; q=0.1", True),
        ("text/event-stream;q=0, image/png", False),
        ("text/event-stream ; charset=utf-8; Q=0.000", False),
        ("text/*", False),
    ],
)
def test_who_says_so_gets_events_and_of_quality_0_none(accepts, events):
    from starlette.requests import Request

    headers = [(b"accept", accepts.encode())]
    assert wants_events(Request({"type": "http", "headers": headers})) is events
