"""The three environment files agree, and `make` sets up what they say, once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
# conda-forge's names where they differ; -base leaves graphical toolkits out.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
# One browser test, skipped without it; files for a page that does without them.
PIP_ONLY = {"axe-playwright-python", "fastapi-offline"}
# Without ray and bitsandbytes: a cluster's, and a card's.
SET_UP = ["dev", "notebook", "studio", "serve", "teach", "video"]
TARGETS = [
    *("help", "setup", "run", "test", "quick", "coverage", "wheel", "lab", "studio"),
    *("site", "bench", "judge", "soak", "lock"),
]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def wanted():
    """Return name → Requirement of everything that `make setup` installs."""
    extras = project()["optional-dependencies"]
    lines = [*project()["dependencies"], *(line for name in SET_UP for line in extras[name])]
    lines = [line for line in lines if not line.startswith("kandi_nb[")]
    found = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}
    assert len(found) == len(lines) > 20
    return found


def pinned(python):
    """Return name → version that constraints.txt pins for a Python."""
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
    }
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                (only,) = requirement.specifier
                assert only.operator == "==", line
                name = canonicalize_name(requirement.name)
                assert name not in pins, f"{name} is pinned twice for Python {python}"
                pins[name] = Version(only.version)
    return pins


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_one_pin_inside_its_range(python):
    pins, requirements = pinned(python), wanted()
    assert set(pins) == set(requirements)
    for name, version in pins.items():
        assert requirements[name].specifier.contains(version), name


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_every_pin_but_torch_each_with_hashes(python):
    """After a change of constraints.txt: `make lock`."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    environment = default_environment() | {"python_version": python}
    environment["python_full_version"] = f"{python}.9"
    locked = {}
    for entry in text.replace("\\\n", "").splitlines():
        line, *hashes = entry.split("--hash=sha256:")
        assert hashes and all(re.fullmatch(r"[0-9a-f]{64}\s*", each) for each in hashes), line
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in locked, f"{line} stands twice for Python {python}"
            (only,) = requirement.specifier
            locked[canonicalize_name(requirement.name)] = Version(only.version)
    pins = pinned(python)
    assert locked.keys() >= pins.keys() - {"torch"} | {"hatchling", "editables"}
    assert {name: locked[name] for name in pins if name != "torch"} == {
        name: version for name, version in pins.items() if name != "torch"
    }
    cuda = [name for name in locked if name.startswith(("torch", "nvidia", "cuda", "triton"))]
    assert not cuda, "which build of PyTorch it is, each machine decides"


def test_python_range_is_that_of_the_makefile():
    supported = SpecifierSet(project()["requires-python"])
    assert all(f"{python}.5" in supported for python in PYTHONS)
    assert "3.10.20" not in supported and "3.15.0" not in supported
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert makefile.count("(3, 11) <= sys.version_info[:2] <= (3, 14)") == 2


def test_every_allowed_python_is_named_where_somebody_looks():
    python = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    named = [found[1] for line in project()["classifiers"] if (found := python.match(line))]
    assert named == PYTHONS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tried = re.search(r"for p in ([^;]+);", makefile)[1].split()
    assert tried == [f"python{number}" for number in reversed(PYTHONS)]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in readme
    assert f"(3, {int(PYTHONS[-1][2:]) + 1})" in (ROOT / "kandi_nb/model/check.py").read_text(
        encoding="utf-8"
    ), "kn.check() takes the newest one, too"


def test_no_diffusers_is_allowed_that_imports_what_a_folder_names():
    assert not wanted()["diffusers"].specifier.contains("0.41.0")
    assert all(pinned(python)["diffusers"] >= Version("0.42") for python in PYTHONS)


def test_the_base_is_what_drawing_needs():
    base = {canonicalize_name(Requirement(line).name) for line in project()["dependencies"]}
    assert base == {
        *("torch", "diffusers", "transformers", "accelerate", "tokenizers", "sentencepiece"),
        *("protobuf", "safetensors", "huggingface-hub", "filelock", "numpy", "pillow"),
        *("psutil", "tqdm", "pyyaml"),
    }


def test_every_extra_that_a_call_names_is_one():
    extras = set(project()["optional-dependencies"])
    named = {
        name
        for path in (ROOT / "kandi_nb").rglob("*.py")
        for name in re.findall(
            r"(?:check_extra|install_command)\(\s*[\"'](\w+)[\"']", path.read_text("utf-8")
        )
    }
    assert named == extras - {"dev"}
    kit = ROOT / "kandi_nb/drivers/notebooks"
    for path in (kit / "kit.py", kit / "templates/install.py.txt"):
        (brought,) = re.findall(r'^EXTRAS = "([\w,]+)"', path.read_text("utf-8"), re.M)
        assert brought.split(",") == [
            name for name in SET_UP if name not in ("dev", "notebook")
        ]


