"""What a browser sees: a front page, and the API's documentation with assets from here."""

from __future__ import annotations

import html
import importlib.util
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from ..queue.limits import Refused

_SAFE = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
_DOCS = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>kandi_nb: API</title><link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head><body><div id="swagger-ui"></div><script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script></body></html>"""
_BARE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>kandi_nb: API</title>
</head><body><p>The API is described in <a href="openapi.json">openapi.json</a>. For a page that
shows it: <code>python -m pip install fastapi-offline</code>.</p></body></html>"""
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui",
presets: [SwaggerUIBundle.presets.apis], deepLinking: true, validatorUrl: null});"""
_STYLE = """body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;
padding:0 1rem} code,pre{background:#8881;border-radius:4px;padding:.1em .3em}
pre{padding:.6em;overflow-x:auto} td{padding:.1em .8em .1em 0;vertical-align:top}"""


def wants_html(request: Request) -> bool:
    """Tell whether a browser asks."""
    return "text/html" in request.headers.get("accept", "")


def front_page(info: dict[str, Any], base: str) -> Response:
    """Return what the service is and how to call it, as a page."""
    rows = "".join(
        f"<tr><td><code>{html.escape(path)}</code></td><td>{html.escape(text)}</td></tr>"
        for path, text in info["endpoints"].items()
    )
    call = (
        f'curl {base.rstrip("/")}/generate -H "Content-Type: application/json" '
        '-d \'{"prompt": "a red fox in a snowy forest"}\' -o fox.png'
    )
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>kandi_nb</title>'
        f'<link rel="icon" href="docs/favicon.png"><style>{_STYLE}</style></head><body>'
        f"<h1>{html.escape(info['name'])}</h1><p>Version {html.escape(info['version'])}, "
        f"drawing with <b>{html.escape(info['model']['key'])}</b>. "
        f"{html.escape(info['model']['draws'])}</p><pre>{html.escape(call)}</pre>"
        f'<table>{rows}</table><p><a href="docs">All fields of all endpoints</a></p>'
        "</body></html>"
    )
    return HTMLResponse(text, headers=_SAFE)


async def docs(request: Request) -> Response:
    """Return the documentation's page."""
    return HTMLResponse(_DOCS if _folder() else _BARE, headers=_SAFE)


async def asset(request: Request) -> Response:
    """Return one of the documentation's files, by its name alone."""
    name = request.path_params["name"]
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers=_SAFE)
    folder = _folder()
    if name not in ASSETS or folder is None:
        raise Refused(404, "there is no such file; the page is /docs")
    return FileResponse(folder / name, headers=_SAFE)


def _folder() -> Path | None:
    """Return where Swagger UI's files lie, None where they were not installed."""
    package = importlib.util.find_spec("fastapi_offline")  # it is not imported
    return package and Path(package.submodule_search_locations[0]) / "static"
