"""Notebook files as people leave them: damaged, oddly named, with defaults of every kind."""

from __future__ import annotations

import json
import os
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from kandi_nb.drivers.notebooks.reading.files import read_notebook
from kandi_nb.drivers.notebooks.reading.parameters import with_parameters
from kandi_nb.drivers.notebooks.run import (
    defaults,
    find,
    from_text,
    run_notebook,
    run_notebooks,
)
from kandi_nb.drivers.notebooks.runs.headless import execute
from kandi_nb.words.errors import KandiError

pytestmark = pytest.mark.filterwarnings("ignore:the notebooks are those")


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Write a notebook without a kernelspec into notebooks/: save(name, parameters, *cells)."""
    monkeypatch.chdir(tmp_path)

    def _save(name, parameters=None, *cells, folder="notebooks"):
        tags = {"tags": ["parameters"]}
        first = [] if parameters is None else [new_code_cell(parameters, metadata=tags)]
        notebook = new_notebook(cells=[*first, *map(new_code_cell, cells)])
        path = tmp_path / folder / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True, parents=True)
        nbformat.write(notebook, path)
        return path

    return _save


def printed(run):
    notebook = nbformat.read(run.executed, as_version=4)
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", ()))


# --- damaged files ---

DAMAGED = [
    "",
    "{}",
    "[]",
    "null",
    "7",
    '"text"',
    '{"cells": 1, "nbformat": 4}',
    "\0",
    "{" * 9999,
]
DAMAGED += ['{"cells": [1], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}']
DAMAGED += ['{"cells": [{"cell_type": "code"}], "metadata": {}, "nbformat": 4}']
DAMAGED += ['{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}']
DAMAGED += ['{"cells": [], "metadata": [], "nbformat": 99, "nbformat_minor": 5}']


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:20])
def test_a_damaged_file_is_refused_in_one_line_that_names_it(save, tmp_path, content):
    path = save("01_x", None, "1")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(KandiError, match=r"01_x\.ipynb") as refusal:
        run_notebook("01")
    assert "\n" not in str(refusal.value) and not (tmp_path / "outputs").exists()


def test_bytes_that_are_no_text_and_a_folder_are_refused(save):
    save("01_x", None, "1").write_bytes(b"\xff\xfe{")
    save("02_y", None, "1").unlink()
    (save("03_z").parent / "02_y.ipynb").mkdir()
    for which in ("01", "02"):
        with pytest.raises(KandiError, match=r"no notebook that can be read"):
            run_notebook(which)


def test_a_notebook_of_another_language_is_refused(save):
    path = save("01_x", None, "cat('hello')")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    nbformat.write(notebook, path)
    with pytest.raises(KandiError, match="written in R"):
        run_notebook("01")


# --- names ---


@pytest.mark.parametrize(
    "name", ["~nosuch/01.ipynb", "\0.ipynb", "a" * 300, "a" * 300 + ".ipynb", b"03", True]
)
def test_names_that_are_no_paths_are_unknown_notebooks(save, name):
    save("01_x", None, "1")
    with pytest.raises(KandiError, match=r"notebook") as refusal:
        find(name)
    assert len(str(refusal.value)) < 400 and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["..", ".", "gallery.html", "Gallery.HTML"])
def test_names_whose_outputs_would_land_elsewhere_are_refused(save, tmp_path, name):
    path = save(name, None, "1", folder="mine")
    with pytest.raises(KandiError, match="rename it"):
        run_notebook(path)
    assert sorted(os.listdir(tmp_path)) == ["mine"]


@pytest.mark.parametrize("out", [None, "\0", "~nosuch/x", 5, b"outputs", "a" * 300])
def test_an_out_that_is_no_folder_is_refused(save, tmp_path, out):
    save("01_x", None, "1")
    with pytest.raises(KandiError) as refusal:
        run_notebook("01", out=out)
    assert "\n" not in str(refusal.value)
    assert sorted(os.listdir(tmp_path)) == ["notebooks"]


def test_two_notebooks_never_share_a_folder(save, tmp_path):
    one, two = save("x", None, "1", folder="a"), save("X", None, "1", folder="b")
    three = save("solutions", None, "1", folder="a")
    four = save("03_y", None, "1", folder="solutions")
    for pair in ([one, two], [three, four], [four, three]):
        with pytest.raises(KandiError, match="the same folder"):
            run_notebooks(pair)
    (tmp_path / "link.ipynb").symlink_to(one)
    for pair in (
        [one, one],
        [one, tmp_path / "a" / ".." / "a" / "x.ipynb"],
        [one, "link.ipynb"],
    ):
        with pytest.raises(KandiError, match="named twice"):
            run_notebooks(pair)
    save("05_p", 'OUT = "x"', "1")
    save("06_q", 'OUT = "x"', "1")
    with pytest.raises(KandiError, match="one notebook only"):
        run_notebooks(["05", "06"], {"OUT": "y"})
    assert not (tmp_path / "outputs").exists()


# --- parameters ---

DEFAULTS = {
    'T = "a=b"': {"T": "a=b"},
    "X = 1; Y = 2": {"X": 1, "Y": 2},
    "X = 1  # as in y = 2": {"X": 1},
    "# X = 1\nX = 2": {"X": 2},
    "X: int = 3": {"X": 3},
    "X: int | None = 3": {"X": 3},
    "X = Y = 4": {"X": 4, "Y": 4},
    "X, Y = 1, 2": {"X": 1, "Y": 2},
    "X = [\n    1,  # one = 1\n    2,\n]": {"X": [1, 2]},
    "X = -1.5": {"X": -1.5},
    "X = (1, 2)": {"X": (1, 2)},
    'X = """\nA = 1\n"""': {"X": "\nA = 1\n"},
    "%matplotlib inline\nX = 1": {"X": 1},
    "X == 1": {},
    "": {},
}


@pytest.mark.parametrize("source", DEFAULTS)
def test_defaults_are_what_python_makes_of_the_cell(save, source):
    assert defaults(save("01_x", source, "1")) == DEFAULTS[source]


@pytest.mark.parametrize("source", ["X = 2 * 3", "X = [", f"X = {'-' * 100_000}1", "X = open"])
def test_defaults_that_are_no_values_are_refused(save, source):
    path = save("01_x", source, "1")
    with pytest.raises(KandiError, match="01_x") as refusal:
        defaults(path)
    assert "\n" not in str(refusal.value)


def test_a_second_parameters_cell_is_refused_because_it_would_win(save):
    path = save("01_x", "X = 1", "X = 2")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata.tags = ["parameters"]
    nbformat.write(notebook, path)
    with pytest.raises(KandiError, match="keep one"):
        defaults(path)


def test_parameters_must_come_by_name(save):
    save("01_x", "SEED = 7", "1")
    for wrong in (["SEED=1"], "SEED=1", 7):
        with pytest.raises(KandiError, match="by name"):
            run_notebook("01", wrong)


WRONG = {
    "SEED=" + "-" * 100_000: "must be like 7",
    "SEED=" + "9" * 5000: "must be like 7",
    "SEED=" + "(" * 100_000: "must be like 7",
    "TITLE=caf\udce9": "UTF-8",
}


@pytest.mark.parametrize("pair", WRONG, ids=lambda pair: repr(pair[:12]))
def test_odd_words_for_parameters_are_one_line(save, pair):
    save("01_x", 'SEED = 7\nTITLE = "x"\nSIZES = [1]', "1")
    with pytest.raises(KandiError, match=WRONG[pair]) as refusal:
        run_notebook("01", from_text("01", [pair]))
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


VALUES = {
    "TEXT": "a = 'b'\n\\ \"c\" {d}",
    "LIST": (1, 2.5),  # given as a tuple
    "PAIR": [3, (4,)],  # given as a list
    "NUMBER": float("inf"),
    "TABLE": {1: "a", "b": [True, None]},
    "ANY": ({"x"}, set(), b"y"),
}


def test_values_arrive_as_they_were_given(save):
    source = 'TEXT = ""\nLIST = []\nPAIR = ()\nNUMBER = 1.0\nTABLE = {}\nANY = None'
    path = save("01_x", source, f"print(repr([{', '.join(VALUES)}]))", folder="with {braces}")
    run = run_notebook(path, VALUES)
    wanted = {**VALUES, "LIST": [1, 2.5], "PAIR": (3, (4,))}
    assert printed(run).strip() == repr(list(wanted.values()))


def test_values_that_no_notebook_can_hold_are_refused(save):
    save("01_x", "ANY = None", "1")
    with pytest.raises(KandiError, match="no text; write it in UTF-8"):
        run_notebook("01", {"ANY": ["caf\udce9"]})
    for value in (object(), [print], {"x": re.compile("y")}, 10**5000):
        with pytest.raises(KandiError, match="ANY of 01_x must be numbers, text or lists"):
            run_notebook("01", {"ANY": value})


def test_an_executed_copy_can_be_run_again_with_other_values(save):
    path = save("01_x", "SEED = 7", "print(SEED)")
    notebook = with_parameters(read_notebook(path), {"SEED": 8})
    notebook = with_parameters(notebook, {"SEED": 9})
    sources = [cell.source for cell in notebook.cells]
    assert sources == ["SEED = 7", "# Parameters\nSEED = 9", "print(SEED)"]


def test_papermill_misreads_defaults_with_an_equals_sign(save):
    """https://github.com/nteract/papermill/issues/864"""
    import papermill

    path = save("01_x", 'T = "a=b"\nX = 1; Y = 2', "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.kernelspec = {"name": "x", "display_name": "x", "language": "python"}
    nbformat.write(notebook, path)
    assert papermill.inspect_notebook(str(path)) == {}, (
        "upstream fixed: defaults with = are read; the reading of our own in "
        "notebook_parameters.defaults, and this canary, may go"
    )


# --- how runs end ---

ENDS = {
    "leaves": ("raise SystemExit(0)", "print('later')"),
    "leaves last": ("print(1)", "raise SystemExit(0)"),
    "ends itself": ("import os\nos._exit(3)", "1"),
    "is killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "1"),
    "crashes": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "1"),
    "logs": (
        "import logging, traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n"
        "    logging.exception('caught')\n    traceback.print_exc()",
    ),
    "says the word": (
        "import sys\nprint('Traceback (most recent call last):\\nnone', file=sys.stderr)",
    ),
    "in a thread": (
        "import sys, threading\nprint('50 %', end='', file=sys.stderr)\n"
        "t = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
    ),
    "at the end of an object": (
        "class Gone:\n    def __del__(self):\n        1 / 0\nx = Gone()\ndel x",
    ),
    "in a task": (
        "import asyncio, gc\nasync def f():\n    1 / 0\n"
        "t = asyncio.ensure_future(f())\nawait asyncio.sleep(0.2)\ndel t; _ = gc.collect()",
    ),
    "prints no text": ("print('caf\\udce9')",),
}


