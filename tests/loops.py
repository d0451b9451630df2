"""Event loops of tests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor


def completed(coroutine):
    """Run a coroutine to its end in a thread: the browser tests leave a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
