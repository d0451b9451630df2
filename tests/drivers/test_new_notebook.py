"""A new notebook follows the anatomy and runs as it stands; nobody's own is overwritten."""

from __future__ import annotations

import nbformat
import pytest
import test_notebook_rules as rules

from kandi_nb import cli
from kandi_nb.drivers.notebooks.new import new_notebook
from kandi_nb.drivers.notebooks.run import run_notebooks
from kandi_nb.words.errors import KandiError

pytestmark = pytest.mark.filterwarnings("ignore:the notebooks are those")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder like a clone, with a README and a notebooks folder, to work in."""
    (tmp_path / "README.md").write_text("# Index")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rules, "FOLDER", tmp_path / "notebooks")
    return tmp_path


def test_it_keeps_every_rule_of_the_workbook(clone):
    teaching, solutions = new_notebook("05_my_masks")
    for path, held in (
        (teaching, rules.EVERYWHERE + rules.TEACHING),
        (solutions, rules.EVERYWHERE),
    ):
        notebook = nbformat.read(path, as_version=4)
        broken = {rule.__name__: list(rule(notebook, path)) for rule in held}
        assert not any(broken.values()), broken
        assert "New notebook" not in path.read_text() and "00_new" not in path.read_text()
    assert nbformat.read(teaching, as_version=4).cells[0].source.startswith("# 05 · My masks\n")


def test_it_runs_as_it_stands_and_outside_a_clone(clone, capsys):
    assert cli.main(["new", "07_frogs", "--folder", "mine"]) == 0
    paths = capsys.readouterr().out.split()
    assert paths == ["mine/07_frogs.ipynb", "mine/solutions/07_solutions.ipynb"]
    runs = run_notebooks(paths, {"SEED": 11})
    assert all(run.ok and run.saved for run in runs), [run.reason for run in runs]


@pytest.mark.parametrize("name", ["masks", "5_x", "05", "05_", "05_Ä", "../05_x", "05_x/y", 5])
def test_names_that_no_notebook_has_are_refused(clone, name):
    with pytest.raises(KandiError, match="05_my_masks"):
        new_notebook(name)


def test_nothing_is_overwritten(clone, capsys):
    for path in new_notebook("05_x"):
        path.write_text("mine")
        with pytest.raises(KandiError, match="exists"):
            new_notebook("05_x")
    assert cli.main(["new", "05_x"]) == 2
    assert "exists" in capsys.readouterr().err
    (clone / "notebooks" / "05_x.ipynb").unlink()
    assert cli.main(["new", "05_x"]) == 2
    assert not (clone / "notebooks" / "05_x.ipynb").exists(), "both or none"