def test_only_runs_that_went_well_to_their_end_are_ok(save, capfd):
    paths = [save(f"{i:02d}_x", "SEED = 7", *cells) for i, cells in enumerate(ENDS.values())]
    runs = dict(zip(ENDS, run_notebooks(paths, {"SEED": 8}), strict=True))
    well = {"leaves last", "logs", "says the word", "prints no text"}
    assert {name for name, run in runs.items() if run.ok} == well
    assert (
        runs["leaves"].reason == "cell 2: it left the notebook (SystemExit); 1 cell did not run"
    )
    assert "ended itself with exit code 3" in runs["ends itself"].reason
    assert "memory" not in runs["ends itself"].reason + runs["crashes"].reason
    assert "want of memory" in runs["is killed"].reason
    assert "SIGSEGV" in runs["crashes"].reason
    for name in ("in a thread", "at the end of an object", "in a task"):
        assert runs[name].cell == 2 and "ZeroDivisionError" in runs[name].reason, name
    assert all(run.executed.is_file() for run in runs.values())
    assert nbformat.read(runs["prints no text"].executed, as_version=4)
    assert "KeyboardInterrupt" not in capfd.readouterr().err, "green runs leave a quiet log"


@pytest.mark.parametrize("timeout", [2.5, float("inf"), 10**400])
def test_timeouts_of_any_length_are_taken(save, timeout):
    save("01_x", None, "1")
    assert run_notebook("01", timeout=timeout).ok


