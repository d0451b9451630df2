"""Clients as they are: what each really sends is answered so that it can read it.

The bodies are those of the programs' own sources, as of 2026; the table of docs/service.md has
a row for each.
"""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from asgi import ADDRESS, QUICK, asked, completed, opened, png, serving
from PIL import Image

from kandi_nb.drivers.service.guard import origins_of
from kandi_nb.drivers.service.requests.openai_requests import aliases_of
from kandi_nb.pictures.recipe import recipe
from kandi_nb.words.errors import KandiError

DOCS = Path(__file__).parents[3] / "docs"
NAMES = ("dall-e-2", "dall-e-3", "gpt-image-1", "stablediffusion")
PAGE = "https://chat.example"
FEW = {**QUICK, "seed": 7}


@pytest.fixture(scope="module")
def app(tiny_roles):
    with serving(tiny_roles, aliases=NAMES, origins=[PAGE]) as app:
        yield app


def picture(entry):
    """Return the picture of an entry of `data`, as a client gets it."""
    address = entry.get("url")
    data = address.partition("base64,")[2] if address else entry["b64_json"]
    assert address is None or address.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def encoded(data):
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def form(fields, files):
    return {"data": {**fields, **FEW}, "files": files}


SIZE = {"size": "1024x1024"}
MASK = png(colour=(0, 0, 0, 0), mode="RGBA")
TWO = [("image[]", ("a.png", png(), "image/png")), ("image[]", ("b.png", png(), "image/png"))]
DRAW, EDIT = "/v1/images/generations", "/v1/images/edits"
# Client → path, body, where its pictures are, and what is told as ignored.
CLIENTS = {
    "LibreChat, image_gen_oai": (
        DRAW,
        {"json": {"model": "gpt-image-1", "prompt": "a fox", "n": 1, "background": "auto",
                  "output_format": "png", "quality": "auto", "size": "auto"}},
        "b64_json", "",
    ),
    "LibreChat, image_edit_oai": (
        EDIT,
        form({"model": "gpt-image-1", "prompt": "a fox", "quality": "auto", "size": "auto"},
             TWO),
        "b64_json", "image[1]",
    ),
    "LibreChat, dalle": (
        DRAW,
        {"json": {"model": "dall-e-3", "prompt": "a fox", "n": 1, "quality": "standard",
                  "style": "vivid", **SIZE}},
        "url", "quality, style",
    ),
    "LangChain": (
        DRAW,
        {"json": {"prompt": "a fox", "n": 1, "model": "dall-e-2", "quality": "standard",
                  **SIZE}},
        "url", "quality",
    ),
    "n8n, generate": (
        DRAW,
        {"json": {"prompt": "a fox", "model": "dall-e-3", "response_format": "url",
                  "quality": "hd", **SIZE}},
        "url", "quality",
    ),
    "n8n, edit": (
        EDIT,
        form({"prompt": "a fox", "model": "dall-e-2", "n": "1", "response_format": "url",
              "user": "somebody", **SIZE},
             {"image": ("a.png", png(), "image/png"), "mask": ("m.png", MASK, "image/png")}),
        "url", "user",
    ),
    "LocalAI": (
        DRAW,
        {"json": {"model": "stablediffusion", "prompt": "a fox|a dog", "n": 1, "step": 15,
                  "mode": 1, "metadata": {"a": "b"}, "size": "256x256"}},
        "b64_json", "step, mode, metadata",
    ),
    "Open WebUI": (
        DRAW,
        {"json": {"model": "dall-e-3", "prompt": "a fox", "n": 1, "size": "512x512",
                  "response_format": "b64_json"}},
        "b64_json", "",
    ),
    "OpenAI, an edit as JSON": (
        EDIT,
        {"json": {"model": "gpt-image-1", "prompt": "a fox", "output_format": "jpeg",
                  "images": [{"image_url": encoded(png())}, {"image_url": encoded(png())}],
                  "mask": {"image_url": encoded(MASK)}}},
        "b64_json", "image[1]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_sends_is_answered_as_it_reads_it(app, client):
    path, body, place, ignored = CLIENTS[client]
    if "json" in body:
        body = {"json": {**body["json"], **FEW}}
    response = asked(app, "POST", path, **body)
    assert response.status_code == 200, response.text
    assert response.headers.get("X-Kandi-NB-Ignored", "") == ignored
    said = response.json()
    (entry,) = said["data"]
    assert place in entry and said["created"] > 0
    drawn, wanted = picture(entry), (body.get("json") or body["data"]).get("size", "auto")
    assert wanted in ("auto", "{}x{}".format(*drawn.size))
    task = {EDIT: "edit", DRAW: "generate"}[path]
    if drawn.format == "PNG":
        assert recipe(drawn)["task"] == ("inpaint" if "mask" in body.get("files", ()) else task)


def test_every_client_has_its_row_in_the_documentation():
    text = (DOCS / "service.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+?) \|", text.partition("## Clients as they are")[2], re.M)
    table = [row for row in rows if row not in ("client", "---")][: len(CLIENTS)]
    assert table == list(CLIENTS)


def streamed(app, make):
    import httpx
    import openai

    async def inside():
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        async with openai.AsyncOpenAI(
            base_url=f"{ADDRESS}/v1", api_key="none", http_client=http, max_retries=0
        ) as client:
            return [event async for event in await make(client.images)]

    return completed(inside())


def test_a_stream_gives_one_event_a_picture(app):
    more = {"prompt": "a fox", "stream": True, "extra_body": FEW}
    drawn = streamed(app, lambda images: images.generate(n=2, partial_images=2, **more))
    edited = streamed(app, lambda images: images.edit(image=("a.png", png()), **more))
    kinds = [event.type for event in (*drawn, *edited)]
    assert kinds == ["image_generation.completed"] * 2 + ["image_edit.completed"]
    for event in (*drawn, *edited):
        assert opened(base64.b64decode(event.b64_json)).size == (64, 64)
        assert event.size == "64x64" and event.usage.total_tokens == 0


def test_names_of_elsewhere_are_listed_and_others_are_not_known(app):
    names = [entry["id"] for entry in asked(app, "GET", "/v1/models").json()["data"]]
    assert names[1:] == list(NAMES)
    for name in (*names, names[0].rstrip("/")):
        assert asked(app, "GET", f"/v1/models/{name}").status_code == 200
    response = asked(app, "POST", DRAW, json={"prompt": "a", "model": "gpt-9"})
    assert response.status_code == 404
    assert "--also-known-as" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"image": "http://evil.example/a.png"}, "never opened here"),
        ({"image": "file:///etc/passwd"}, "never opened here"),
        ({"images": [{"image_url": {"url": "https://evil.example"}}]}, "never opened here"),
        ({"images": [{"file_id": "file-1"}]}, "a picture's file or its base64"),
        ({"image": "/etc/passwd"}, "cannot be read"),
        ({"image": "!"}, "is no base64"),
        ({"image": 5}, "a picture's file or its base64"),
        ({"image": [[]]}, "a picture's file or its base64"),
        ({"images": []}, "image is missing"),
        ({"image": encoded(png()), "mask": [encoded(MASK)] * 2}, "mask is given twice"),
        ({"image": encoded(b"GIF89a")}, "image"),
        ({"image": encoded(png()), "stream": "yes"}, "stream is true or false"),
    ],
)
def test_an_edit_as_json_reads_no_address_and_no_path(app, fields, says):
    response = asked(app, "POST", EDIT, json={"prompt": "a", **fields, **FEW})
    assert response.status_code == 400
    assert says in response.json()["error"]["message"] or says == "cannot be read"


