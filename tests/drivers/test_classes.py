"""A kit without a network, and notebooks that were handed in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
import zipfile

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from kandi_nb import cli
from kandi_nb.drivers.notebooks import kit as kits
from kandi_nb.drivers.notebooks.hand_in import hand_in
from kandi_nb.words.errors import KandiError

METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notebook(answer, check="assert answer == 42, 'the answer'"):
    cells = [
        new_code_cell("SEED = 1  # a number", metadata={"tags": ["parameters"]}),
        new_code_cell(answer, metadata={"tags": ["exercise"]}),
        new_code_cell(check, metadata={"tags": ["check"]}),
    ]
    return new_notebook(cells=cells, metadata=METADATA)


@pytest.fixture
def handed_in(tmp_path, monkeypatch):
    own = tmp_path / "notebooks"
    own.mkdir()
    nbformat.write(notebook("answer = SEED"), own / "03_answers.ipynb")
    for learner, answer, check in (
        ("anna", "answer = 42", "pass"),
        ("boris", "answer = SEED", "print('all is well')"),  # who took the check out
    ):
        (tmp_path / "given" / learner).mkdir(parents=True)
        path = tmp_path / "given" / learner / "03_answers.ipynb"
        nbformat.write(notebook(answer, check), path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "given"


def test_each_notebook_is_run_with_our_checks_and_becomes_a_row(handed_in, tmp_path, capsys):
    table = hand_in(handed_in, out=tmp_path / "out")
    anna, boris = table
    assert (anna["learner"], anna["passed"], anna["exercises"]) == ("anna", True, "1 of 1")
    assert not boris["passed"] and boris["exercises"] == "0 of 1"
    assert "the answer" in boris["why"], "our check, though theirs was taken out"
    assert table.note == "1 of 2 passed"
    assert "print" in (handed_in / "boris" / "03_answers.ipynb").read_text("utf-8"), "untouched"


def test_the_command_writes_the_table_and_fails_where_one_does(handed_in, tmp_path, capsys):
    (handed_in / "boris" / "03_answers.ipynb").write_text("no JSON", "utf-8")
    file = tmp_path / "marks.csv"
    words = ["hand-in", str(handed_in), "--out", str(tmp_path / "out"), "--csv", str(file)]
    assert cli.main(words) == 1
    assert "no notebook" in file.read_text("utf-8") and "anna,03,True" in file.read_text(
        "utf-8"
    )


def test_one_hostile_notebook_is_a_row_and_the_others_are_run(handed_in, tmp_path):
    shutil.rmtree(handed_in / "boris")
    cells = ([5], [{"cell_type": "code"}], {}, [{"metadata": {"tags": 5}, "source": 1}])
    for number, held in enumerate(cells):
        text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": held})
        (handed_in / f"x{number}").mkdir()
        (handed_in / f"x{number}" / "03_answers.ipynb").write_text(text, "utf-8")
    (handed_in / "99_more.ipynb").write_text("{}", "utf-8")
    (handed_in / "03_folder.ipynb").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(handed_in / "03_pipe.ipynb")
    table = hand_in(handed_in, out=handed_in / "out")
    assert [row["learner"] for row in table if row["passed"]] == ["anna"]
    others = [row["why"] for row in table if not row["passed"]]
    assert len(others) >= 6 and all(why and "\n" not in why for why in others)
    assert len(hand_in(handed_in, out=handed_in / "out")) == len(table), "no copies of ours"


def test_a_table_of_marks_holds_no_formula(handed_in, tmp_path):
    (handed_in / "boris").rename(handed_in / "=HYPERLINK(1)")
    (handed_in / "=HYPERLINK(1)" / "03_answers.ipynb").write_text("no JSON", "utf-8")
    shutil.rmtree(handed_in / "anna")
    file = tmp_path / "marks.csv"
    words = ["hand-in", str(handed_in), "--out", str(tmp_path / "out"), "--csv", str(file)]
    assert cli.main(words) == 1
    assert "\n'=HYPERLINK(1),03" in file.read_text("utf-8").replace("\r", "")


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(KandiError, match="names begin with a number"):
        hand_in(tmp_path)
    with pytest.raises(KandiError, match="is no folder"):
        hand_in(tmp_path / "nowhere")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A kit whose wheels are empty files: pip is asked, and not run."""
    asked = []

    def pip(*words):
        asked.append(words)
        if words[0] == "wheel":
            (tmp_path / "kit" / "wheels" / "kandi_nb-1-py3-none-any.whl").touch()

    monkeypatch.setattr(kits, "_pip", pip)
    return kits.kit(tmp_path / "kit", ["win_amd64"], "3.12"), asked


def test_a_kit_holds_wheels_notebooks_and_an_installer_of_the_library_alone(made):
    folder, asked = made
    assert [words[0] for words in asked] == ["wheel", "download", "download"]
    assert "win_amd64" in asked[2] and "3.12" in asked[2] and "win_amd64" not in asked[1]
    with zipfile.ZipFile(folder / "notebooks.zip") as archive:
        names = archive.namelist()
    assert "notebooks/00_check_your_setup.ipynb" in names
    assert "notebooks/solutions/18_solutions.ipynb" in names and "docs/calls.md" in names
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "install.py"), "--help"], capture_output=True
    )
    assert done.returncode == 0, "without any package"


def test_a_kit_is_served_and_nothing_beside_it(made, tmp_path):
    folder, _ = made
    (tmp_path / "secret").write_text("x", "utf-8")
    with kits.kit_server(folder, 0, "127.0.0.1") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{address}/install.py") as answer:
            assert b"--from" in answer.read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/../secret")
        server.shutdown()
        thread.join()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(KandiError, match="holds something else"):
        kits.kit(tmp_path)
    with pytest.raises(KandiError, match="is no kit"):
        kits.kit_server(tmp_path)
