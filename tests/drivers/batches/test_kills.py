"""kill -9 at random moments, of the batch, of its workers, of a cluster's actors.

Whatever dies: nothing that was saved is lost, nothing is there twice, no file is half there,
and whoever is left, or called again, draws the rest. Some kills here, a hundred in `make soak`;
the cluster of those has an environment of its own where Ray is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from importlib.metadata import requires
from pathlib import Path

import psutil
import pytest
import toy

import kandi_nb as kn
from kandi_nb.drivers.batches.folder.hashes import run_hash
from kandi_nb.drivers.batches.folder.index import is_whole

SCRIPT = Path(toy.__file__)


class Batch:
    """A batch in a process of its own, which can be killed."""

    def __init__(self, out, count, workers=1, engine=None, python=sys.executable):
        self.out = out
        words = [str(SCRIPT), str(out), str(count), str(workers), *filter(None, [engine])]
        self.process = subprocess.Popen(
            [python, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell's background job is deaf to Ctrl-C, and so is what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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


def still_running(processes, seconds):
    """Return those that run on for so long; who has ended may wait for somebody to look."""
    until = time.monotonic() + seconds
    left = processes
    while left and time.monotonic() < until:
        time.sleep(0.02)
        left = [each for each in left if is_at_work(each)]
    return left


def is_at_work(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def names(out):
    return [path.stem for path in Path(out).glob("*.png")]


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.003")
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    (tmp_path / "begun").touch()
    monkeypatch.setenv("TOY_BEGUN", str(tmp_path / "begun"))
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
    count = 40 * kills * workers
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


def interrupted_often(out, times, workers, choose):
    """Press Ctrl-C so many times, go on each time: nothing is lost, nobody stays behind."""
    seen: set[str] = set()
    count = 40 * times * workers
    for number in range(1, times + 1):
        batch = Batch(out, count, workers)
        batch.wait_for(len(names(out)) + choose.randrange(1, 25))
        helpers = batch.workers()
        batch.process.send_signal(signal.SIGINT)
        said = batch.process.communicate(timeout=120)[0]
        assert batch.process.returncode and "call it again to draw the others" in said, said
        assert not still_running(helpers, 30)  # soon; how soon is another test's matter
        now = set(names(out))
        assert seen <= now, f"interrupt {number} lost something"
        seen = now
    assert f"of {count} pictures" in Batch(out, count, workers).end()
    check(out, count, at_risk=32 * times * workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_that_is_killed_loses_nothing(out, workers):
    killed_often(out, 1, workers, random.Random())


def test_a_batch_that_is_interrupted_goes_on(out):
    interrupted_often(out, 1, 2, random.Random())


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


@pytest.mark.soak
def test_twenty_kills_with_two_workers(out):
    killed_often(out, 20, 2, random.Random(20))


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2])
def test_thirty_interrupts(out, workers):
    interrupted_often(out, 15, workers, random.Random(workers))


# --- a cluster ---


@pytest.fixture(scope="module")
def ray_python(tmp_path_factory):
    """A Python with Ray: this one, or one of a new environment that sees all of this one."""
    if importlib.util.find_spec("ray"):
        return sys.executable
    folder = tmp_path_factory.mktemp("ray")
    (wanted,) = {r.partition(";")[0] for r in requires("kandi_nb") if r.startswith("ray")}
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", wanted], capture_output=True)
    if done.returncode:
        pytest.skip(f"Ray cannot be installed here: {done.stderr[-80:]}")
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = [sysconfig.get_path("purelib"), Path(kn.__file__).parents[1]]
    (packages / "this_environment.pth").write_text("".join(f"{path}\n" for path in ours))
    return str(python)


def actors(batch):
    """Return the processes of a cluster that was started by a batch."""
    children = psutil.Process(batch.process.pid).children(recursive=True)
    return [child for child in children if "ray::_Actor" in " ".join(child.cmdline())]


@pytest.mark.soak
def test_twenty_kills_on_a_cluster_of_this_machine(out, ray_python):
    count, choose = 900, random.Random(7)
    batch = Batch(out, count, workers=2, engine="ray", python=ray_python)
    for _ in range(20):
        batch.wait_for(len(names(out)) + choose.randrange(5, 25))
        victims = actors(batch) if batch.process.poll() is None else []
        if victims:
            choose.choice(victims).kill()
    said = batch.process.communicate(timeout=600)[0]
    if "Ray gives its own processes" in said:
        pytest.skip(said[-200:])
    assert f"of {count} pictures" in said and "failed" not in said, said
    check(out, count, at_risk=32 * 20)


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


def test_workers_end_with_their_batch_whatever_they_are_at(out, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "300")  # which hears no stop meanwhile
    batch = Batch(out, 8, workers=2)
    log = Path(os.environ["TOY_BEGUN"])
    while log.read_text().count("begun") < 2 and batch.process.poll() is None:
        time.sleep(0.02)
    workers = batch.workers()
    assert len(workers) == 2
    batch.process.kill()
    batch.process.communicate()
    # Within two seconds on an idle machine; the call that they are at would take five minutes.
    assert not still_running(workers, 30)