def test_the_owners_packages_stay_in_environment_yml(conda):
    owner = {"jupyterlab", "ipywidgets", "diffusers", "transformers", "accelerate", "pytorch"}
    assert owner | {"matplotlib-base", "papermill"} <= set(conda_ranges(conda))


def test_torch_is_pinned_and_torchvision_is_no_dependency():
    assert str(pinned("3.11")["torch"]) == "2.13.0"
    assert "torchvision" not in wanted()


def test_every_line_of_the_environment_files_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = re.findall(r'^    "[a-zA-Z_-]+(?:[>=]|\[notebook\]).*$', text, re.M)
    extras = project()["optional-dependencies"].values()
    assert len(lines) == len(project()["dependencies"]) + sum(map(len, extras))
    for line in lines:
        assert re.search(r"\",\s+# \S", line), line
    for line in (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines():
        if re.match(r"  - [a-z]\S* [><=]", line):
            assert re.search(r"\S\s+# \S", line), line


@pytest.fixture(scope="module")
def conda():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def conda_ranges(conda):
    lines = [entry for entry in conda["dependencies"] if isinstance(entry, str)]
    pairs = [line.partition(" ")[::2] for line in lines]
    assert len(dict(pairs)) == len(pairs), "no package stands twice"
    # conda's `>=2.6,<3` is written as pip writes it: no other forms are used here.
    return {name: SpecifierSet(ranges) for name, ranges in pairs}


def test_conda_comes_from_conda_forge_alone(conda):
    assert conda["channels"] == ["conda-forge", "nodefaults"]
    assert set(conda) == {"name", "channels", "dependencies"}


def test_conda_asks_for_the_same_packages_and_ranges(conda):
    ranges = conda_ranges(conda)
    expected = {
        CONDA_NAMES.get(name, name.replace("-", "_") if "_" in requirement.name else name): (
            requirement.specifier
        )
        for name, requirement in wanted().items()
        if name not in PIP_ONLY
    }
    extra = {"python", "pip"}
    assert set(ranges) - extra == set(expected)
    for name, specifier in expected.items():
        assert ranges[name] == specifier, name
    assert ranges["python"].contains("3.14.1") and not ranges["python"].contains("3.15.0")


def test_conda_takes_nothing_but_the_project_itself_from_pip(conda):
    (section,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    assert section == ["-e ."], "torch under pip beside conda's pytorch breaks both"


def test_a_built_package_holds_the_weights():
    """Hatchling takes what git does not ignore below kandi_nb/: ask git about each kind."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "hatch"
    ]
    assert build["build"]["targets"]["wheel"]["packages"] == ["kandi_nb"]
    weights = "kandi_nb/mini/weights/kandinsky-2-2-prior"
    names = [
        f"{weights}/prior/diffusion_pytorch_model.safetensors",
        f"{weights}/tokenizer/vocab.json",
        f"{weights}/tokenizer/merges.txt",
        f"{weights}/README.md",
        "kandi_nb/mini/world/sprites/fox.png",
    ]
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git checkout")
    ignored = subprocess.run(
        ["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True
    )
    assert ignored.stdout == ""
    assert project()["scripts"] == {"kandi-nb": "kandi_nb.cli:main"}


def test_licence_and_readme_exist():
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project()["license"] == "Apache-2.0"
    assert (ROOT / project()["readme"]).is_file()


def test_no_registry_host_is_named():
    hosts = re.compile(r"pypi\.|pythonhosted|download\.pytorch|anaconda\.org|index-url")
    files = ("pyproject.toml", "constraints.txt", "requirements.lock", "environment.yml")
    for name in (*files, "Makefile", ".ci/run"):
        assert not hosts.search((ROOT / name).read_text(encoding="utf-8")), name


# --- make, with a Python that only pretends to install ---

PRETENDER = """#!/bin/sh
# Stands for python3 and for .venv/bin/python: writes down what it is asked for.
echo "$0 $*" >> "{log}"
case "$*" in
  *ensurepip*) exit {ensurepip} ;;
  *version_info*) exit {version} ;;
  --version) echo "Python {number}" ;;
  *"-m venv"*)
    for last; do :; done
    mkdir -p "$last/bin" && cp "$0" "$last/bin/python" && touch "$last/pyvenv.cfg" ;;
  *"-m pip"*)
    echo "PYTHONPATH=$PYTHONPATH PIP_USER=$PIP_USER" >> "{log}"
    echo "noise of pip"
    exit {pip} ;;