def test_a_timeout_of_half_a_second_ends_the_cell(save):
    save("01_x", None, "import time\ntime.sleep(30)")
    (run,) = run_notebooks(["01"], timeout=0.5)
    assert run.reason == "cell 1: it ran longer than 0.5 s; make it smaller or raise timeout"


def test_execute_never_raises(save, tmp_path, monkeypatch):
    path = save("01_x", "SEED = 7", "1")
    target = tmp_path / "out.ipynb"
    run = execute(path, target, {"T": "caf\udce9"}, name="x", timeout=60)
    assert not run.ok and run.error
    target.write_text("of an older run")

    def full(*words, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kandi_nb.words.files._temporary", full)
    run = execute(path, target, {}, name="x", timeout=60)
    assert not run.ok and "No space left" in run.reason and run.executed is None
    run = execute(tmp_path / "nowhere.ipynb", target, {}, name="x", timeout=60)
    assert not run.ok and "nowhere" in run.reason
    assert target.read_text() == "of an older run"
    assert sorted(os.listdir(tmp_path)) == ["notebooks", "out.ipynb"]


def test_prose_alone_runs(save):
    path = save("01_x", None, "1")
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Words")]), path)
    assert run_notebook("01").ok
    assert "kernelspec" not in json.loads(path.read_text())["metadata"]
