"""Fill a folder from which a class installs without a network."""

from __future__ import annotations

import argparse

from ....words.fields import number_or_text
from ....words.files import expand_path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the folder, whom it is for, and whether it is offered in the network."""
    parser.add_argument("folder", type=expand_path, metavar="DIR", help="of a USB stick, say")
    parser.add_argument(
        "--platform", action="append", default=[], metavar="NAME",
        help="wheels for another one, too: win_amd64, macosx_11_0_arm64; again for more",
    )  # fmt: skip
    parser.add_argument("--python", metavar="3.12", help="its Python; default: this one's")
    parser.add_argument(
        "--serve", action="store_true", help="offer a kit to everybody in the local network"
    )
    parser.add_argument("--port", type=number_or_text, default=8000, help="default: 8000")


def run(options: argparse.Namespace) -> None:
    """Fill the folder, or serve one."""
    from ...notebooks.kit import kit, kit_server

    if not options.serve:
        folder = kit(options.folder, options.platform, options.python)
        print(f"{folder}: on each machine, python install.py")
        return
    with kit_server(options.folder, options.port) as server:
        print(f"http://<this machine>:{server.server_port}/  Ctrl+C ends it", flush=True)
        server.serve_forever()
