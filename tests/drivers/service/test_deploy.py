"""Container, unit and Ray's file say what the command understands; without Docker."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from kandi_nb import cli
from kandi_nb.drivers.commands.services.studio import PORT as STUDIO
from kandi_nb.drivers.queue.limits import Limits
from kandi_nb.drivers.service.serving import PORT, TOKEN
from kandi_nb.pictures.recipe import recipe

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SERVICE = "kandinsky-service"  # what the published service's guide calls it
CURL = """curl http://localhost:8002/health
curl -X POST http://localhost:8002/generate \\
  -H "Content-Type: application/json" \\
  -d '{"prompt": "красивый пейзаж с горами"}' \\
  --output test_image.png
"""  # as that guide has them


def instructions():
    """Return the steps of the Dockerfile as (word, rest), lines joined."""
    text = re.sub(
        r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.M
    )
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def step(word):
    return [rest for name, rest in instructions() if name == word]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_every_file_that_is_copied_is_there_and_not_ignored():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for rest in step("COPY") for name in rest.split()[:-1]]
    assert "kandi_nb" in copied and "pyproject.toml" in copied
    for name in copied:
        assert (ROOT / name).exists() and f"!{name}" in ignored
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'"(LICENSE|NOTICE)"', project)) <= set(copied), (
        "the build wants them"
    )


def test_the_command_of_the_image_is_understood():
    (entry,), (words,) = step("ENTRYPOINT"), step("CMD")
    program, *options = json.loads(entry) + json.loads(words)
    parsed = cli.parser().parse_args(options)
    assert program == "kandi-nb" and parsed.host == "0.0.0.0" and parsed.port == PORT
    assert step("EXPOSE") == [f"{PORT} {STUDIO}"]


def test_the_image_runs_as_nobody_in_particular():
    words = [name for name, _ in instructions()]
    assert step("USER") == ["10001"] and words.index("USER") < words.index("ENTRYPOINT")
    assert step("VOLUME") == ["/weights"] and any("HF_HOME=/weights" in e for e in step("ENV"))
    assert not [rest for rest in step("COPY") if TOKEN in rest], "no secret is built in"


def test_the_health_check_runs_and_tells_good_from_bad(tiny, monkeypatch):
    from kandi_nb.drivers.service.serving import serve

    (line,) = step("HEALTHCHECK")
    program, *words = json.loads(line[line.index("[") :])
    with serve(tiny) as service:
        words = [word.replace(f"http://127.0.0.1:{PORT}", service.url) for word in words]
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # Docker hands the host's on
        assert subprocess.run([shutil.which(program) or "python3", *words]).returncode == 0
        service.worker.close(0)
        done = subprocess.run([shutil.which(program) or "python3", *words], capture_output=True)
        assert done.returncode != 0


def test_the_guides_own_lines_of_curl_draw(tiny, tmp_path, monkeypatch):
    from kandi_nb.drivers.service.serving import serve

    monkeypatch.delenv(TOKEN, raising=False)
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with serve(tiny) as service:
        lines = CURL.replace("8002", service.url.rpartition(":")[2])
        done = subprocess.run(["sh", "-c", lines], cwd=tmp_path, capture_output=True, text=True)
    assert json.loads(done.stdout)["status"] == "healthy" and done.returncode == 0
    made = recipe(tmp_path / "test_image.png")["params"]
    assert made["prompt"] == "красивый пейзаж с горами"
    assert (made["steps"], made["guidance"], made["prior_guidance"]) == (50, 4.0, 1.0)


def test_compose_has_both_profiles_and_the_published_bounds(compose):
    services = {n: entry for n, entry in compose["services"].items() if n != "studio"}
    assert {name: entry["profiles"] for name, entry in services.items()} == {
        SERVICE: ["cpu"],
        f"{SERVICE}-gpu": ["gpu"],
    }
    for entry in services.values():
        assert entry["container_name"] == SERVICE, "docker logs kandinsky-service"
        assert entry["mem_limit"] == "8g" and entry["cpus"] == 4 and entry["read_only"]
        assert ":?" in entry["environment"][TOKEN], "it does not start without a token"
        assert entry["volumes"] == ["weights:/weights"] and "weights" in compose["volumes"]
        assert entry["ports"][0].endswith(f"127.0.0.1}}:{PORT}:{PORT}")
        assert (DEPLOY / entry["build"]["context"] / entry["build"]["dockerfile"]).exists()
        words = [re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", word) for word in entry["command"]]
        options = cli.parser().parse_args(["serve", *words])
        assert options.device in ("cpu", "cuda") and options.memory == "resident"
        assert "${KANDINSKY_MEMORY:-resident}" in entry["command"], "offload by a variable"
        grace = int(entry["stop_grace_period"].removesuffix("s"))
        assert grace > Limits().patience + 5, "SIGKILL comes after its own end"
    (device,) = services[f"{SERVICE}-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_the_studio_stands_beside_the_service_and_draws_with_it(compose):
    studio, services = compose["services"]["studio"], compose["services"]
    assert studio["image"] == services[SERVICE]["image"]
    assert set(studio["profiles"]) == {"cpu", "gpu"}
    assert set(studio["depends_on"]) == {SERVICE, f"{SERVICE}-gpu"}
    program, *words = studio["entrypoint"] + studio["command"]
    options = cli.parser().parse_args(words)
    assert program == "kandi-nb" and options.port == STUDIO and options.no_browser
    host = urlsplit(options.service).hostname
    assert host == studio["environment"]["NO_PROXY"]
    for name in studio["depends_on"]:
        assert host in services[name]["networks"]["default"]["aliases"]
        assert not studio["depends_on"][name]["required"], "one of the two is not there"
    assert urlsplit(options.service).port == PORT
    assert ":?" in studio["environment"][TOKEN] and studio["read_only"]
    assert studio["ports"][0].endswith(f"127.0.0.1}}:{STUDIO}:{STUDIO}")
    assert str(STUDIO) in studio["healthcheck"]["test"][-1]
    extras = re.search(r'"\.\[([\w,]+)\]"', (DEPLOY / "Dockerfile").read_text())[1]
    assert set(extras.split(",")) == {"serve", "studio"}, "what the studio needs, too"


def test_the_unit_of_systemd_is_understood():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "kandi-nb.service", encoding="utf-8")
    unit = parser["Service"]
    _, *words = shlex.split(unit["ExecStart"])
    options = cli.parser().parse_args(words)
    assert options.token_file == "%d/token" and unit["LoadCredential"].startswith("token:")
    assert unit["MemoryMax"] == "8G" and unit["CPUQuota"] == "400%"
    assert int(unit["TimeoutStopSec"]) > Limits().patience + 5
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [analyze, "verify", DEPLOY / "kandi-nb.service"], capture_output=True, text=True
        )
        complaints = [line for line in done.stderr.splitlines() if "not executable" not in line]
        assert complaints == []


def test_ray_is_handed_what_there_is():
    """Ray Serve is no dependency: its file is read, and what it imports of ours is there."""
    import importlib

    tree = ast.parse((DEPLOY / "ray_service.py").read_text(encoding="utf-8"))
    names = [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kandi_nb")
        for alias in node.names
    ]
    assert len(names) >= 4
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), name
