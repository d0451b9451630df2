"""A service of the tiny model inside of the test, called without any network."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from PIL import Image

from kandi_nb.drivers.queue.limits import Limits

QUICK = {"steps": 2, "prior_steps": 2}
ADDRESS = "http://127.0.0.1"


def completed(coroutine):
    """Run a coroutine to its end in a thread: the browser tests leave a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


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
