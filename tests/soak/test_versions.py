"""The suite's quick part on the lowest versions that pyproject.toml allows, and on the newest.

PyTorch alone is that of this environment: a machine chooses its build. The rest comes from the
index that pip is set up with.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
# Without ray and bitsandbytes: a cluster's, and a card's.
SET_UP = ["dev", "notebook", "studio", "serve", "teach", "video"]
BUILD = re.compile(r"(torch|triton|nvidia|cuda)\b")  # PyTorch, and what a CUDA build brings
OUTER = ("PYTEST_", "PYTHON", "VIRTUAL_ENV", "COV_")  # settings of the tests around this one

pytestmark = pytest.mark.soak


def requirements() -> list[Requirement]:
    """Return what `make setup` installs, without PyTorch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name in SET_UP for line in extras[name])]
    asked = [Requirement(line) for line in lines]
    return [each for each in asked if each.name not in ("torch", project["name"])]


def lowest(requirement: Requirement) -> str:
    """Return a requirement's lower bound as the one version to install."""
    (bound,) = [each for each in requirement.specifier if each.operator == ">="]
    return f"{requirement.name}=={bound.version}"


def quick_part() -> list[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    return re.search(r"^QUICK := (.+)$", makefile, re.M)[1].split()


class Environment:
    """A Python of its own in a folder, with the PyTorch of this one."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "env", with_pip=True, symlinks=True)
        self.python = folder / "env" / "bin" / "python"
        (site,) = (folder / "env").glob("lib/python*/site-packages")
        for found in importlib.metadata.distributions():
            if BUILD.match(found.name):
                for top in {file.parts[0] for file in found.files} - {".."}:
                    link = site / top
                    if not link.exists():
                        link.symlink_to(found.locate_file(top))

    def call(self, *words: str | os.PathLike) -> subprocess.CompletedProcess:
        around = {k: v for k, v in os.environ.items() if not k.startswith(OUTER)}
        own = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
        return subprocess.run(
            [self.python, "-m", *words],
            cwd=ROOT,
            env=around | own,
            capture_output=True,
            text=True,
        )

    def pip(self, *words: str | os.PathLike) -> None:
        done = self.call("pip", "install", "--no-input", *words)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.fixture
def environment(tmp_path) -> Environment:
    made = Environment(tmp_path)
    once = ["--no-deps", "--no-cache-dir", "--retries", "0"]
    asked = made.call("pip", "download", *once, "-d", tmp_path, "packaging")
    if asked.returncode:
        pytest.skip(f"no index of packages to be reached: {asked.stderr.splitlines()[-1:]}")
    return made


@pytest.mark.parametrize("which", ["lowest", "newest"])
def test_the_quick_part_passes_on_the_versions_allowed(which, environment):
    asked = [lowest(each) if which == "lowest" else str(each) for each in requirements()]
    torch = f"torch=={importlib.metadata.version('torch')}"
    # All at once: pip refuses bounds that exclude each other.
    environment.pip(torch, *asked, "editables")
    environment.pip("--no-deps", "--no-index", "--no-build-isolation", "-e", ROOT)
    if which == "lowest":
        listed = environment.call("pip", "check")
        assert listed.returncode == 0, listed.stdout
    words = ["pytest", "-n", "2", "--dist", "loadscope", "-p", "no:cacheprovider"]
    done = environment.call(*words, *quick_part())
    assert done.returncode == 0 and " passed" in done.stdout, (done.stdout + done.stderr)[
        -8000:
    ]
