"""Measure a class: one JupyterLab server, a kernel for each learner, and a picture in each.

    .venv/bin/python benchmarks/classroom.py                  # ten learners, 5 GB
    .venv/bin/python benchmarks/classroom.py --learners 3

Two ways: each kernel loads the model, or all of them ask one `kandi-nb serve`. A kernel draws
one picture and shows it, one kernel after the other; then all draw at once, and then the memory
is read: PSS, which counts what processes share once (RSS where a system knows no PSS). Nothing
of the user's Jupyter is touched: configuration, sessions and files lie in a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from jupyter_client import BlockingKernelClient
from visitors import megabytes, started

DRAW = 'kn.generate(k, kn.Params("A red fox in a snowy forest", seed=%d))'
LOAD = "import kandi_nb as kn\nk = kn.load('mini-2.2')\n" + DRAW
ASK = "import kandi_nb as kn\nk = kn.Client(%r)\n" + DRAW
PATIENCE = 600  # seconds for a kernel to start, or to draw, on a machine that is busy


@contextlib.contextmanager
def jupyter() -> Iterator[tuple[dict[str, Any], psutil.Process, Path]]:
    """Run a JupyterLab server; give what it says of itself, its process, its runtime folder."""
    with tempfile.TemporaryDirectory() as home:
        runtime = Path(home) / "runtime"
        environment = os.environ | {
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": f"{home}/config",
            "IPYTHONDIR": f"{home}/ipython",
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--notebook-dir={home}"]
        with (Path(home) / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            file = runtime / f"jpserver-{process.pid}.json"
            until(lambda: whole(file), lambda: (Path(home) / "log").read_text())
            yield json.loads(file.read_text()), psutil.Process(process.pid), runtime
        finally:
            process.terminate()
            process.wait(60)


def whole(file: Path) -> bool:
    """Return whether a file of JSON is there, to its end."""
    try:
        return bool(json.loads(file.read_text()))
    except (OSError, ValueError):
        return False


def until(ready, complaint) -> None:
    """Wait for something; raise RuntimeError with a complaint if it does not come."""
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(complaint())
        time.sleep(0.2)


def kernel(server: dict[str, Any], runtime: Path) -> BlockingKernelClient:
    """Start a kernel as a browser does, and return a client of it."""
    headers = {"Authorization": f"token {server['token']}"}
    url = f"{server['url']}api/kernels"
    name = httpx.post(url, headers=headers, json={"name": "python3"}, timeout=PATIENCE)
    file = runtime / f"kernel-{name.raise_for_status().json()['id']}.json"
    until(lambda: whole(file), lambda: f"{file.name} is missing")
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels(hb=False)  # a busy machine skips beats
    client.wait_for_ready(PATIENCE)
    return client


def finish(client: BlockingKernelClient, message: str) -> None:
    """Wait until a kernel has answered; raise RuntimeError if it failed."""
    answer = client.get_shell_msg(timeout=PATIENCE)
    while answer["parent_header"]["msg_id"] != message:
        answer = client.get_shell_msg(timeout=PATIENCE)
    if answer["content"]["status"] != "ok":
        raise RuntimeError(answer["content"]["evalue"])


def lesson(learners: int, code: str) -> tuple[float, list[float]]:
    """Let learners draw, one after the other and at once; return MB of server and kernels."""
    with jupyter() as (server, process, runtime):
        clients = []
        for seed in range(learners):
            clients.append(kernel(server, runtime))
            finish(clients[-1], clients[-1].execute(code % seed))
        asked = [client.execute(DRAW % (100 + n)) for n, client in enumerate(clients)]
        for client, message in zip(clients, asked, strict=True):
            finish(client, message)
        kernels = sorted(map(megabytes, process.children()))
        if len(kernels) != learners:
            raise RuntimeError(f"{len(kernels)} kernels for {learners} learners")
        for client in clients:
            client.stop_channels()
        return megabytes(process), kernels


def show(title: str, server: float, kernels: Sequence[float], service: float = 0) -> None:
    whole = server + sum(kernels) + service
    print(f"{title}:")
    print(f"  MB of each kernel: {[round(mb) for mb in kernels]}")
    print(f"  MB of a kernel, median: {statistics.median(kernels):.0f}")
    print(f"  MB of JupyterLab: {server:.0f}; of the service: {service:.0f}")
    print(f"  MB of all: {whole:.0f}, a learner {whole / len(kernels):.0f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=10)
    learners = parser.parse_args().learners
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"load of the machine: {psutil.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    show("each a model", *lesson(learners, LOAD))
    with started("serve", "--port", "0") as (url, service):
        server, kernels = lesson(learners, ASK.replace("%r", repr(url)))
        show("all of them a service's", server, kernels, megabytes(service))


if __name__ == "__main__":
    main()
