"""Services that lie, and the way to one: a line each, bounded work, no token in words."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
import zlib

import pytest
from PIL import Image, PngImagePlugin

import kandi_nb as kn
from kandi_nb.drivers.remote import client as client_module
from kandi_nb.drivers.remote import replies, requests
from kandi_nb.words.errors import KandiError, collected_warnings
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=2, prior_steps=2, seed=7)
TOKEN = "a-token-that-is-long-enough"
INFO = {
    "model": {
        "key": "mini-2.2", "native_size": 64, "family": "2.2", "languages": "", "draws": "",
        "roles": {"decoder": ["generate"]},
    },
    "device": "cpu", "options": {}, "revision": {}, "endpoints": {"/generate": "draws"},
    "limits": {"per_client": 4, "deadline": 5},
}  # fmt: skip
DETAILS = {"peak_mb": None, "warnings": [], "proof": []}


def http(body=b"", status="200 OK", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items())]
    if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


class Liar:
    """A server that answers GET and POST with the bytes, or the pieces, that it is given."""

    def __init__(self):
        self.get, self.post, self.heard = http(json.dumps(INFO).encode()), b"", b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection):
        with connection:
            self.heard = connection.recv(65536)
            said = self.get if self.heard.startswith(b"GET") else self.post
            try:
                for piece in [said] if isinstance(said, bytes) else said():
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass


@pytest.fixture
def liar(monkeypatch):
    monkeypatch.setattr(replies, "MOST_BYTES", 2**20)
    monkeypatch.setattr(requests, "MOST_BYTES", 2**20)
    liar = Liar()
    yield liar
    liar.listener.close()


def endless():
    yield http(Content_Length=10**15)
    while True:
        yield b"x" * 65536


def dripping():
    yield http(Content_Length=10**15)
    while True:
        time.sleep(0.05)
        yield b"x"


def changed(path, value):
    """INFO with another value at a path such as "model.key"."""
    info = json.loads(json.dumps(INFO))
    held, names = info, path.split(".")
    for name in names[:-1]:
        held = held[name]
    held[names[-1]] = value
    return http(json.dumps(info).encode())


LIES = {
    "no JSON": http(b"<html>"),
    "deep": http(b'{"a":' * 100_000),
    "a list": http(b"[]"),
    "a long number": http(b'{"limits":' + b"1" * 9999 + b"}"),
    **{
        f"{path} {value!r}"[:40]: changed(path, value)
        for path, value in [
            ("model", []), ("model.key", 5), ("model.key", "../evil"), ("model.key", "/etc"),
            ("model.key", "~/evil/"), ("model.key", "\\\\host\\share"),
            ("model.key", "a\x1b[2J"), ("model.key", "C:evil"), ("model.key", "x" * 10_000),
            ("model.native_size", "64"),
            ("model.native_size", -1), ("model.native_size", 1e300), ("limits", 3),
            ("limits.per_client", "many"), ("limits.per_client", None),
            ("limits.deadline", "x"),
            ("limits.deadline", -1), ("device", ["cpu"]), ("device", "a\nb"), ("options", 3),
            ("revision", "x"), ("endpoints", 5), ("endpoints", [{}]),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_service_that_lies_about_itself_is_none(liar, lie):
    liar.get = LIES[lie]
    with pytest.raises(KandiError, match=r"^\S+ is not a service of kandi_nb.*$"):
        kn.Client(liar.url)


def test_a_model_that_is_unknown_here_keeps_its_plain_name(liar):
    liar.get = changed("model.key", "my models/")
    liar.get = http(
        liar.get.partition(b"\r\n\r\n")[2].replace(b'["generate"]', b'["generate", "evil"]')
    )
    client = kn.Client(liar.url)
    assert client.spec.key == "my models/"
    assert client.spec.tasks == ("generate",)


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (endless, "more than 1,048,576 bytes"),
        (dripping, "has no end within"),
        (http(zlib.compress(bytes(10**7)), Content_Encoding="deflate"), "packs what it sends"),
        (b"not HTTP at all\r\n\r\n", "no service at"),
        (http(status="302 Found", Location="http://127.0.0.1:9/"), "answered 302"),
        (http(b'{"detail": ["a"]}', status="422 No"), "answered 422"),
        (http(json.dumps({"detail": f"no {TOKEN}"}).encode(), status="401 No"), "^no …$"),
        (http(json.dumps({"detail": "a\x1b[2J\n" * 9999}).encode(), status="422 No"), "^a"),
    ],
    ids=["endless", "dripping", "packed", "no HTTP", "elsewhere", "a list", "token", "long"],
)
def test_bodies_have_an_end_and_errors_one_line(liar, lie, says, monkeypatch):
    monkeypatch.setattr(client_module, "_CONNECT", 0.5)
    liar.get = liar.post = lie
    with pytest.raises(KandiError, match=says) as said:
        kn.Client(liar.url, TOKEN)
    line = str(said.value)
    assert line.isprintable() and len(line) < 700 and TOKEN not in line


def png(size=(64, 64), made=None, **chunks):
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    if made is not None:
        info.add_itxt("kandi_nb", json.dumps(made))
    Image.new("1", size).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def made(**changes):
    recipe = {
        "schema": 3, "task": "generate", "model": "mini-2.2", "params": QUICK.to_dict(),
        "size": [64, 64], "inputs": {}, "options": {}, "revision": {}, "versions": {},
    }  # fmt: skip
    return recipe | changes


def drawn(body, **details):
    return http(body, X_Kandi_NB=json.dumps(DETAILS | details))


PICTURES = {
    "no picture": (drawn(b"GIF89a"), "is no picture that can be read"),
    "cut short": (drawn(png(made=made())[:-60]), ""),
    "no recipe": (drawn(png()), "holds no recipe"),
    "a huge one": (drawn(png((16_000, 8_000), made())), "more than 67,108,864 pixels"),
    "a bomb": (drawn(png((30_000, 30_000), made())), "more than 67,108,864 pixels"),
    "another task": (drawn(png(made=made(task="edit"))), ""),
    "another model": (drawn(png(made=made(model="./evil"))), ""),
    "wrong types": (drawn(png(made=made(params={"prompt": 5}))), ""),
    "no details": (http(png(made=made())), "KeyError"),
    "details of a kind": (drawn(png(made=made()), peak_mb="much"), "ValueError"),
    "warnings of a kind": (drawn(png(made=made()), warnings=[{}]), "TypeError"),
    "a proof of a kind": (drawn(png(made=made()), proof=["x"]), "ValueError"),
}


@pytest.mark.parametrize("lie", PICTURES)
def test_a_service_that_lies_about_a_picture_is_one_line(liar, lie):
    client = kn.Client(liar.url)
    liar.post, says = PICTURES[lie]
    with pytest.raises(KandiError, match="is no picture of kandi_nb") as said:
        kn.generate(client, QUICK)
    assert says in str(said.value) and str(said.value).isprintable()


def test_what_is_true_is_taken_and_warnings_are_lines(liar):
    client = kn.Client(liar.url)
    liar.post = drawn(png(made=made()), warnings=["a\x1b[2J\nb" * 100] * 50)
    with collected_warnings() as said:
        (picture,) = kn.generate(client, QUICK)
    assert picture.size == (64, 64)
    assert len(said) == 1 and said[0].isprintable() and len(said[0]) <= 500


@pytest.mark.parametrize("lie", [endless, dripping], ids=lambda one: one.__name__)
def test_a_picture_without_an_end_is_given_up(liar, lie, monkeypatch):
    monkeypatch.setattr(requests, "_SPARE", 0.1)
    client = kn.Client(liar.url)
    client.limits["deadline"] = 0.5
    liar.post = lie
    with pytest.raises(KandiError, match=r"more than 1,048,576 bytes|did not answer within"):
        kn.generate(client, QUICK)


def test_a_service_that_is_always_full_is_not_hammered(liar):
    client = kn.Client(liar.url, patience=0.7)
    asked = []

    def full():
        asked.append(1)
        yield http(b'{"detail": "full"}', status="503 No", Retry_After="0")

    liar.post = full
    with pytest.raises(KandiError, match="full"):
        kn.generate(client, QUICK)
    assert 2 <= len(asked) <= 7


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense"])
def test_this_machine_is_reached_without_the_companys_proxy(liar, monkeypatch, proxy):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    client = kn.Client(liar.url.replace("127.0.0.1", "localhost"))
    liar.post = drawn(png(made=made()))
    assert len(kn.generate(client, QUICK)) == 1
    with pytest.raises(KandiError, match="no service at") as said:
        kn.Client("http://elsewhere.example:8002")
    assert str(said.value).isprintable()


def test_without_an_address_the_usual_one_is_tried(liar, monkeypatch):
    monkeypatch.delenv("KANDINSKY_SERVICE_URL", raising=False)
    assert client_module.USUAL == "http://localhost:8002"
    monkeypatch.setattr(client_module, "USUAL", liar.url)
    assert kn.Client().url == liar.url


@pytest.mark.parametrize(
    "token", [f"{TOKEN}\n", f"{TOKEN}\r\n", f" {TOKEN} ", f"{TOKEN},{'b' * 20}"]
)
def test_a_token_is_sent_without_the_end_of_its_line(liar, token, monkeypatch):
    kn.Client(liar.url, token)
    assert f"authorization: bearer {TOKEN}\r\n" in liar.heard.decode().lower()
    monkeypatch.setenv("KANDINSKY_SERVICE_TOKEN", token)
    kn.Client(f"{liar.url}/\n")
    assert f"authorization: bearer {TOKEN}\r\n" in liar.heard.decode().lower()


@pytest.mark.parametrize(
    "token", ["hush\x00hush-hush-hush-hush", "hush with a long gap", "hûsh" * 5, "hush"]
)
def test_no_error_quotes_a_token(liar, token):
    with pytest.raises(KandiError, match="a token is") as said:
        kn.Client(liar.url, token)
    assert "hush" not in str(said.value) and "hûsh" not in str(said.value)
    for url in (liar.url.replace("//", "//me:hush@"), f"{liar.url}/?token=hush"):
        with pytest.raises(KandiError, match="token=") as said:
            kn.Client(url)
        assert "hush" not in str(said.value)
