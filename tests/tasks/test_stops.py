"""Stops that are heard between networks and windows, and forks beside a thread that draws."""

from __future__ import annotations

import os
import threading
import time

import pytest
from PIL import Image

import kandi_nb as kn
from kandi_nb.words.errors import Cancelled

QUICK = kn.Params("a red fox", steps=2, prior_steps=2)
SMALL = Image.new("RGB", (64, 64), "red")


class Calls:
    """Count the calls of a model's networks, and ask for a stop in one of them."""

    def __init__(self, k, roles, at=None):
        self.stop, self.at, self.names = threading.Event(), at, []
        self.hooks = []
        for role in roles:
            pipeline = k.pipeline(role)
            for name, part in pipeline.components.items():
                parts = [part.encoder, part.decoder] if name == "movq" else [part]
                for each in parts:
                    if hasattr(each, "register_forward_hook"):
                        self.hooks.append(each.register_forward_hook(self._called(name)))

    def _called(self, name):
        def count(*_):
            self.names.append(name)
            if len(self.names) == self.at:
                self.stop.set()

        return count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


TASKS = {
    "generate": (lambda k, **o: kn.generate(k, QUICK, **o), ["prior", "decoder"]),
    "negative": (
        lambda k, **o: kn.generate(k, QUICK.replace(negative="a"), **o), ["prior", "decoder"],
    ),
    "edit": (lambda k, **o: kn.edit(k, QUICK, image=SMALL, **o), ["prior", "decoder"]),
    "outpaint": (
        lambda k, **o: kn.outpaint(k, QUICK, image=SMALL, right=128, bottom=64, **o),
        ["prior", "inpaint"],
    ),
    "embed": (lambda k, **o: kn.embed(k, ["a", SMALL], **o), ["prior"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_a_stop_in_any_call_of_a_network_is_heard_before_the_next(tiny_roles, name):
    task, roles = TASKS[name]
    tiny_roles.forget()
    with Calls(tiny_roles, roles) as calls:
        task(tiny_roles, progress=False, stop=calls.stop)
    every = len(calls.names)
    assert every >= 2
    for at in range(1, every, 1 + every // 12):  # the last window's calls are like the first's
        tiny_roles.forget()
        with Calls(tiny_roles, roles, at) as calls, pytest.raises(Cancelled):
            task(tiny_roles, progress=False, stop=calls.stop)
        assert len(calls.names) <= at + 1, f"of {every}, after {calls.names[at - 1]}"
    tiny_roles.forget()
    task(tiny_roles, progress=False)


def test_a_stop_is_heard_while_a_model_is_loaded(tiny_folder):
    k = kn.load(tiny_folder, device="cpu")
    k.begin_anew(k.lock, k.placement.anew())
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        kn.generate(k, QUICK, progress=False, stop=stop)
    assert not k._pipelines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_beside_a_thread_that_draws_draws_the_same(tiny_folder):
    k = kn.load(tiny_folder, device="cpu")
    light = k.with_scheduler("ddim")
    wanted = [kn.generate(each, QUICK, progress=False)[0].tobytes() for each in (k, light)]
    at_work, end = threading.Event(), threading.Event()

    def wait(*_):
        at_work.set()
        end.wait(60)

    task = {"progress": False, "preview": 1, "on_preview": wait}
    thread = threading.Thread(target=lambda: kn.generate(k, QUICK, **task))
    thread.start()
    try:
        assert at_work.wait(60)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                # Drawn anew from the files, and by light copies of the same.
                made = [
                    kn.generate(each, QUICK, progress=False)[0].tobytes() for each in (k, light)
                ]
                code = 0 if made == wanted else 2
            finally:
                os._exit(code)
        assert ended(child, 60) == 0
    finally:
        end.set()
        thread.join()
    assert kn.generate(k, QUICK, progress=False)[0].tobytes() == wanted[0]


def ended(child, seconds):
    """Return the exit code of a child; kill it after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None
