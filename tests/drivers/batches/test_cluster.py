"""The engine of a cluster, on a Ray that only pretends: what it asks for, who dies, who not.

A real one is started by `make soak`, in test_kills, where Ray is installed.
"""

from __future__ import annotations

import sys
import types

import pytest
import toy

import kandi_nb as kn
from kandi_nb.drivers.batches import cluster


class RayError(Exception):
    pass


class Pretended(types.ModuleType):
    """Ray in this process: an actor is an object, what is awaited a function to call."""

    exceptions = types.SimpleNamespace(RayError=RayError)

    def __init__(self, dies=lambda runs: False, sees=True, gpus=0):
        super().__init__("ray")
        self.dies, self.sees, self.gpus = dies, sees, gpus
        self.started, self.killed, self.asked, self.running = 0, 0, {}, False

    def is_initialized(self):
        return self.running

    def init(self, address, **options):
        self.running, self.asked["init"] = True, (address, options)

    def shutdown(self):
        self.running = False

    def cluster_resources(self):
        return {"GPU": self.gpus} if self.gpus else {"CPU": 2}

    def remote(self, **needs):
        self.asked["needs"] = needs
        return lambda kind: types.SimpleNamespace(remote=lambda *a: self._actor(kind(*a)))

    def _actor(self, actor):
        self.started += 1

        def do(runs):
            if self.dies(runs):
                raise RayError("the actor died")
            return actor.do(runs)

        def begin(probe):
            return actor.begin(probe if self.sees else "/nowhere")

        return types.SimpleNamespace(
            begin=types.SimpleNamespace(remote=lambda probe: lambda: begin(probe)),
            do=types.SimpleNamespace(remote=lambda runs: lambda: do(runs)),
        )

    def wait(self, awaited, num_returns, timeout):
        return awaited[:num_returns], awaited[num_returns:]

    def get(self, ended):
        return ended()

    def kill(self, actor):
        self.killed += 1


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """Run a batch of toys on a pretended cluster."""

    def run(ray, runs, workers=2, **options):
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: ray)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        given = {"out": tmp_path / "out", "engine": "ray", "workers": workers}
        return kn.batch(toy.toy, toy.K, runs, progress=False, **given, **options)

    return run


def test_actors_draw_and_everything_is_given_back(batch):
    ray = Pretended()
    assert batch(ray, toy.runs(30)).drawn == 30
    assert ray.started == ray.killed == 2 and not ray.running
    assert ray.asked["needs"] == {"max_restarts": 0, "num_cpus": 1}
    address, options = ray.asked["init"]
    assert address is None and options["_node_ip_address"] == "127.0.0.1", "for nobody outside"
    assert not options["include_dashboard"]


def test_a_card_each_where_there_are_cards_and_a_cluster_of_others_stays(batch):
    ray = Pretended(gpus=8)
    ray.running = True
    assert batch(ray, toy.runs(3)).drawn == 3
    assert ray.asked["needs"]["num_gpus"] == 1 and ray.running and "init" not in ray.asked


def test_a_dead_actor_is_replaced_and_its_runs_are_drawn(batch):
    died = []

    def dies(runs):
        if len(died) < 2:
            died.append(runs)
            return True
        return False

    ray = Pretended(dies)
    done = batch(ray, toy.runs(30))
    assert (done.drawn, done.failed) == (30, 0) and ray.started == 4


def test_a_run_that_takes_actors_along_is_listed(batch):
    ray = Pretended(lambda runs: any(run.params.seed == 5 for run in runs))
    done = batch(ray, toy.runs(10))
    assert (done.drawn, done.failed) == (9, 1)
    assert done.failures[0]["error"] == "its actor died (RayError)"


def test_a_node_that_does_not_see_the_folder_is_refused(batch):
    with pytest.raises(kn.KandiError, match="must lie on a disk that all nodes share"):
        batch(Pretended(sees=False), toy.runs(1))


def test_actors_that_never_begin_are_given_up(batch, monkeypatch):
    def begin(self, probe):
        raise RayError("no module named kandi_nb")

    monkeypatch.setattr(cluster._Actor, "begin", begin)
    with pytest.raises(kn.KandiError, match=r"the actors end .* kandi_nb is installed on each"):
        batch(Pretended(), toy.runs(1))


def test_a_cluster_that_refuses_is_one_line(batch):
    ray = Pretended()

    def init(address, **options):
        raise RuntimeError("version mismatch\nof Python")

    ray.init = init
    with pytest.raises(kn.KandiError, match=r"does not take this batch: version mismatch") as e:
        batch(ray, toy.runs(1))
    assert "\n" not in str(e.value)


def test_a_start_that_takes_too_long_says_what_helps(batch):
    ray = Pretended()

    def init(address, **options):
        raise Exception("The current node timed out during startup. This could happen because")

    ray.init = init
    with pytest.raises(kn.KandiError, match=r"30 s .*\(ray start --head\)"):
        batch(ray, toy.runs(1))
