"""Eight visitors of one studio at once, with hostile files, reloads and sudden leaving."""

from __future__ import annotations

import io
import os
import signal
import struct
import time
import zlib

import psutil
import pytest
from PIL import Image

from .conftest import START, studio_server
from .test_studio_page import Visitor

VISITORS, MOST_MB = int(os.environ.get("SOAK_VISITORS", "8")), 1500
pytestmark = pytest.mark.soak


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def bomb(side: int) -> bytes:
    """Return a black PNG of side × side: some hundred kilobytes that unpack to side² bytes."""
    squeeze = zlib.compressobj(9)
    row = bytes(side + 1)
    data = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def hostile_files() -> dict[str, bytes]:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(buffer, "PNG")
    whole = buffer.getvalue()
    head, rest = whole[:33], whole[33:]
    return {
        "bomb.png": bomb(20_000),
        "headless-bomb.png": bomb(20_000)[:2000],  # no browser can read it and refuse it first
        "cut.png": whole[: len(whole) // 2],
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "words.png": head + chunk(b"tEXt", b"a\0b") * 300_000 + rest[:-12],
        "empty.png": b"",
        "text.png": b"not a picture at all",
    }


def test_eight_visitors_with_bombs_and_reloads_leave_nothing_behind(browser, tmp_path):
    """Prints the line for docs/studio.md; its figures want a machine with nothing to do."""
    files = hostile_files()
    load = os.getloadavg()[0]
    with studio_server(tmp_path, "--visitors", str(VISITORS)) as server:
        process = psutil.Process(server[1].pid)
        visitors = [Visitor(browser, server).come() for _ in range(VISITORS)]
        kernels = [visitor.process_of_kernel() for visitor in visitors]
        assert len({kernel.pid for kernel in kernels}) == VISITORS
        for visitor in visitors:
            visitor.open("Edit")
            for name, data in files.items():
                refuse(visitor, name, data)
        memory = [kernel.memory_info().rss / 2**20 for kernel in kernels]
        for number, visitor in enumerate(visitors):
            visitor.open("Generate")
            visitor.quick()
            visitor.run()
            pictures, kernel = visitor.drawn(), visitor.kernel
            if number % 2:
                visitor.page.reload(wait_until="commit")
                visitor.page.set_default_timeout(START * 1000)
                visitor.tab.locator(".kandi-picture").nth(pictures - 1).wait_for()
                assert visitor.kernel == kernel
        most = max(memory)
        leave(visitors, kernels)
        gone = psutil.wait_procs(kernels, timeout=60)[0]
        assert len(gone) == VISITORS, "no kernel stays behind"
        newcomer = Visitor(browser, server).come()
        newcomer.quick()
        newcomer.run()
        newcomer.context.close()
        rest = process.memory_info().rss / 2**20
    assert most < MOST_MB
    print(
        f"\n* {VISITORS} visitors at once ({time.strftime('%Y-%m-%d')}, load {load:.1f}), "
        f"each with {len(files)} hostile files, every other one with a reload: all drew, none "
        f"held more than {most:.0f} MB after the files, all kernels ended when they left "
        f"(the server itself then held {rest:.0f} MB)."
    )


def refuse(visitor, name, data):
    """Give the page a file that is no picture it can take; wait until it says so."""
    chooser = visitor.tab.locator("input[type=file]").first
    chooser.set_input_files({"name": name, "mimeType": "image/png", "buffer": data})
    visitor.tab.locator(".kandi-wrong").filter(has_text=name).filter(visible=True).wait_for()


def leave(visitors, kernels):
    """Let some close their pages, some their browsers, and some lose their kernels."""
    for number, (visitor, kernel) in enumerate(zip(visitors, kernels, strict=True)):
        if number % 3 == 0:
            visitor.page.close()
        elif number % 3 == 1:
            kernel.send_signal(signal.SIGKILL)
        visitor.context.close()
