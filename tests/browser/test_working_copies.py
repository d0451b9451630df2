"""The workbook as `kandi-nb lab` opens it: links are alive, and a second run adds no files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
WAIT = 120  # seconds that a busy machine may take for one thing
SAVES = """
from PIL import Image
from kandi_nb.pictures.result import Result
from kandi_nb.words.params import Params

Result([Image.new("RGB", (64, 64))], [Params("a fox")], "m").save("../outputs/01_first")
"""


def save(path, prose, *code):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_markdown_cell(prose), *map(new_code_cell, code)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def answers(url, server):
    """Wait until a server answers."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until and server.poll() is None:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.3)
    raise RuntimeError("JupyterLab does not answer")


@pytest.fixture
def workbook(tmp_path):
    """A small workbook, open in Lab; yield its folder and the address."""
    (tmp_path / "README.md").write_text("# The index\n\n## Notebooks\n")
    links = "[index](../README.md#notebooks) and [Solutions](solutions/01_solutions.ipynb)"
    save(tmp_path / "notebooks" / "01_first.ipynb", links, SAVES)
    save(tmp_path / "notebooks" / "solutions" / "01_solutions.ipynb", "# Solved", "1")
    home = tmp_path / "home"
    places = ("config", "data", "runtime")
    environment = {
        **{f"JUPYTER_{place.upper()}_DIR": str(home / place) for place in places},
        "JUPYTER_TOKEN": "test",
        "PYTHONPATH": str(ROOT),
    }
    home.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "kandi_nb.cli", "lab", "--no-browser", f"--port={port}"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        answers(f"{address}/api?token=test", server)
        yield tmp_path, address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_links_open_and_a_second_run_names_the_same_files(browser, workbook):
    folder, address = workbook
    originals = {path: path.read_bytes() for path in folder.glob("notebooks/**/*.ipynb")}
    page = browser.new_page()
    page.set_default_timeout(WAIT * 1000)
    page.goto(f"{address}/lab/tree/notebooks/01_first.ipynb?token=test&reset")
    page.wait_for_selector("#jp-main-statusbar >> text=/ \\| Idle/")
    assert page.locator("text=Jupyter news").count() == 0, "nothing lies over the notebook"
    saved = []
    for _ in range(2):
        number = page.locator(".jp-CodeCell .jp-InputPrompt").inner_text()
        page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
        page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
        page.wait_for_function(
            "before => { const now = document.querySelector('.jp-CodeCell .jp-InputPrompt')"
            ".textContent; return /\\d/.test(now) && now != before; }",
            arg=number,
        )
        saved.append(sorted(path.name for path in (folder / "work/outputs/01_first").iterdir()))
    assert saved == [["a-fox-0.png"]] * 2
    page.keyboard.press("Control+s")
    for link, title in (("index", "README.md"), ("Solutions", "01_solutions.ipynb")):
        page.locator(".lm-TabBar-tabLabel", has_text="01_first.ipynb").first.click()
        page.locator(".jp-Notebook a", has_text=link).first.click()
        page.locator(".lm-DockPanel-tabBar .lm-TabBar-tabLabel", has_text=title).wait_for()
    page.locator("h1", has_text="Solved").wait_for()
    assert page.locator(".jp-Dialog").count() == 0, "no link is said to be broken"
    assert {path: path.read_bytes() for path in originals} == originals
    page.close()
