"""docs/diffusers.md: every class and argument is there, and every row can be run."""

from __future__ import annotations

import functools
import inspect
import json
import re
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb import cli

PAGE = Path(__file__).parent.parent / "docs" / "diffusers.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    body = re.split(r"^## ", TEXT, flags=re.M)
    (part,) = [each for each in body if each.startswith(section)]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def code(cell: str) -> str:
    (inside,) = re.findall(r"^`([^`]+)`$", cell)
    return inside


CLASSES = {code(name): (model, code(call)) for name, model, call in rows("Classes")}
ARGUMENTS = {code(row[0]): (row[1], code(row[2])) for row in rows("Arguments of a call")}
MIXING = {code(row[0]): (row[1], code(row[2])) for row in rows("Arguments of `interp")}
VALUES = {row[0]: (row[1], code(row[2])) for row in rows("Values of")}
SERVICE = [code(row[0]) for row in rows("The published service")]
LOADING = {row[0]: (row[1], code(row[2])) for row in rows("Loading")}
CALLS = sorted(
    {
        *CLASSES.values(),
        *ARGUMENTS.values(),
        *MIXING.values(),
        *LOADING.values(),
        *VALUES.values(),
    }
)


@functools.cache
def classes() -> dict[str, type]:
    import diffusers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: getattr(diffusers, name)
            for name in dir(diffusers)
            if re.fullmatch(r"Kandinsky(V22|3)?([A-Z]\w*)?Pipeline", name)
        }


def takes(function) -> set[str]:
    every = inspect.signature(function).parameters.values()
    return {p.name for p in every if p.kind != p.VAR_KEYWORD} - {"self"}


def test_every_class_has_its_row():
    assert set(CLASSES) == set(classes()) and len(CLASSES) == 19
    for name, (model, _) in CLASSES.items():
        family = "2.2" if "V22" in name else "3" if "Kandinsky3" in name else "2.1"
        assert model == f"mini-{family}", name


def test_every_argument_has_its_row():
    assert set(ARGUMENTS) == set().union(*(takes(c.__call__) for c in classes().values()))


def test_every_argument_of_interpolate_has_its_row():
    mixers = [c for c in classes().values() if hasattr(c, "interpolate")]
    assert len(mixers) == 3
    ours = set(MIXING)
    assert ours == set().union(*(takes(c.interpolate) for c in mixers))


@pytest.fixture(scope="module")
def minis():
    return functools.cache(functools.partial(kn.load, device="cpu"))


def quick(k) -> SimpleNamespace:
    """The package, with Params of as few steps as a row does not name itself."""
    few = {"steps": 4} if k.prior is None else {"steps": 4, "prior_steps": 2}
    names = {name: getattr(kn, name) for name in kn.__all__}
    return SimpleNamespace(**names | {"Params": lambda *a, **n: kn.Params(*a, **few | n)})


@pytest.mark.parametrize(("model", "call"), CALLS)
def test_every_row_runs(model, call, minis):
    import torch

    if "depth=" in call and "depth" not in inspect.signature(kn.generate).parameters:
        pytest.skip("depth control is no part of the package yet")
    k = minis(model)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    names = {
        "k": k,
        "kn": quick(k),
        "torch": torch,
        "image": np.stack([pixels] * 3, -1),
        "mask": kn.rectangle((64, 64), (16, 16, 48, 48)),
        "depth": pixels,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", kn.KandiWarning)
        # Of the few steps that are filled in above, where a row has no need of the prior.
        warnings.filterwarnings("ignore", r".* does not use prior_steps; left out")
        made = eval(call, names)  # the page's own code
    assert made is not None
    if isinstance(made, kn.Result):
        assert all(image.getextrema()[0][1] > 0 for image in made)


@pytest.fixture(scope="module")
def service(tiny):
    """A service of the tiny 2.2, on a free port."""
    with kn.serve(tiny) as running:
        yield running


@pytest.mark.parametrize("line", [each for each in SERVICE if each.startswith("curl ")])
def test_every_line_of_curl_is_answered(line, service, tmp_path, monkeypatch):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    monkeypatch.setenv("no_proxy", "localhost")
    port = service.url.rpartition(":")[2]
    assert line.count("localhost:8002") == 1
    words = line.replace("localhost:8002", f"localhost:{port}").replace("curl", "curl -sf", 1)
    done = subprocess.run(["sh", "-c", words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "--output" not in line:
        assert json.loads(done.stdout)["status"] == "healthy"
        return
    asked = json.loads(re.search(r"-d '(.+)'", line)[1])
    made = kn.recipe(tmp_path / line.split()[-1])
    assert made["params"]["prompt"] == asked["prompt"]
    assert made["params"]["steps"] == asked.get("num_inference_steps", 50)
    expected = "DDIMScheduler" if "scheduler" in asked else "DDPMScheduler"
    assert made["options"]["scheduler"] == expected


def test_every_other_line_of_the_service_is_a_command_of_ours():
    others = [shlex.split(line) for line in SERVICE if not line.startswith("curl ")]
    assert others
    for program, *words in others:
        assert program == "kandi-nb" and cli.parser().parse_args(words).memory != "resident"


def test_the_readme_leads_here():
    assert "docs/diffusers.md" in (PAGE.parent.parent / "README.md").read_text("utf-8")
