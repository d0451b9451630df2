"""What is missing is named in a command that works where the user is."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kandi_nb.words import extras
from kandi_nb.words.errors import KandiError

ROOT = Path(__file__).parents[2]
LINES = [
    "torch<3,>=2.6",
    'kandi-nb[notebook]; extra == "studio"',
    'voila<0.6,>=0.5.13; extra == "studio"',
    "jupyterlab<5,>=4.4; extra == 'notebook'",
    'fastapi>=0.115; extra == "serve"',
]


@pytest.fixture
def wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "_CLONE", tmp_path)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: LINES)


def test_what_is_there_is_not_asked_for():
    extras.check_extra("serve", "a service", "json", "sys")


def test_in_a_clone_the_clone_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv/bin/python"))
    monkeypatch.chdir(ROOT)
    with pytest.raises(KandiError) as caught:
        extras.check_extra("ray", 'engine="ray"', "json", "no_ray_here", otherwise="or wait")
    assert str(caught.value) == (
        'engine="ray" needs the extra ray (no_ray_here is not installed); type: '
        '.venv/bin/python -m pip install -e ".[ray]"; or wait'
    )
    monkeypatch.chdir(tmp_path)
    python = ROOT / ".venv/bin/python"
    expected = f'{python} -m pip install -e "{ROOT}[serve]"'
    assert extras.install_command("serve") == expected


def test_outside_a_clone_the_packages_are_named_for_no_index_has_ours(wheel):
    assert extras.install_command("serve") == f'{extras.pip()} install "fastapi>=0.115"'
    assert extras.requirements("studio") == ["jupyterlab<5,>=4.4", "voila<0.6,>=0.5.13"]


def test_a_folder_with_a_space_is_quoted(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/my tools/python")
    assert extras.pip() == '"/my tools/python" -m pip'


def test_base_alone_draws_and_names_what_else_needs():
    """A process in which no package of an extra can be imported."""
    # Below 2, huggingface_hub, of the base, brings httpx; then a Client needs no extra.
    hub = [Requirement(line) for line in importlib.metadata.requires("huggingface_hub")]
    brought = any(each.name == "httpx" and each.marker is None for each in hub)
    code = (
        f"brought = {brought}"
        + """
import sys
for name in ("matplotlib", "ipywidgets", "anywidget", "jupyterlab", "jupyter_client", "httpx",
             "ipykernel", "IPython", "papermill", "nbclient", "nbformat", "voila", "fastapi",
             "starlette", "uvicorn", "peft", "ray", "imageio_ffmpeg", "packaging.none"):
    if name != "httpx" or not brought:
        sys.modules[name] = None
import kandi_nb as kn
k = kn.load("mini-2.2")
fox = kn.generate(k, kn.Params("a red fox in a snowy forest", steps=2, prior_steps=2))
print(kn.grid([fox[0], fox[0]], labels=["füchse", "two"]).image.size)
calls = {
    "notebook": [lambda: kn.plot([{"a": 1, "b": 2}], "a", "b"),
                 lambda: kn.panel(kn.generate, k),
                 lambda: kn.mask_painter(fox), lambda: kn.mixer(k, ["a fox", "a cat"]),
                 lambda: kn.run_notebook("00"), lambda: kn.studio(k)],
    "serve": [lambda: kn.serve(k), *[lambda: kn.Client("http://127.0.0.1:9")][brought:]],
    "teach": [lambda: kn.teach(k, [fox[0]], "a fox")],
}
for extra, each in calls.items():
    for call in each:
        try:
            call()
            print("nothing raised", extra)
        except kn.KandiError as error:
            print(extra, "pip install" in str(error) and f"[{extra}]" in str(error), error)
"""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    size, *lines = done.stdout.splitlines()
    assert size.startswith("(") and len(lines) == 9 - brought
    assert all(line.split()[1] == "True" for line in lines), lines
