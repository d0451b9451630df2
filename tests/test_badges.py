"""Badges of Colab and Binder lead to notebooks that are there, and Colab installs first."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def badges():
    found = importlib.util.spec_from_file_location("badges", ROOT / "docs" / "badges.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_each_badge_leads_to_a_notebook_that_installs_first(badges, tmp_path, capsys):
    badges.main(["ada/kandi", "--colab", str(tmp_path / "colab")])
    lines = capsys.readouterr().out.splitlines()
    assert [re.search(r"Open (\d\d) in Colab", line)[1] for line in lines] == [
        f"{n:02d}" for n in range(6)
    ]
    for line in lines:
        colab, binder = re.findall(r"\)\]\((https:[^)]+)\)", line)
        copy = tmp_path / "colab" / Path(urlsplit(colab).path).name
        notebook = nbformat.read(copy, as_version=4)
        nbformat.validate(notebook)
        assert notebook.cells[0].source.startswith("%pip install") and "ada/kandi" in colab
        assert (
            notebook.cells[1:]
            == nbformat.read(ROOT / "notebooks" / copy.name, as_version=4).cells
        )
        assert (ROOT / binder.partition("labpath=")[2]).is_file() and "ada/kandi" in binder


def test_the_page_shows_the_line_that_is_installed(badges, capsys):
    page = (ROOT / "docs" / "elsewhere.md").read_text("utf-8")
    assert badges.INSTALL.format(repository="OWNER/REPO") in page
    with pytest.raises(SystemExit):
        badges.main(["https://github.com/ada/kandi"])
    assert "such as ada/kandi_nb" in capsys.readouterr().err


def test_binder_installs_the_clone_with_the_tested_versions():
    lines = (ROOT / "binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert "-c ../constraints.txt" in lines and ".[notebook]" in lines
    assert (ROOT / "constraints.txt").is_file()
