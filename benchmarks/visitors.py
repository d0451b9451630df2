"""What a visitor of the studio costs: memory, and seconds until the first control.

    python benchmarks/visitors.py [--visitors 3]

Three ways: each visitor a model, all of them a service's, and the service itself. Needs
chromium and playwright. Memory is PSS, which shares what processes have in common.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

FIRST = ".kandi-tab-generate textarea"
FLAGS = ["--no-sandbox", "--disable-gpu"]
QUIET = 10  # seconds until the kernel for the next visitor is warm


@contextlib.contextmanager
def started(*words: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run a command of kandi-nb; give the address that it says, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "kandi_nb.cli", *words]
        with log.open("w") as file:
            process = subprocess.Popen(command, stderr=file, stdout=file)
        try:
            while not (found := re.search(r" at (http://\S+)", log.read_text())):
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.2)
            yield found[1], psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


def megabytes(process: psutil.Process) -> float:
    """Return the PSS of a process, or its RSS where a system knows no PSS."""
    memory = process.memory_full_info()
    return getattr(memory, "pss", memory.rss) / 2**20


def visit(browser, url: str) -> float:
    """Come as a new visitor; return the seconds until the first control can be used."""
    page = browser.new_context().new_page()
    page.set_default_timeout(180_000)
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(FIRST)
    return time.perf_counter() - began


def draw(browser) -> None:
    """Let every visitor draw a picture."""
    for context in browser.contexts:
        page = context.pages[0]
        before = page.locator(".kandi-picture").count()
        page.locator(".kandi-run >> visible=true").click()
        page.locator(".kandi-picture").nth(before).wait_for()


def measured(browser, visitors: int, *words: str) -> None:
    """Print what visitors of a studio cost that is started with some options."""
    with started("studio", "--no-browser", "--port", "0", *words) as (url, server):
        seconds = []
        for _ in range(visitors):
            time.sleep(QUIET)
            seconds.append(visit(browser, url))
        draw(browser)
        time.sleep(QUIET)
        kernels = sorted(map(megabytes, server.children(recursive=True)))
        print(f"  seconds to the first control: {[round(s, 1) for s in seconds]}")
        print(f"  MB of the page's server: {megabytes(server):.0f}")
        print(f"  MB of each kernel, the warm one included: {[round(mb) for mb in kernels]}")
        for context in list(browser.contexts):
            context.close()


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=3)
    visitors = parser.parse_args().visitors
    os.environ.pop("KANDINSKY_SERVICE_URL", None)
    print(f"load of the machine: {psutil.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        print("each visitor a model:")
        measured(browser, visitors)
        with started("serve", "--port", "0") as (url, service):
            print("all of them the service's model:")
            measured(browser, visitors, "--service", url)
            print(f"  MB of the service: {megabytes(service):.0f}")
        browser.close()


if __name__ == "__main__":
    main()
