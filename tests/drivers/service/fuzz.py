"""Requests of a hostile or unlucky world, each the same for its number, for any service."""

from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote_from_bytes

from asgi import QUICK, png

PATHS = (
    *("/generate", "/edit", "/inpaint", "/outpaint", "/upscale", "/depth", "/mix", "/reload"),
    *("/v1/images/generations", "/v1/images/edits", "/v1/models", "/v1/models/mini-2.2"),
    *("/", "/health", "/metrics", "/docs", "/docs/", "/openapi.json"),
)
JSON = ("/generate", "/v1/images/generations")
DRAWING = PATHS[:7] + PATHS[8:10]
METHODS = ("POST",) * 30 + ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
TEXTS = (
    *("a red fox", "", " ", "\x00", "\ud800", "🦊" * 4001, "x" * 100_000, "../../etc/passwd"),
    *(
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        "{a|b}",
        "%s%n",
        "нет",
        "NaN",
        "1e999",
        "-1",
    ),
    *("true", "null", "64x64", "9" * 5000, "٣", "1_0", "0x10", " 2 ", "-1", "\u2028", "'\"<b>"),
)
NUMBERS = (0, 1, 2, -1, 3.5, 2.0, 63, 64, 65, 10**9, 2**63, 2**64, 10**400, -(10**30), 1e308)
VALUES = (*TEXTS, *NUMBERS, None, True, False, [], {}, [[]], {"a": 1}, ["a"] * 100, [None])
NAMES = (
    *("prompt", "negative", "steps", "guidance", "prior_steps", "prior_guidance", "strength"),
    *("width", "height", "seed", "prior_seed", "count", "n", "size", "model", "scheduler"),
    *("items", "weights", "how", "image", "images", "mask", "factor", "left", "sides", "join"),
    *("negative_prompt", "num_inference_steps", "response_format", "output_format", "stream"),
    *("output_compression", "background", "quality", "user", "__proto__", "image[]", ""),
)
KINDS = (
    b"application/json",
    b"APPLICATION/JSON",
    b"application/json; charset=punycode",
    b"application/json; charset=utf-16",
    b"text/plain",
    b"",
    b"\xff\xfe",
    b"application/json;" * 90,
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=" + b"b" * 500,
    b'multipart/form-data; boundary="x',
    b";;;=",
)
HEADERS = (
    (b"Origin", b"null"),
    (b"Origin", b"http://["),
    (b"Origin", b"http://evil.example"),
    (b"Host", b"evil.example"),
    (b"Host", b""),
    (b"Host", b"[::1"),
    (b"Host", b"127.0.0.1:x"),
    (b"Content-Length", b"-1"),
    (b"Content-Length", b"9" * 400),
    (b"Content-Length", b"\xb2"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Authorization", b"Bearer \xff"),
    (b"Accept", b"*/*;q=x"),
    (b"Accept", b"text/html"),
    (b"X-Forwarded-For", b"1, 2, \xff"),
    (b"Expect", b"100-continue"),
    (b"Sec-Fetch-Site", b"cross-site"),
    (b"X-Kandi-NB-Enlarge", b"yes"),
    (b"Cookie", b"a" * 4000),
    (b"Content-Encoding", b"gzip"),
    (b"Range", b"bytes=" + b"0-," * 999),
    (b"Accept-Language", b"\xff"),
)
FOX = {"prompt": "a red fox", **QUICK}
PICTURES = [
    png(),
    png(mode="L"),
    png((64, 64), (0, 0, 0, 0), "RGBA"),
    png((1, 1)),
    png((65, 7)),
]


def _value(rng):
    return rng.choice(VALUES)


def _object(rng):
    """Return an object that is good but for a few of its fields."""
    fields = dict(FOX) if rng.random() < 0.8 else {}
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        fields[rng.choice(NAMES)] = _value(rng)
    return fields


def _mangled(rng, data):
    """Return bytes with some of them changed, cut off, doubled or replaced."""
    data = bytearray(data)
    way = rng.randrange(6)
    if way == 0 and data:
        for _ in range(rng.choice((1, 3, 30))):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif way == 1:
        del data[rng.randrange(len(data) + 1) :]
    elif way == 2:
        data += data[: rng.randrange(len(data) + 1)]
    elif way == 3:
        data[:] = rng.randbytes(rng.choice((0, 1, 8, 1000)))
    elif way == 4:
        place = rng.randrange(len(data) + 1)
        data[place:place] = rng.choice((b"\x00", b"\xff" * 9, b"\r\n\r\n", b"[" * 5000, b'"'))
    return bytes(data)


def _picture(rng):
    data = rng.choice(PICTURES)
    return data if rng.random() < 0.7 else _mangled(rng, data)


def _json(rng, path):
    fields = _object(rng)
    if path == "/mix" or rng.random() < 0.1:
        fields["items"] = [_value(rng) for _ in range(rng.choice((0, 1, 2, 17)))]
    if rng.random() < (0.9 if path == "/v1/images/edits" else 0.1):
        text = base64.b64encode(_picture(rng)).decode()
        address = rng.choice((text, f"data:image/png;base64,{text}", {"image_url": text}))
        name = rng.choice(("image", "image", "images", "mask"))
        fields[name] = rng.choice((address, [address]))
    body = json.dumps(fields).encode()
    if rng.random() < 0.1:
        body = body.replace(
            b'"a red fox"', rng.choice((b"NaN", b"1e400", b"-Infinity", b"tru"))
        )
    return b"application/json", body


def _form(rng, path):
    boundary = b"b0undary"
    parts = [(name, str(value).encode(), False) for name, value in FOX.items()]
    usual = ("items", "items") if path == "/mix" else ("image", "mask")[: rng.choice((1, 1, 2))]
    for name in usual if rng.random() < 0.9 else rng.choice((("mask",), ("image[]",), ())):
        parts.append((name, _picture(rng), True))
    for _ in range(rng.choice((0, 0, 1, 2, 250 if rng.random() < 0.1 else 1))):
        value = str(_value(rng)).encode("utf-8", "surrogatepass")
        parts.append((rng.choice(NAMES), value, rng.random() < 0.1))
    rng.shuffle(parts)
    lines = bytearray()
    for name, value, is_file in parts:
        says = b'form-data; name="%s"' % name.encode()
        says += b'; filename="a.png"' if is_file else b""
        lines += b"--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (boundary, says, value)
    lines += b"--%s--\r\n" % boundary
    return b"multipart/form-data; boundary=" + boundary, bytes(lines)


def request(number, seed=29):
    """Return the request of a number: method, path, headers and body, of which few are good."""
    rng = random.Random(f"{seed}/{number}")
    method = rng.choice(METHODS)
    path = rng.choice(DRAWING if method == "POST" and rng.random() < 0.8 else PATHS)
    if rng.random() < 0.08:
        path = "/" + quote_from_bytes(_mangled(rng, path[1:].encode()))[:3000]
    if rng.random() < 0.05:
        path += rng.choice(
            ("/", "?steps=2", "?" + "a=b&" * 500, "/..%2f..%2fetc/passwd", "%00")
        )
    fits = _json if path in JSON else _form
    kind, body = (fits if rng.random() < 0.8 else rng.choice((_json, _form)))(rng, path)
    if rng.random() < 0.15:
        body = _mangled(rng, body)
    if rng.random() < 0.1:
        kind = rng.choice(KINDS)
    headers = [(b"Content-Type", kind)]
    for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 2))):
        headers.append(rng.choice(HEADERS))
    return method, path, headers, body
