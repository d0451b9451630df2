"""A task without a model, for everything about batches but the pictures themselves.

As a script it runs a batch that a test can kill: `python toy.py OUT RUNS WORKERS [ENGINE]`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import kandi_nb as kn

K = {"any": "object"}


def toy(k, params, *, shade=0, stop=None):
    """Draw one colour a run; the prompts "bad" and "deadly" do what they say.

    Environment: TOY_LOG, a file that gets a line a picture, TOY_BEGUN, one that gets a line
    before it, and TOY_SECONDS for each.
    """
    from PIL import Image

    images = []
    for one in params:
        if "TOY_BEGUN" in os.environ:
            with open(os.environ["TOY_BEGUN"], "a") as log:
                log.write("begun\n")
        time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
        if stop is not None and stop.is_set():
            raise kn.Cancelled("stopped")
        if one.prompt == "bad":
            raise ValueError("this one is bad")
        if one.prompt == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if "TOY_LOG" in os.environ:
            with open(os.environ["TOY_LOG"], "a") as log:
                log.write(f"{one.prompt} {one.seed}\n")
        images.append(Image.new("RGB", (8, 8), (one.seed % 256, one.seed // 256 % 256, shade)))
    return kn.Result(images, params, "toy")


def runs(count):
    return kn.sweep(kn.Params("x"), seed=range(count))


def main(out: str, count: str, workers: str, engine: str | None = None) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    print(kn.batch(toy, K, runs(int(count)), out=out, workers=int(workers), engine=engine))


if __name__ == "__main__":
    main(*sys.argv[1:])
