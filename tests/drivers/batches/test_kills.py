"""kill -9 at random moments, of the batch, of its workers, of a cluster's actors.

Whatever dies: nothing that was saved is lost, nothing is there twice, no file is half there,
and whoever is left, or called again, draws the rest. Five kills here, a hundred in `make soak`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import toy

import kandi_nb as kn
from kandi_nb.drivers.batches.hashes import run_hash
from kandi_nb.drivers.batches.index import is_whole

SCRIPT = Path(toy.__file__)


class Batch:
    """A batch in a process of its own, which can be killed."""

    def __init__(self, out, count, workers=1, engine=None):
        self.out = out
        words = [str(SCRIPT), str(out), str(count), str(workers), *filter(None, [engine])]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, pictures):
        """Wait until so many pictures are there, or it has ended."""
        while len(names(self.out)) < pictures and self.process.poll() is None:
            time.sleep(0.005)

    def workers(self):
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def kill(self):
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(children, timeout=20)

    def end(self):
        said = self.process.communicate(timeout=300)[0]
        assert self.process.returncode == 0 and "failed" not in said, said
        return said


def names(out):
    return [path.stem for path in Path(out).glob("*.png")]


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.003")
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    return tmp_path / "out"


def check(out, count, at_risk):
    """Look at a finished folder: all there, once, whole; `at_risk` may be drawn twice."""
    table = kn.read_batch(out)
    assert sorted(row["seed"] for row in table) == list(range(count))
    for path in out.glob("*.png"):
        assert is_whole(path) and run_hash(kn.recipe(path))
    assert not list(out.rglob("*.part")), "what was half-written is cleared away"
    drawn = Path(os.environ["TOY_LOG"]).read_text().splitlines()
    assert count <= len(drawn) <= count + at_risk


def killed_often(out, kills, workers, choose):
    """Kill a main process so many times, go on each time; return how many runs were at risk."""
    seen: set[str] = set()
    count = 40 * kills
    for number in range(1, kills + 1):
        batch = Batch(out, count, workers)
        batch.wait_for(len(names(out)) + choose.randrange(1, 25))
        time.sleep(choose.random() * 0.02)
        batch.kill()
        now = set(names(out))
        assert seen <= now, f"kill {number} lost something"
        seen = now
    said = Batch(out, count, workers).end()
    assert f"of {count} pictures" in said
    check(out, count, at_risk=32 * kills * workers)


def workers_killed(out, kills, choose):
    """Kill workers of one batch, which goes on by itself."""
    count = 60 * kills
    batch = Batch(out, count, workers=2)
    for _ in range(kills):
        batch.wait_for(len(names(out)) + choose.randrange(1, 12))
        time.sleep(choose.random() * 0.02)
        victims = batch.workers() if batch.process.poll() is None else []
        if victims:
            choose.choice(victims).kill()
    assert f"of {count} pictures" in batch.end()
    check(out, count, at_risk=32 * kills)


def test_a_batch_killed_three_times_loses_nothing(out):
    killed_often(out, 3, 1, random.Random())


def test_a_batch_whose_workers_are_killed_twice_goes_on(out):
    workers_killed(out, 2, random.Random())


def test_a_run_that_kills_its_workers_is_listed_in_the_end(out):
    runs = [*toy.runs(4), kn.Params("deadly")]
    done = kn.batch(toy.toy, toy.K, runs, out=out, workers=2, progress=False)
    assert (done.drawn, done.failed) == (4, 1)
    (failure,) = done.failures
    assert (failure["row"], failure["error"]) == (5, "its worker died (signal 9)")


def test_a_batch_that_is_stopped_stops_its_workers(out):
    class Soon:
        def is_set(self):
            return len(names(out)) > 3

    with pytest.raises(kn.Cancelled, match=r"stopped: \d+ pictures"):
        kn.batch(toy.toy, toy.K, toy.runs(500), out=out, workers=2, stop=Soon(), progress=False)
    children = psutil.Process().children()
    assert not [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_kills(out, seed):
    choose = random.Random(seed)
    killed_often(out, 10, 1, choose)
    for path in [*out.glob("*"), Path(os.environ["TOY_LOG"])]:
        if path.is_file():
            path.unlink()
    killed_often(out, 5, 2, choose)
    for path in [*out.glob("*"), Path(os.environ["TOY_LOG"])]:
        if path.is_file():
            path.unlink()
    workers_killed(out, 10, choose)


# --- a cluster ---


def actors(batch):
    """Return the processes of a cluster that was started by a batch."""
    children = psutil.Process(batch.process.pid).children(recursive=True)
    return [child for child in children if "ray::_Actor" in " ".join(child.cmdline())]


@pytest.mark.soak
def test_a_cluster_whose_actor_is_killed_goes_on(out):
    pytest.importorskip("ray", reason='Ray is not installed: pip install "kandi_nb[ray]"')
    batch = Batch(out, 200, workers=2, engine="ray")
    batch.wait_for(20)
    victims = actors(batch) if batch.process.poll() is None else []
    if not victims and "timed out during startup" in (said := batch.process.communicate()[0]):
        pytest.skip(f"Ray gives its own parts 15 seconds to start, too few here: {said[-80:]}")
    victims[0].kill()
    assert "of 200 pictures" in batch.end()
    check(out, 200, at_risk=32)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("ray://127.0.0.1:1", "no Ray cluster answers at ray://127.0.0.1:1"),
        ("127.0.0.1", "an address is host:port"),
        ("host:many", "no Ray cluster answers at host:many"),
    ],
)
def test_a_cluster_that_does_not_answer_is_named_soon(out, monkeypatch, address, says):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    began = time.monotonic()
    with pytest.raises(kn.KandiError) as error:
        kn.batch(toy.toy, toy.K, toy.runs(1), out=out, engine="ray", address=address)
    assert says in str(error.value) and time.monotonic() - began < 10
