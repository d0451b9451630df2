"""Draw for others over HTTP, until it is told to end."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from ....words.errors import KandiError
from ....words.fields import number_or_text
from ....words.files import refuse_device
from ...service.serving import PORT, TOKEN, limits_of, tokens_of
from ...service.serving import run as serve_model
from ..options import add_address_options, add_loading_options, loaded_as
from ..terminal import say

_MOST_BYTES = 2**16  # of a file of tokens
_PIPE_SECONDS, _PAUSE = 10, 0.02  # how long a pipe may take, and how often it is looked at


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a service may be told when it starts."""
    add_loading_options(parser)
    add_address_options(parser, PORT)
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"what clients must know, a token a line (or {TOKEN}); needed beyond this machine",
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="another name that it answers to without a token; again for more",
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=N",
        help="such as queue=8, per_client=4, steps=100, pixels=1048576; see docs/service.md",
    )
    parser.add_argument(
        "--also-known-as",
        action="append",
        default=[],
        metavar="NAMES",
        help="names of elsewhere that OpenAI's clients may give the model: "
        "dall-e-3,gpt-image-1",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="another site whose pages may ask, such as https://chat.example; again for more",
    )
    parser.add_argument("--log-prompts", action="store_true", help="write prompts to the log")
    parser.add_argument(
        "--behind-proxy",
        nargs="?",
        type=number_or_text,
        const=1,
        default=0,
        metavar="N",
        help="believe a proxy, or the last of N in a row, who its clients are",
    )


def run(options: argparse.Namespace) -> None:
    """Serve a model as the parsed options say; raise KandiError for what cannot be."""
    serve_model(
        lambda: loaded_as(options),
        host=options.host,
        port=options.port,
        tokens=_tokens(options.token_file),
        limits=limits_of(dict(map(_limit, options.limit))),
        hosts=options.name,
        log_prompts=options.log_prompts,
        proxies=options.behind_proxy,
        aliases=options.also_known_as,
        origins=options.allow_origin,
        ready=lambda url: say(f"serving at {url}"),
    )


def _tokens(file: str | None) -> list[str]:
    if file is None:
        return tokens_of(os.environ.get(TOKEN))
    try:
        tokens = tokens_of(_few_bytes(Path(file)).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise KandiError(f"{file} cannot be read ({error}); name a file of tokens") from None
    if not tokens:
        raise KandiError(f"{file} holds no token; write one a line")
    return tokens


def _few_bytes(path: Path) -> bytes:
    """Return what a file or a shell's pipe, `<(…)`, holds; ValueError where it does not end."""
    if not path.is_fifo():
        refuse_device(path, path, "a file of tokens, or a pipe")
    # A pipe is opened whether or not anybody writes, and is read until all its writers left.
    held, until = b"", time.monotonic() + _PIPE_SECONDS
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb", 0) as file:
        while (piece := file.read(_MOST_BYTES)) != b"":
            held += piece or b""
            if len(held) > _MOST_BYTES:
                raise ValueError(f"more than {_MOST_BYTES:,} bytes are no tokens")
            if piece is None and time.monotonic() > until:
                raise ValueError(f"the pipe does not end within {_PIPE_SECONDS} seconds")
            if piece is None:
                time.sleep(_PAUSE)
    return held


def _limit(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, number_or_text(value)
