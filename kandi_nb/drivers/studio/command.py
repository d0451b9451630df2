"""The command `kandi-nb studio`: its options, and what is looked at before it starts."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from ...model.find import find
from ...words.errors import KandiError, shown
from ...words.fields import number_or_text
from ..service.serving import TOKEN, address, is_loopback, listening, tokens_of

PORT = 7860
VISITORS = 8
FOLDER = Path("outputs", "17_studio")
_NEEDED = ("voila", "anywidget")


def add_options(parser: argparse.ArgumentParser, service: str) -> None:
    """Add what the page may be told; `service` names the environment variable of an address."""
    parser.add_argument(
        "--service",
        metavar="URL",
        default=os.environ.get(service) or None,
        help=f"draw with the model of `kandi-nb serve` there (or {service}): visitors share it",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    parser.add_argument(
        "--port",
        type=number_or_text,
        default=PORT,
        metavar="N",
        help=f"default: {PORT}; 0: any free",
    )
    parser.add_argument(
        "--visitors",
        type=number_or_text,
        default=VISITORS,
        metavar="N",
        help=f"pages at a time, each with a kernel of its own (default: {VISITORS})",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def serve_studio(options: argparse.Namespace) -> None:
    """Serve the page until the process is told to end; raise KandiError for bad input."""
    _check_extra()
    visitors = options.visitors
    if isinstance(visitors, bool) or not isinstance(visitors, int) or visitors < 1:
        raise KandiError(f"visitors is a whole number from 1, not {shown(visitors)}")
    token = _token(options.host)
    if not options.service:
        find(options.model)  # a name that is none is said now, not to the first visitor
    listener = listening(options.host, options.port)
    try:
        from .server import run
    except BaseException:
        listener.close()
        raise
    parameters = {
        "MODEL": options.model,
        "SERVICE": options.service or "",
        # Who comes from elsewhere saves with the browser, and writes nothing here.
        "OUT": None if token else str(FOLDER),
    }
    run(
        listener,
        parameters,
        visitors=visitors,
        token=token,
        open_page=not options.no_browser,
        ready=lambda: _say(listener, token),
    )


def _say(listener: Any, token: str | None) -> None:
    asked = f"/?token=… (the token in {TOKEN})" if token else ""
    print(f"kandi-nb: the studio is at {address(listener)}{asked}", file=sys.stderr, flush=True)


def _check_extra() -> None:
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise KandiError(
                f"the studio needs the extra notebooks ({name} is not installed); type "
                "pip install 'kandi_nb[notebooks]'"
            )


def _token(host: str) -> str | None:
    if is_loopback(host):
        return None
    tokens = tokens_of(os.environ.get(TOKEN))
    if not tokens:
        raise KandiError(
            f"a studio at {host} can be reached by others, so it needs a token: set {TOKEN}"
        )
    return tokens[0]
