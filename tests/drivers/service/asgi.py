"""A service of the tiny model inside of the test, called without any network."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import threading
from contextlib import contextmanager

from loops import completed
from PIL import Image

from kandi_nb.drivers.queue.limits import Limits
from kandi_nb.pictures.result import Result
from kandi_nb.tasks.loop import dry_run as dry

QUICK = {"steps": 2, "prior_steps": 2}
ADDRESS = "http://127.0.0.1"


def requested(app, calls, headers=None):
    """Send calls (method, path, options of httpx) to an app all at once; return the answers."""
    import httpx

    async def every():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url=ADDRESS, headers=headers, timeout=60
        ) as client:
            sent = [client.request(method, path, **more) for method, path, more in calls]
            return await asyncio.gather(*sent)

    return completed(every())


def asked(app, method, path, headers=None, **more):
    """Send one request to an app and return its answer."""
    return requested(app, [(method, path, more)], headers)[0]


def png(size=(64, 64), colour="red", mode="RGB"):
    """Return a picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def opened(data):
    picture = Image.open(io.BytesIO(data), formats=["PNG"])
    picture.load()
    return picture


@contextmanager
def serving(k, *, limits=None, **more):
    """Give the app over a model; its worker ends with the block."""
    from kandi_nb.drivers.queue.worker import Worker
    from kandi_nb.drivers.service.app import make_app

    worker = Worker(lambda: k, Limits(**limits or {})).start()
    try:
        yield make_app(worker, **more)
    finally:
        worker.close(0)
        worker.join(20)


def dry_run(k, orders, stop):
    """Let the model check what it is asked for, and draw nothing; for `worker.call`."""
    for order in orders:
        dry.dry_run(order.function, k, list(order.params), **order.inputs, **order.options)
    return [
        Result([Image.new("RGB", (64, 64))] * o.count, list(o.params), "toy") for o in orders
    ]


@contextmanager
def commands(folder, python):
    """Give what runs `kandi-nb serve` with options; it returns the process and its address.

    `python` are the words that start one. What the process says further, its list `said` has
    line by line.
    """
    running = []

    def run(*options):
        words = [*python, "-m", "kandi_nb.cli", "serve"]
        words += ["--model", str(folder / "kandinsky-2-2-decoder")]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [*words, *options],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # A shell's background job is deaf to Ctrl-C, and so is what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        running.append(process)
        process.said = []
        for line in process.stderr:
            process.said.append(line)
            if "serving at" in line:
                more = threading.Thread(target=process.said.extend, args=[process.stderr])
                more.daemon = True
                more.start()
                process.heard = more
                return process, line.split()[-1]
        raise AssertionError("".join(process.said))

    try:
        yield run
    finally:
        for process in running:
            process.kill()
            process.wait()
