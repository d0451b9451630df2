"""A real browser on a real JupyterLab, for what only eyes would see."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "outputs" / "browser"
# No look-ups of its own, and it runs in containers, where everybody is root.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
WAIT = 60  # seconds that a busy machine may take for one thing
START = 180  # the same for a kernel with torch, or a server
_running: dict = {}  # the browser, for pictures of what failed


def keep(page, name: str, **words) -> None:
    """Keep what a page shows, for a person to look at: `KANDI_NB_PICTURES=1 make test`."""
    if os.environ.get("KANDI_NB_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", **words)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what every open page shows when a test fails."""
    report = yield
    running = _running.get("browser")
    if report.failed and running is not None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        pages = [page for context in running.contexts for page in context.pages]
        for number, page in enumerate(pages):
            with contextlib.suppress(Exception):  # a page that hangs shows nothing
                page.screenshot(path=PICTURES / f"failed-{item.name}-{number}.png", timeout=5e3)
    return report


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items):
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    if here and chromium() is None:
        reason = f"{len(here)} browser tests need chromium (apt install chromium)"
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def folder(tmp_path_factory) -> Path:
    """The folder that JupyterLab shows."""
    return tmp_path_factory.mktemp("lab") / "notebooks"


@pytest.fixture(scope="package")
def kernels(tmp_path_factory, quick_python):
    """Variables that let Jupyter start kernels whose imports are done."""
    home = tmp_path_factory.mktemp("kernels")
    described = home / "kernels" / "python3" / "kernel.json"
    described.parent.mkdir(parents=True)
    command = [*quick_python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    said = {"argv": command, "display_name": "Python 3", "language": "python"}
    described.write_text(json.dumps(said))
    return {"JUPYTER_PATH": str(home)}


@pytest.fixture(scope="package")
def address(folder, kernels):
    """The address of a JupyterLab with settings of its own, on the loopback address."""
    folder.mkdir()
    home = folder.parent
    settings = home / "settings"
    settings.mkdir()
    # The question whether to read the news would lie over the notebook.
    news = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
    (settings / "overrides.json").write_text(json.dumps(news))
    environment = {
        **os.environ,
        **kernels,
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("KANDI_NB_HEADLESS", None)
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", "--port=0", "--IdentityProvider.token=test"),
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.app_settings_dir={settings}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{_port(home, server)}/lab"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _port(home: Path, server: subprocess.Popen) -> int:
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        for file in (home / "runtime").glob("jpserver-*.json"):
            return json.loads(file.read_text())["port"]
        time.sleep(0.1)
    raise RuntimeError((home / "log").read_text()[-2000:])


@pytest.fixture(scope="package")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        _running["browser"] = running
        yield running
        _running.clear()
        running.close()


class Notebook:
    """A notebook that is open in JupyterLab: run its cells, look at what they show."""

    def __init__(self, page, address: str, name: str) -> None:
        self.page = page
        page.set_default_timeout(WAIT * 1000)
        page.goto(f"{address}/tree/{name}?token=test&reset")
        self.ready()

    def ready(self) -> None:
        """Wait until the kernel is there: before that, running asks for one."""
        # The notebook's own mark says idle too early; then Lab asks which kernel it shall be.
        self.page.wait_for_selector("#jp-main-statusbar >> text=/ \\| (Idle|Busy)/")
        self.page.add_locator_handler(
            self.page.locator(".jp-Dialog"),
            lambda dialog: dialog.locator(".jp-mod-accept").click(),
        )

    def command(self, name: str, **words) -> None:
        script = "([name, words]) => void window.jupyterapp.commands.execute(name, words)"
        self.page.evaluate(script, [name, words])

    def start(self, number: int) -> None:
        """Run one cell, without waiting for it."""
        self.page.locator(".jp-CodeCell .jp-InputArea-prompt").nth(number).click()
        self.command("notebook:run-cell")

    def run(self) -> None:
        """Run all cells and wait until each has its number."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".every(prompt => /\\d/.test(prompt.textContent))"
        )

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        light = "true" if name == "Light" else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")

    def width(self, pixels: int, height: int = 1600) -> None:
        self.page.set_viewport_size({"width": pixels, "height": height})
        # Two frames: one in which Lab lays itself out, one in which that is drawn.
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))"
        )

    def picture(self, name: str) -> None:
        keep(self.page, name)


@pytest.fixture(scope="package")
def open_notebook(browser, address, folder):
    """Return a function that opens a notebook of some cells in JupyterLab.

    `watch(page)` is called before anything is loaded.
    """
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    def open_one(name: str, *cells: str, watch=lambda page: None) -> Notebook:
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / name)
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        watch(page)
        return Notebook(page, address, name)

    return open_one


@pytest.fixture
def opened(open_notebook):
    """Return the same function; its pages are closed after the test."""
    notebooks = []

    def open_one(*words: str) -> Notebook:
        notebooks.append(open_notebook(*words))
        return notebooks[-1]

    yield open_one
    for notebook in notebooks:
        notebook.page.close()


# --- the studio as Voilà serves it ---


@pytest.fixture(scope="module")
def server(tmp_path_factory, kernels):
    """A studio with room for two visitors; yield its address and its process."""
    home = tmp_path_factory.mktemp("studio")
    with studio_server(home, "--visitors", "2", variables=kernels) as running:
        yield running


@contextlib.contextmanager
def studio_server(home: Path, *words: str, variables: Mapping[str, str] | None = None):
    """Run a studio; yield its address and its process, and see that no kernel stays behind."""
    places = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "RUNTIME")}
    environment = {
        **os.environ,
        **places,
        **(variables or {}),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    for name in ("KANDI_NB_HEADLESS", "KANDINSKY_SERVICE_URL"):
        environment.pop(name, None)
    options = ["studio", "--no-browser", "--port", "0", *words]
    command = [sys.executable, "-m", "kandi_nb.cli", *options]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stderr=log, stdout=log)
    try:
        yield _address(home / "log", process), process
    finally:
        kernels = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(timeout=60)
        assert not psutil.wait_procs(kernels, timeout=30)[1], "no kernel stays behind"
    assert "Traceback" not in (home / "log").read_text()


def _address(log: Path, process: subprocess.Popen) -> str:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"the studio is at (\S+)", log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise RuntimeError(log.read_text()[-2000:])
