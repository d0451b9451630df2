"""`kn.Client`: a service in a model's place, for tasks and drivers alike."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import openai
import pytest
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.measure.bench import bench
from kandi_nb.model.progress import Progress, shown_by
from kandi_nb.pictures.recipe import inputs_in
from kandi_nb.words.errors import Cancelled, KandiError, KandiWarning
from kandi_nb.words.params import Params, sweep

QUICK = Params("a red fox", steps=2, prior_steps=2, seed=7)
TOKEN = "a-token-that-is-long-enough"
RED = Image.new("RGB", (64, 64), "red")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TOLERANCE = 2  # of 255: a batch's sums have another order


@pytest.fixture(scope="module")
def service(tiny_roles):
    with kn.serve(tiny_roles, token=TOKEN) as service:
        yield service


@pytest.fixture(scope="module")
def client(service):
    return kn.Client(service.url, TOKEN)


def far(a, b):
    return np.abs(a.arrays().astype(int) - b.arrays()).max()


def test_a_client_draws_what_the_model_draws(client, tiny_roles):
    runs = sweep(QUICK, seed=[1, 2], guidance=[2, 4])
    there, here = kn.generate(client, runs), kn.generate(tiny_roles, runs)
    assert there.params == here.params and there.recipes == here.recipes
    assert far(there, here) <= TOLERANCE
    assert there.seconds > 0 and there.model == here.model


def test_prompts_and_counts_are_as_with_a_model(client, tiny_roles):
    params = QUICK.replace(count=2)
    there = kn.generate(client, params, prompts=["a cat", "a dog"])
    here = kn.generate(tiny_roles, params, prompts=["a cat", "a dog"])
    assert there.params == here.params and far(there, here) <= TOLERANCE


def test_edits_bring_their_pictures_along_and_keep_them_here(client, tiny_roles, tmp_path):
    mask = kn.rectangle(RED, (8, 8, 40, 40))
    there = kn.inpaint(client, QUICK, image=RED, mask=mask, join="hard")
    here = kn.inpaint(tiny_roles, QUICK, image=RED, mask=mask, join="hard")
    assert there.recipes == here.recipes and far(there, here) <= TOLERANCE
    assert there.proof[0]["kept"] == 1 == here.proof[0]["kept"]
    (path,) = there.save(tmp_path)
    assert inputs_in(path).keys() == {"image", "mask"}, "they are the user's own"
    assert far(kn.replay(path, tiny_roles), there) <= TOLERANCE
    assert far(kn.replay(path, client), there) <= TOLERANCE


def test_an_edit_takes_its_depth_map_along(client, tiny_roles):
    ramp = Image.linear_gradient("L").resize((64, 64))
    given = {"image": RED, "depth": ramp}
    there, here = (kn.edit(k, QUICK, **given) for k in (client, tiny_roles))
    for name in here.recipes[0]:
        assert there.recipes[0][name] == here.recipes[0][name], name
    assert far(there, here) <= TOLERANCE
    assert far(there, kn.edit(client, QUICK, image=RED)) > 0
    wide = ramp.resize((128, 64))
    with pytest.raises(KandiError, match="the depth map has 128 × 64 pixels"):
        kn.edit(client, QUICK, image=RED, depth=wide)


def test_pictures_and_params_go_together_one_each(client):
    blue = Image.new("RGB", (64, 64), "blue")
    result = kn.edit(client, [QUICK, QUICK.replace(seed=8)], image=[RED, blue])
    assert [given["image"].getpixel((0, 0)) for given in result.inputs] == [
        (255, 0, 0),
        (0, 0, 255),
    ]
    with pytest.raises(KandiError, match="got 1 of params, 2 of image, 3 of mask"):
        kn.inpaint(client, QUICK, image=[RED, blue], mask=[kn.ellipse(RED, (0, 0, 9, 9))] * 3)


def test_a_client_knows_its_model(client, tiny_roles):
    assert client.spec.key == tiny_roles.spec.key and client.device == "cpu"
    assert client.options["scheduler"] == "DDPMScheduler" and client.revision
    assert client.url in repr(client)
    client.vocabulary.text()


def test_a_bench_measures_through_it(client):
    (row,) = bench(kn.generate, client, QUICK, repeats=1)
    assert row["seconds"] > 0 and row["model"] == client.spec.key


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda c: kn.generate(c, QUICK.replace(steps=900)), "steps is at most 200 here"),
        (lambda c: kn.generate(c, Params(seed=3)), "prompt is missing"),
        (lambda c: kn.generate(c, "a fox"), "the second argument is Params"),
        (lambda c: kn.generate(c, QUICK, embedding=[1]), "a service takes no embedding"),
        (lambda c: kn.generate(c, QUICK, step=3), "generate takes no step"),
        (lambda c: kn.edit(c, QUICK), "edit is called as"),
        (lambda c: kn.edit(c, QUICK, image="no.png"), "no.png does not exist"),
        (lambda c: kn.inpaint(c, QUICK, image=RED, mask=np.zeros((64, 64))), "all black"),
        (lambda c: kn.inpaint(c, QUICK, image=RED, mask=RED.convert("L"), join="x"), "join"),
        (lambda c: kn.generate(c, QUICK, stop=3), "stop is a threading.Event"),
    ],
)
def test_errors_are_the_one_line_that_they_were_there(client, call, says):
    with pytest.raises(KandiError, match=says) as raised:
        call(client)
    assert type(raised.value) is KandiError and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: kn.embed(c, ["a cat"]),
        lambda c: kn.tokens(c, "a cat"),
    ],
)
def test_what_needs_the_model_itself_says_so(client, call):
    with pytest.raises(KandiError, match="the first argument is a loaded model"):
        call(client)


def test_warnings_come_along(client):
    with pytest.warns(KandiWarning, match="does not use strength"):
        kn.generate(client, QUICK.replace(strength=0.5))


class Bar(Progress):
    """A bar that remembers what it showed."""

    shown: ClassVar[list] = []

    def show(self):
        self.shown.append((self.done, self.total, self.waiting))


def test_steps_and_unfinished_pictures_come_from_the_service(client, tiny_roles):
    seen, params = [], QUICK.replace(prompt="a fox of its own", steps=6, count=2)
    Bar.shown = []
    with shown_by(Bar):
        there = kn.generate(client, params, preview=2, on_preview=lambda *w: seen.append(w))
    assert far(there, kn.generate(tiny_roles, params)) <= TOLERANCE
    done = [done for done, _, waits in Bar.shown if not waits]
    last, total = Bar.shown[-1][:2]
    assert done == sorted(done) and last == total
    assert total in (14, 16), "6 steps a picture, and 2 of the prior for a text"
    pictures, step = seen[-1]
    assert 2 <= step <= 6 and {picture.size for picture in pictures} == {(64, 64)}


def test_mixtures_are_drawn_by_the_service(client, tiny_roles):
    slow = QUICK.replace(prompt=None, count=2)
    items = ["a cat", RED, Params("a dog", prior_steps=2)]
    calls = [
        lambda k: kn.mix(k, slow, items, [0.2, 0.3, 0.5], "slerp"),
        lambda k: kn.path(k, slow.replace(count=1), "a cat", RED, n=3),
        lambda k: kn.mix_grid(k, slow.replace(count=1), items, size=2),
    ]
    for call in calls:
        there, here = call(client), call(tiny_roles)
        assert far(there, here) <= TOLERANCE and there.layout == here.layout
        for mine, theirs in zip(here.recipes, there.recipes, strict=True):
            mixed = [made["inputs"].pop("embedding") for made in (mine, theirs)]
            assert mine == theirs and mixed[0]["name"] == mixed[1]["name"]
            assert mixed[0]["made"] == mixed[1]["made"]
        assert kn.recipe(there[:1][0]) == there.recipes[0]
    with pytest.raises(KandiError, match="texts and pictures, no embeddings"):
        kn.mix(client, QUICK, [kn.embed(tiny_roles, ["a cat"])])
    with pytest.raises(KandiError, match="one prior_steps for all texts"):
        kn.mix(client, QUICK, [Params("a cat", prior_steps=2), Params("a dog")])


def test_services_are_compared(client, tiny_roles):
    params = QUICK.replace(seed=3)
    found = kn.versus(params, [client])
    assert far(found.results[client.spec.key], kn.generate(tiny_roles, params)) <= TOLERANCE


def test_a_stop_reaches_the_service(client, service):
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(Cancelled, match="stopped after 0 of 2 steps"):
        kn.generate(client, QUICK.replace(steps=200, width=512, count=2), stop=stop)
    line, ends = service.worker.queue, time.monotonic() + 20
    while line.running and time.monotonic() < ends:
        time.sleep(0.01)
    assert line.running == line.waiting == 0
    assert len(kn.generate(client, QUICK)) == 1


def test_a_full_service_is_waited_for(tiny):
    with kn.serve(tiny, queue=1, batch=1, per_client=4, window=0) as service:
        client = kn.Client(service.url, at_once=4)
        assert len(kn.generate(client, QUICK.replace(count=5))) == 5
        short = kn.Client(service.url, at_once=4, patience=0)
        with pytest.raises(KandiError, match=r"queue is full|requests of yours"):
            kn.generate(short, QUICK.replace(count=8, steps=30))


@pytest.mark.parametrize(
    ("url", "token", "says"),
    [
        (None, None, "KANDINSKY_SERVICE_URL"),
        ("fox.png", None, "needs a service's address"),
        ("http://127.0.0.1:9", None, "there is no service at .* kandi-nb serve"),
        ("here", "a-wrong-token-of-mine", "a token is needed"),
    ],
)
def test_a_client_without_a_service_says_so(service, monkeypatch, url, token, says):
    monkeypatch.delenv("KANDINSKY_SERVICE_URL", raising=False)
    with pytest.raises(KandiError, match=says):
        kn.Client(service.url if url == "here" else url, token)


def test_address_and_token_come_from_the_environment(service, monkeypatch):
    monkeypatch.setenv("KANDINSKY_SERVICE_URL", f"{service.url}/")
    monkeypatch.setenv("KANDINSKY_SERVICE_TOKEN", TOKEN)
    assert kn.Client().url == service.url


@pytest.mark.parametrize("name", ["14_service.ipynb", "solutions/14_solutions.ipynb"])
def test_the_notebook_reaches_its_service_behind_a_companys_proxy(tiny, name, monkeypatch):
    for variable in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")  # to be put back
    cells = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))["cells"]
    (cell,) = ["".join(c["source"]) for c in cells if "def curl" in "".join(c["source"])]
    with kn.serve(tiny) as service:
        held = {"service": service, "os": os, "json": json, "print": lambda *_: None}
        exec(cell[cell.index("os.environ") :], held)
        assert json.loads(held["curl"]("/health"))["status"] == "healthy"
        theirs = openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)
        assert [model.id for model in theirs.models.list()] == [tiny.spec.key]
