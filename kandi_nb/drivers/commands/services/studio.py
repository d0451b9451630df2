"""Serve every task as a page for browsers, by Voilà."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....model.machine.device import device as device_for
from ....words.bounds import whole
from ....words.errors import KandiError
from ....words.extras import check_extra
from ....words.fields import number_or_text
from ....words.files import expand_path
from ...remote.client import URL, Client
from ...service.serving import TOKEN, address, is_loopback, listening, tokens_of
from ..options import add_address_options, add_loading_options, loaded_as, loading
from ..terminal import say

PORT = 7860
VISITORS = 8
FOLDER = Path("outputs", "17_studio")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the page may be told."""
    add_loading_options(parser)
    parser.add_argument(
        "--service",
        metavar="URL",
        default=os.environ.get(URL) or None,
        help=f"draw with the model of `kandi-nb serve` there (or {URL}): visitors share it",
    )
    parser.add_argument(
        "--compare",
        metavar="URL",
        action="append",
        default=[],
        help="with --service: another one, to compare with; again for more",
    )
    add_address_options(parser, PORT)
    parser.add_argument(
        "--visitors",
        type=number_or_text,
        default=VISITORS,
        metavar="N",
        help=f"pages at a time, each with a kernel of its own (default: {VISITORS})",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(options: argparse.Namespace) -> None:
    """Serve the page until the process is told to end; raise KandiError for bad input."""
    for url in (options.service, *options.compare) if options.service else ():
        Client(url)  # raises where there is none
    arguments = loading(options)
    check_extra("studio", "the studio", "voila", "anywidget")
    visitors = options.visitors
    whole("visitors", visitors, 1)
    token = _token(options.host)
    stranger = not is_loopback(options.host)
    if options.compare and not options.service:
        raise KandiError("--compare goes with --service; without it, all models here compare")
    if not options.service:
        device_for(
            loaded_as(options).device
        )  # said now what is wrong, not to the first visitor
    elif arguments:
        raise KandiError(
            "the service says how its model is loaded; give those options to kandi-nb serve"
        )
    listener = listening(options.host, options.port)
    try:
        from ...studio.server import run as serve_pages
    except BaseException:
        listener.close()
        raise
    parameters = {
        "MODEL": options.model,
        "SERVICE": options.service or "",
        **({"LOADING": _anywhere(arguments)} if arguments else {}),
        **({"OTHERS": options.compare} if options.compare else {}),
        # Who comes from elsewhere saves with the browser, and writes nothing here.
        "OUT": None if stranger else str(FOLDER),
    }
    serve_pages(
        listener,
        parameters,
        visitors=visitors,
        token=token,
        remote=stranger,
        open_page=not options.no_browser,
        ready=lambda: say(_address(listener, token)),
    )


def _anywhere(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of `load` that mean the same in the kernels, which run elsewhere."""
    adapters = arguments.get("adapter")
    named = adapters and {str(expand_path(path).resolve()): s for path, s in adapters.items()}
    return {**arguments, **({"adapter": named} if named else {})}


def _address(listener: Any, token: str | None) -> str:
    query = f"/?token=… (the token in {TOKEN})" if token else ""
    return f"the studio is at {address(listener)}{query}"


def _token(host: str) -> str | None:
    """Return what a visitor must know: from elsewhere always, here where a token is set."""
    tokens = tokens_of(os.environ.get(TOKEN))
    if not tokens and is_loopback(host):
        return None
    if not tokens:
        raise KandiError(
            f"a studio at {host} can be reached by others, so it needs a token: set {TOKEN}"
        )
    return tokens[0]
