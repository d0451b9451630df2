"""A wheel works in an empty environment, outside any clone."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST_MB = 100


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("kandi_nb-*.whl")
    return built


@pytest.mark.slow
def test_it_holds_package_weights_and_notebooks(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    originals = {
        f"kandi_nb/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "notebooks").rglob("*.ipynb")
        if not {".ipynb_checkpoints", "outputs"} & set(path.parts)
    }
    assert len(originals) > 30 and originals <= names
    assert "kandi_nb/py.typed" in names
    assert any(name.endswith("unet/diffusion_pytorch_model.safetensors") for name in names)
    assert wheel.stat().st_size < MOST_MB * 2**20


@pytest.mark.slow
def test_outside_a_clone_it_checks_draws_and_runs_a_notebook(wheel, tmp_path):
    """The packages are those of this environment, the package is the wheel's alone."""
    place, work = tmp_path / "env", tmp_path / "elsewhere"
    work.mkdir()
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python*/site-packages")
    libraries = Path(importlib.util.find_spec("torch").origin).parents[1]
    # Added behind; the editable install of the clone, a .pth in there, is not followed.
    (site / "libraries.pth").write_text(f"{libraries}\n")
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **{"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hub")},
    }

    def call(*words):
        done = subprocess.run(
            [place / "bin" / "kandi-nb", *words],
            **{"cwd": work, "env": environment, "capture_output": True, "text": True},
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    where = "import kandi_nb; print(kandi_nb.__file__)"
    command = [python, "-c", where]
    said = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert Path(said.stdout.strip()).is_relative_to(site)
    assert "mini-2.2" in call("check")
    call("draw", "a red fox in a snowy forest", "--steps", "2", "-o", "fox.png")
    assert (work / "fox.png").stat().st_size > 1000
    weights = site / "kandi_nb" / "mini" / "weights"
    assert not any(path.is_symlink() for path in weights.rglob("*")), "left as installed"
    call("mini", "export", "exported")
    exported = sum(p.stat().st_size for p in (work / "exported").rglob("*.safetensors"))
    assert exported > 1.8 * sum(p.stat().st_size for p in weights.rglob("*.safetensors"))
    call("draw", "a fox", "--model", "mini-2.1", "--steps", "2", "-o", "by-2.1.png")
    call("run", "00")
    assert list((work / "outputs").rglob("*.ipynb"))

    at = free_port()
    with serving(["lab", "--no-browser", f"--port={at}"], place, work, environment):
        address = f"http://127.0.0.1:{at}/api/contents/notebooks?token=secret"
        shown = {entry["name"] for entry in json.loads(answer(address))["content"]}
        assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} <= shown
    at = free_port()
    with serving(["studio", "--no-browser", f"--port={at}"], place, work, environment):
        assert b"Kandinsky studio" in answer(f"http://127.0.0.1:{at}/")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(words, place, work, environment):
    """Run a command that serves until the block ends; its own settings stand in `work`."""
    own = {f"JUPYTER_{name}_DIR": str(work / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    process = subprocess.Popen(
        [place / "bin" / "kandi-nb", *words],
        **{"cwd": work, "env": environment | own | {"JUPYTER_TOKEN": "secret"}},
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL},
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answer(address):
    """What a server that is starting answers, once it does."""
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as reply:
                return reply.read()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
