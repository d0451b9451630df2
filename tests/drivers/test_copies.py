"""Copies to work in: the originals stay as they are, and nothing of the user's is lost."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kandi_nb import cli
from kandi_nb.drivers.commands.notebooks import lab
from kandi_nb.drivers.notebooks.copies import working_copies
from kandi_nb.drivers.notebooks.reading.messages import mark as mark_of
from kandi_nb.drivers.widgets.translation import VARIABLE

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s#]+)")
INDEX = "[index](../README.md#notebooks) · [solutions](solutions/01_solutions.ipynb)"


def save(path, *sources, outputs=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_markdown_cell(INDEX), *(new_code_cell(source) for source in sources)]
    cells[1].outputs = list(outputs)
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A small clone: a README with a page behind a page, a notebook and its solutions."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# It\n![x](docs/a.png) [more](docs/more.md#there)")
    (tmp_path / "docs" / "more.md").write_text("[licence](../LICENSE) [away](../../x.md)")
    for page in ("docs/a.png", "LICENSE", "not-linked.txt"):
        (tmp_path / page).write_text(page)
    save(tmp_path / "notebooks" / "01_first.ipynb", "1")
    save(tmp_path / "notebooks" / "solutions" / "01_solutions.ipynb", "2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def update(clone):
    return lambda **how: working_copies(clone / "notebooks", clone / "work", **how)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def code(path):
    return [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_the_copies_stand_among_everything_that_they_link_to(clone, update):
    assert update() == []
    assert names(clone / "work") == [
        ".copies.json", "LICENSE", "README.md", "docs/a.png", "docs/more.md",
        "notebooks/01_first.ipynb", "notebooks/solutions/01_solutions.ipynb",
    ]  # fmt: skip


def test_every_link_of_the_workbook_is_alive_in_a_copy(tmp_path):
    working_copies(ROOT / "notebooks", tmp_path)
    copies = sorted(tmp_path.glob("notebooks/**/*.ipynb"))
    assert len(copies) == len(list((ROOT / "notebooks").rglob("[0-9]*.ipynb"))) >= 8
    pages = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.md")}
    for path in copies:
        cells = nbformat.read(path, as_version=4).cells
        pages[path] = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)\s#]+)", pages[page])
    ]
    local = [(page, link) for page, link in links if "://" not in link]
    assert len(local) > 20
    dead = [f"{page.name}: {link}" for page, link in local if not (page.parent / link).exists()]
    assert dead == []


def test_a_copy_that_was_only_run_follows_its_original(clone, update):
    update()
    copy = clone / "work" / "notebooks" / "01_first.ipynb"
    save(copy, "1", "", outputs=[new_output("stream", text="1")])
    assert update() == [] and "stream" in copy.read_text(), "nothing new: its outputs stay"
    save(clone / "notebooks" / "01_first.ipynb", "1", "3")
    (line,) = update()
    assert "01_first.ipynb is renewed" in line and code(copy) == ["1", "3"]
    assert update() == []


def test_a_copy_that_the_user_changed_is_kept_and_said(clone, update):
    update()
    copy = save(clone / "work" / "notebooks" / "01_first.ipynb", "mine")
    assert update() == [], "as long as there is nothing newer, there is nothing to say"
    save(clone / "notebooks" / "01_first.ipynb", "newer")
    for _ in range(2):
        (line,) = update()
        assert "01_first.ipynb is kept with your changes" in line and "--fresh" in line
        assert code(copy) == ["mine"]


def test_files_of_the_user_and_notebooks_that_cannot_be_read_stay(clone, update):
    own = save(clone / "work" / "notebooks" / "01_first.ipynb", "before the first call")
    assert "stays" in update()[0] and code(own) == ["before the first call"]
    broken = clone / "work" / "notebooks" / "solutions" / "01_solutions.ipynb"
    broken.write_text("{half")
    save(clone / "notebooks" / "solutions" / "01_solutions.ipynb", "newer")
    update()
    assert broken.read_text() == "{half"


def test_a_lost_record_loses_nothing(clone, update):
    update()
    copy = save(clone / "work" / "notebooks" / "01_first.ipynb", "mine")
    for record in ("{half", "[1]", '{"a": 3}'):
        (clone / "work" / ".copies.json").write_text(record)
        update()
        assert code(copy) == ["mine"]
    assert json.loads((clone / "work" / ".copies.json").read_text())


def test_a_notebook_that_is_gone_goes_unless_it_was_changed(clone, update):
    update()
    save(clone / "work" / "notebooks" / "01_first.ipynb", "mine")
    (clone / "notebooks" / "01_first.ipynb").unlink()
    (clone / "notebooks" / "solutions" / "01_solutions.ipynb").unlink()
    update()
    assert names(clone / "work" / "notebooks") == ["01_first.ipynb"]


def test_fresh_copies_keep_the_old_ones_aside(clone, update):
    update()
    assert update(fresh=True) == [], "nothing of the user's: nothing to keep"
    for number, text in ((2, "mine"), (3, "mine again")):
        save(clone / "work" / "notebooks" / "01_first.ipynb", text)
        (line,) = update(fresh=True)
        aside = clone / "work" / f"notebooks-{number}"
        assert line == f"your copies are kept in {aside}"
        assert code(aside / "01_first.ipynb") == [text]
        assert code(clone / "work" / "notebooks" / "01_first.ipynb") == ["1"]
    save(clone / "work" / "notebooks" / "09_own.ipynb", "my own")
    assert update(fresh=True) and (clone / "work" / "notebooks-4" / "09_own.ipynb").is_file()


def test_git_sees_nothing_of_a_session():
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("not in a clone")
    session = ["work/notebooks/01_first_image.ipynb", "work/outputs/01_first_image/fox.png"]
    ignored = subprocess.run(
        ["git", "check-ignore", *session], cwd=ROOT, capture_output=True, text=True
    )
    assert ignored.stdout.split() == session


@pytest.fixture
def server(clone, monkeypatch):
    """What JupyterLab would have been started with: its command and its environment."""
    started = {}

    class Server:
        def __init__(self, command, env):
            started.update(command=command, env=env)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def wait(self):
            return 0

    monkeypatch.setattr(lab.subprocess, "Popen", Server)
    monkeypatch.delenv(VARIABLE, raising=False)
    return started


@pytest.mark.parametrize(
    ("words", "root", "text"),
    [([], "work", ["1"]), (["--fresh"], "work", ["1"]), (["--originals"], ".", None)],
)
def test_lab_opens_the_copies_or_the_originals(clone, server, capsys, words, root, text):
    assert cli.main(["lab", *words]) == 0
    commanded = server["command"]
    assert f"--ServerApp.root_dir={(clone / root).resolve()}" in commanded
    assert "--LabApp.default_url=/lab/tree/notebooks" in commanded
    (settings,) = [word.partition("=")[2] for word in commanded if "settings_dir" in word]
    overrides = json.loads((Path(settings) / "overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert (clone / "work").exists() == (text is not None)
    assert ("work/outputs" in capsys.readouterr().err) == (text is not None)
    assert cli.main(["lab", "--fresh", "--originals"]) == 2


@pytest.fixture
def messages(clone):
    """The clone's first notebook in German, and in a language that no panel speaks."""
    for language in ("de", "tlh"):
        file = clone / "notebooks" / "messages" / language / "01.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({mark_of(INDEX): f"{language} {INDEX}"}))


@pytest.mark.parametrize(
    ("words", "variable", "copies", "panels"),
    [
        ([], None, "en", "en"),
        (["--language", "de"], None, "de", "de"),
        ([], "de", "de", "de"),
        (["--language", "en"], "de", "en", "en"),
        (["--language", "tlh"], None, "tlh", "en"),  # kernels would refuse what no panel speaks
    ],
)
def test_kernels_of_lab_hear_the_language_of_the_copies(
    clone, server, messages, monkeypatch, words, variable, copies, panels
):
    if variable:
        monkeypatch.setenv(VARIABLE, variable)
    assert cli.main(["lab", *words]) == 0
    assert server["env"][VARIABLE] == panels
    work = clone / "work" / ("" if copies == "en" else copies)
    assert f"--ServerApp.root_dir={work.resolve()}" in server["command"]
    prose = nbformat.read(work / "notebooks" / "01_first.ipynb", as_version=4).cells[0].source
    assert prose.startswith(copies if copies != "en" else INDEX)


def test_lab_names_the_languages_that_there_are(server, messages, capsys):
    assert cli.main(["lab", "--language", "elvish"]) == 2
    assert "language is one of en, de, tlh, not 'elvish'" in capsys.readouterr().err
    assert not server, "and starts nothing"