esac
"""


# What a `make test ARGS=…` around this test hands on to every program.
OUTER = ("MAKE", "MFLAGS", "ARGS", "CI", "LOCK")


@pytest.fixture
def make(tmp_path):
    """Run make in a copy of the project's make files with a pretended Python."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    log = tmp_path / "log"

    def run(*words, ensurepip=0, version=0, number="3.12.1", pip=0, **environment):
        python = tmp_path / "python"
        python.write_text(
            PRETENDER.format(
                log=log, ensurepip=ensurepip, version=version, number=number, pip=pip
            )
        )
        python.chmod(0o755)
        for inside in tmp_path.glob(".venv/bin/python"):
            shutil.copy(python, inside)
        log.write_text("")
        done = subprocess.run(
            ["make", *words, f"PYTHON={python}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith(OUTER)} | environment,
        )
        done.asked = log.read_text()
        return done

    return run


def test_make_alone_lists_the_targets_one_line_each(make):
    done = make()
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines] == TARGETS
    assert all(len(line.split()) > 3 for line in lines), "each says what it does"
    assert done.asked == "", "and nothing is installed for it"


def test_setup_installs_pinned_torch_first_and_is_quiet(make, tmp_path):
    done = make("setup", PYTHONPATH="/elsewhere", PYTHONHOME="/elsewhere", PIP_USER="1")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4 and "noise" not in done.stdout
    installs = [line for line in done.asked.splitlines() if "-m pip install" in line]
    assert len(installs) == 2 and all("-c constraints.txt" in line for line in installs)
    assert installs[0].endswith(" torch")
    assert installs[1].endswith(f"-e .[{','.join(SET_UP)}]")
    assert done.asked.count("PYTHONPATH= PIP_USER=0") == 2, "a shell's settings stay outside"


@pytest.mark.parametrize("says", [{"LOCK": "1"}, {"CI": "true"}])
def test_a_build_machine_installs_from_the_lock_by_hash(make, says):
    done = make("setup", **says)
    assert done.returncode == 0, done.stderr
    torch, locked, own = [line for line in done.asked.splitlines() if "pip install" in line]
    assert torch.endswith(" -c constraints.txt torch")
    assert locked.endswith(" --require-hashes --no-deps -r requirements.lock")
    assert own.endswith(" --no-deps --no-build-isolation -e .")


def test_a_lock_can_be_declined(make):
    asked = make("setup", CI="true", LOCK="0").asked
    assert "-e .[" in asked and "requirements.lock" not in asked


def test_setup_runs_again_only_when_the_files_change(make, tmp_path):
    make("setup")
    start = time.perf_counter()
    done = make("setup")
    assert done.returncode == 0 and done.asked == ""
    assert time.perf_counter() - start < 5
    later = time.time() + 5
    os.utime(tmp_path / "constraints.txt", (later, later))
    done = make("setup")
    assert "pip install" in done.asked and "-m venv" not in done.asked


def test_every_target_sets_up_first(make):
    done = make("run")
    assert done.returncode == 0, done.stderr
    assert "-m pip install" in done.asked
    assert done.asked.splitlines()[-1].endswith(".venv/bin/python -m kandi_nb.cli run all")
    assert make("test").asked.count("-m pytest") == 1


def test_an_old_python_is_refused_with_a_clear_word(make, tmp_path):
    done = make("setup", version=1, number="3.10.2")
    assert done.returncode != 0
    assert "needs Python 3.11 to 3.14" in done.stderr and "3.10.2" in done.stderr
    assert "make setup PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_without_venv_is_refused_with_a_clear_word(make, tmp_path):
    done = make("setup", ensurepip=1)
    assert done.returncode != 0
    assert "python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_failed_download_shows_the_end_of_the_log_and_is_tried_again(make):
    done = make("setup", pip=1)
    assert done.returncode != 0
    assert "noise of pip" in done.stderr and ".venv/setup.log" in done.stderr
    assert "pip install" in make("setup").asked


def test_a_folder_that_is_no_environment_is_left_alone(make, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "precious").write_text("mine")
    done = make("setup")
    assert done.returncode != 0 and "move it away" in done.stderr
    assert (tmp_path / ".venv" / "precious").read_text() == "mine"


def test_a_copied_clone_gets_an_environment_of_its_own(make, tmp_path):
    make("setup")
    stamps = list((tmp_path / ".venv").glob(".ready-*"))
    assert len(stamps) == 1
    stamps[0].rename(stamps[0].with_name(".ready-of-another-folder"))
    assert "pip install" in make("setup").asked


def test_the_build_machine_runs_make_test():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    lines = [line for line in script.splitlines() if not line.startswith("#")]
    assert [line for line in lines if "make" in line] == ["exec make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_build_machine_has_the_browser_of_the_browser_tests():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"command -v chromium .*\n.*apt-get install .*chromium", script)


def test_the_build_machines_elsewhere_take_every_python_and_make():
    flow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    quick, whole = flow["jobs"]["quick"], flow["jobs"]["whole"]
    assert quick["strategy"]["matrix"]["python"] == PYTHONS
    lines = [step["run"] for job in (quick, whole) for step in job["steps"] if "run" in step]
    assert lines[:3] == ["make setup", "make quick", ".ci/run"]


def test_quick_names_tests_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = re.search(r"^QUICK := (.+)$", makefile, re.M)[1].split()
    assert len(listed) > 5 and all((ROOT / name).exists() for name in listed)
