"""The options of the command `kandi-nb serve`, and what they say."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ...words.errors import KandiError
from ...words.fields import number_or_text
from .serving import PORT, TOKEN, limits_of, run, tokens_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a service may be told when it starts."""
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    parser.add_argument(
        "--port",
        type=number_or_text,
        default=PORT,
        metavar="N",
        help=f"default: {PORT}; 0: any free",
    )
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
    parser.add_argument("--log-prompts", action="store_true", help="write prompts to the log")
    parser.add_argument(
        "--behind-proxy", action="store_true", help="believe a proxy who its clients are"
    )


def serve(options: argparse.Namespace) -> None:
    """Serve as the parsed options say; raise KandiError for what cannot be."""
    run(
        options.model,
        host=options.host,
        port=options.port,
        tokens=_tokens(options.token_file),
        limits=limits_of(dict(map(_limit, options.limit))),
        device=options.device,
        hosts=options.name,
        log_prompts=options.log_prompts,
        behind_proxy=options.behind_proxy,
        ready=lambda url: print(f"kandi-nb: serving at {url}", file=sys.stderr, flush=True),
    )


def _tokens(file: str | None) -> list[str]:
    if file is None:
        return tokens_of(os.environ.get(TOKEN))
    try:
        tokens = tokens_of(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KandiError(f"{file} cannot be read ({error}); name a file of tokens") from None
    if not tokens:
        raise KandiError(f"{file} holds no token; write one a line")
    return tokens


def _limit(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, number_or_text(value)