def test_what_is_ignored_is_told_in_plain_letters(app):
    names = {"step\r\nX-Evil": 1, "ü": 2, **{f"a{n}": n for n in range(40)}}
    response = asked(app, "POST", DRAW, json={"prompt": "a", **names, **FEW})
    told = response.headers["X-Kandi-NB-Ignored"].split(", ")
    assert told[0] == "..." and "a1" in told and len(told) <= 21 and "X-Evil" not in told
    assert (
        "strength" in json.loads(response.headers["X-Kandi-NB"]) or response.status_code == 200
    )


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/v1/models"])
def test_monitors_may_ask_for_the_headers_alone(app, path):
    assert asked(app, "HEAD", path).status_code == 200
    described = asked(app, "GET", "/openapi.json").json()["paths"][path]
    assert set(described) == {"get"}


def test_a_slash_at_the_end_changes_nothing(app):
    assert asked(app, "GET", "/health/").json()["status"] == "healthy"
    for path in (f"{DRAW}/", "/generate//"):
        assert asked(app, "POST", path, json={"prompt": "a", **FEW}).status_code == 200
    assert asked(app, "POST", f"{EDIT}/x", json={}).json()["error"]["code"] == "unknown_url"


def preflight(app, origin, **more):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", **more}
    return asked(app, "OPTIONS", DRAW, headers=headers)


def test_pages_of_an_allowed_origin_may_ask_and_no_others(app):
    answer = preflight(app, PAGE)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    page = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    response = asked(app, "POST", DRAW, headers=page, json={"prompt": "a", **FEW})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    for origin in (
        "https://evil.example",
        f"{PAGE}.evil.example",
        "null",
        "http://chat.example",
    ):
        for answer in (
            preflight(app, origin),
            asked(app, "POST", DRAW, headers={"Origin": origin}, json={"prompt": "a", **FEW}),
        ):
            assert answer.status_code in (403, 405), origin
            assert "Access-Control-Allow-Origin" not in answer.headers
    foreign = {"Origin": PAGE, "Host": "evil.example"}
    assert asked(app, "GET", "/", headers=foreign).status_code == 421


def test_a_token_is_asked_of_allowed_pages_too(tiny):
    token = "a-token-that-is-long-enough"
    with serving(tiny, tokens=[token], origins=[PAGE]) as app:
        assert preflight(app, PAGE).status_code == 204
        assert asked(app, "GET", "/", headers={"Origin": PAGE}).status_code == 401
        page = {"Origin": PAGE, "Authorization": f"Bearer {token}"}
        assert asked(app, "GET", "/", headers=page).status_code == 200


def test_names_and_origins_are_looked_at_before_anything_is_loaded():
    assert aliases_of(["dall-e-3, gpt-image-1", "dall-e-3"]) == ("dall-e-3", "gpt-image-1")
    for names in (["a b"], ["<b>"], ["x" * 101]):
        with pytest.raises(KandiError, match="a name of elsewhere is plain"):
            aliases_of(names)
    for origin in ("*", "chat.example", "https://", "https://a/b", "ftp://a", "null"):
        with pytest.raises(KandiError, match="an origin is a scheme and a host"):
            origins_of([origin])
