"""The server of the page without a browser: its door, its token, and whom it turns away."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import threading
from pathlib import Path

import httpx
import pytest

pytest.importorskip("voila")
import tornado.ioloop

from kandi_nb.drivers.studio import server as served
from kandi_nb.drivers.studio.door import Channel
from kandi_nb.drivers.studio.visitors import Visitors

TOKEN = "a-token-of-more-than-sixteen-letters"
NOBODY = "00000000-0000-0000-0000-000000000000"  # a kernel's id, of none
WAIT = 60  # seconds that a busy machine may take
HERE = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.fixture(scope="module")
def door():
    """A server without a kernel; yield its address, what it started, and its log."""
    patch = pytest.MonkeyPatch()
    for name in ("JUPYTER_PATH", "JUPYTER_PREFER_ENV_PATH", "SERVER_SOFTWARE"):
        patch.setenv(name, "")  # the server writes them
    started, up, loops = [], threading.Event(), []

    async def refused(self, **words):
        started.append(words)
        raise served.tornado.web.HTTPError(503, "all 0 places are taken")

    class Heard(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    lines: list[str] = []
    handler = Heard()
    for name in ("", "tornado.access", "tornado.general"):
        logging.getLogger(name).addHandler(handler)
    patch.setattr(Visitors, "start_kernel", refused)
    patch.setattr(served, "warm_code", lambda parameters: "")
    patch.setattr("signal.signal", lambda *words: None)  # a server of a thread
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def ready():
        loops.append(tornado.ioloop.IOLoop.current())
        up.set()

    words = {"MODEL": "mini-2.2", "SERVICE": "", "OUT": None}
    options = {"visitors": 2, "token": TOKEN, "remote": False, "open_page": False}
    thread = threading.Thread(
        target=served.run,
        args=(listener, words),
        kwargs={**options, "ready": ready},
        daemon=True,
    )
    thread.start()
    assert up.wait(WAIT)
    yield url, started, lines
    loops[0].add_callback(loops[0].stop)
    thread.join(WAIT)
    patch.undo()
    for name in ("", "tornado.access", "tornado.general"):
        logging.getLogger(name).removeHandler(handler)
    asyncio.set_event_loop(None)


@pytest.fixture
def visitor(door):
    """Somebody who has come in with the token."""
    with httpx.Client(base_url=door[0]) as client:
        client.get("/", params={"token": TOKEN})
        yield client


def test_the_token_is_asked_for_here_too_and_the_address_forgets_it(door):
    with httpx.Client(base_url=door[0]) as client:
        assert "Kandinsky studio" not in client.get("/", follow_redirects=True).text
        answer = client.get("/", params={"token": TOKEN})
        assert answer.status_code == 302 and answer.headers["location"] == "/"
        assert "Kandinsky studio" in client.get("/").text, "the cookie is enough"
        assert TOKEN not in client.get("/").text


def test_no_token_is_written_down(door, visitor):
    for path in ("/", "/no/such/page", "/api/kernels/none"):
        visitor.get(path, params={"token": TOKEN, "session": "new"})
        httpx.get(door[0] + path, params={"token": f"{TOKEN}x"})
    assert not any(TOKEN in line for line in door[2])


def test_only_a_page_of_ours_that_is_gone_to_starts_a_kernel(door, visitor):
    _, started, _ = door
    foreign = [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Dest": "iframe"},
    ]
    for headers in foreign:
        answer = visitor.get("/", params={"session": "new"}, headers={**HERE, **headers})
        assert answer.status_code == 200 and "location.replace" in answer.text
    assert visitor.get("/", headers=HERE).status_code == 200
    assert started == []
    answer = visitor.get("/", params={"session": "new"}, headers=HERE)
    assert answer.status_code == 503 and len(started) == 1
    assert "The studio is full" in answer.text


def test_unknown_paths_get_a_friendly_page(visitor):
    for path in ("/nothing", "/voila/files/studio.ipynb/no", "/a/b?c=d"):
        answer = visitor.get(path)
        assert answer.status_code == 404
        assert "There is no such page" in answer.text, path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/voila/templates/x", 404),
        ("GET", "/voila/templates/x/static", 404),
        ("GET", "/voila/templates/x/static/y", 404),
        ("GET", "/voila/templates/base/static/no", 404),
        ("GET", "/voila/templates/..%2f", 404),
        ("GET", "/voila/templates/base/static/..%2f..%2fconf.json", 404),
        ("GET", "/voila/templates/base%2fno/static/y", 404),
        ("GET", "/voila/templates/base/static/%00", 404),
        ("GET", "/%ff", 400),
        ("GET", "/voila/labextensions/%ff", 400),
        ("FOO", "/", 405),
        ("FOO", "/login", 405),
        ("FOO", f"/api/kernels/{NOBODY}/channels", 405),
    ],
)
def test_strange_requests_are_answered_without_a_traceback(door, visitor, method, path, status):
    before = len(door[2])
    answer = visitor.request(method, path)
    assert answer.status_code == status
    assert answer.text and "Traceback" not in answer.text
    assert not [line for line in door[2][before:] if "xception" in line or "Traceback" in line]


def test_files_of_templates_are_sent(visitor):
    paths = (Path(sys.prefix) / "share/jupyter/nbconvert/templates").glob("*/static/*.css")
    names = [f"{path.parents[1].name}/static/{path.name}" for path in paths]
    assert names
    for name in names:
        assert visitor.get(f"/voila/templates/{name}").status_code == 200


def test_what_is_no_message_ends_its_channel_in_one_line():
    class Connection:
        handle_incoming_message = staticmethod(json.loads)

    class Quiet(Channel):
        connection, log = Connection(), logging.getLogger("quiet")
        ended = ()

        def __init__(self):
            pass

        def close(self, code, reason):
            self.ended = (code, reason)

    for text in ("{", "\xff", b"\xff"):
        channel = Quiet()
        channel.on_message(text)
        assert channel.ended[0] == 1003
    channel = Quiet()
    channel.on_message("{}")
    assert channel.ended == ()


def test_a_kernel_that_ends_while_it_starts_is_one_line(caplog):
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(served.log_fault)
    for says in ("Kernel died before replying to kernel_info", "something else"):
        error = RuntimeError(says)
        loop.call_exception_handler({"message": "never retrieved", "exception": error})
    loop.close()
    early, other = caplog.records
    assert "while it was starting" in early.getMessage() and early.exc_info is None
    assert "never retrieved" in other.getMessage() and other.exc_info


def test_what_never_changes_is_sent_packed(visitor):
    answer = visitor.get("/voila/static/voila.js")
    assert answer.status_code == 200 and answer.headers["content-encoding"] == "gzip"


def test_a_page_that_is_left_needs_the_cookie_of_its_page(door, visitor):
    path = f"/voila/api/shutdown/{NOBODY}"
    assert visitor.post(path).status_code == 403
    form = {"_xsrf": visitor.cookies["_xsrf"]}
    assert visitor.post(path, data=form).status_code == 204
