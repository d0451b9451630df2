"""Every notebook runs on every model that can do its tasks, and says what it leaves out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import kandi_nb as kn
from kandi_nb import cli
from kandi_nb.drivers.notebooks.run import notebook_paths, run_notebooks
from kandi_nb.model.adapters.scales import check_takes
from kandi_nb.model.loading.load import load
from kandi_nb.words.errors import KandiError, KandiWarning, Unsupported
from kandi_nb.words.models import SPECS

OWN = pytest.mark.filterwarnings("ignore:the notebooks are those")
FOLDER = Path(__file__).parents[2] / "notebooks"
EXPECTED = 19
# What a generation cannot do at all: the notebooks that are about it end there.
SKIPPED = {
    "2.2": set(),
    "2.1": {"08_depth_and_control"},
    "3": {
        *("02_prior_and_decoder", "07_mixing_and_interpolation", "08_depth_and_control"),
        "18_teach_it_something_new",
    },
}
LACKS = "raise Unsupported('mine/ has no part for depth; models that have one: kandinsky-2.2')"


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Write a notebook into a folder of its own, and step into it: notebook(name, cells…)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()

    def _write(name, *cells, parameters='MODEL = "mini-2.2"  # which\nSEED = 7  # noise'):
        first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        made = new_notebook(cells=[first, *map(new_code_cell, cells)])
        made.metadata.kernelspec = {"name": "x", "display_name": "x", "language": "python"}
        nbformat.write(made, tmp_path / "notebooks" / f"{name}.ipynb")

    return _write


def printed(run):
    cells = nbformat.read(run.executed, as_version=4).cells
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", ()))


@OWN
def test_a_parameter_goes_to_those_that_have_it_and_the_others_are_named(notebook, tmp_path):
    notebook("01_a", "print(MODEL, SEED)")
    notebook("02_b", "print(SEED)", parameters="SEED = 7  # noise")
    (tmp_path / "mine").mkdir()
    with pytest.warns(KandiWarning, match="no MODEL in 02_b: they run with what they have"):
        one, two = run_notebooks(None, {"MODEL": "mine", "SEED": 3})
    assert printed(one) == f"{tmp_path / 'mine'} 3\n", "as seen from where the user is"
    assert printed(two) == "3\n"


def test_a_parameter_that_no_notebook_has_is_an_error(notebook):
    notebook("01_a", "1")
    notebook("02_b", "1", parameters="SEED = 7  # noise")
    with pytest.raises(KandiError, match="no parameter 'MODLE'; did you mean MODEL"):
        run_notebooks(None, {"MODLE": "mine"})


@OWN
def test_a_notebook_ends_green_where_another_model_lacks_what_it_is_about(
    notebook, tmp_path, capsys
):
    lacking = f"from kandi_nb.words.errors import Unsupported\n{LACKS}"
    notebook("01_a", "print(MODEL)", lacking, "print('never')")
    notebook("02_b", "print(MODEL)")
    (tmp_path / "mine").mkdir()
    assert cli.main(["run", "all", "-p", "MODEL=mine", "--junit", "r.xml"]) == 0
    out = capsys.readouterr().out
    assert "skipped: mine/ has no part for depth " in out and "look into" not in out
    suite = ElementTree.parse(tmp_path / "r.xml").getroot().find("testsuite")
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    (skipped,) = suite.iter("skipped")
    assert skipped.get("message") == "cell 3: mine/ has no part for depth"
    page = (tmp_path / "outputs" / "gallery.html").read_text()
    assert "skipped: cell 3: mine/ has no part for depth" in page and "failed:" not in page
    cells = nbformat.read(tmp_path / "outputs" / "01_a" / "01_a.ipynb", as_version=4).cells
    assert len(cells) == 5, "no cell of an error, and one of parameters"
    # With its own model a notebook lacks nothing: that is a failure.
    assert cli.main(["run", "01"]) == 1
    assert "failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "what", "expected"),
    [
        ("mini-2.2", "judge", True),
        ("kandinsky-2.2", "judge", False),
        ("kandinsky-2.2", "curve", False),
        ("kandinsky-2.2", "sentences", False),
        ("kandinsky-2.2", "depth", True),
        ("kandinsky-2.1", "depth", False),
        ("kandinsky-3", "prior", False),
        ("kandinsky-3", "inpaint", True),  # by our loop: it needs no part of its own
        ("kandinsky-3", "outpaint", True),
        ("mini-3", "2.2", False),
    ],
)
def test_a_model_is_asked_what_it_has_and_what_is_left_out_is_said(key, what, expected, capsys):
    assert kn.has(SimpleNamespace(spec=SPECS[key]), what) is expected
    said = capsys.readouterr().out
    assert said == "" if expected else said.startswith(f"left out: {key} has "), said


def test_asking_for_what_no_model_has_names_the_nearest(tiny):
    with pytest.raises(KandiError, match="did you mean judge"):
        kn.has(tiny, "juge")
    with pytest.raises(KandiError, match="no model has 7"):
        kn.has(tiny, 7)
    with pytest.raises(KandiError, match="first argument is a loaded model"):
        kn.has("mini-2.2", "judge")


def test_what_a_model_lacks_is_told_from_other_mistakes(tiny_folder, tiny3_folder):
    two, three = load(tiny_folder, device="cpu"), load(tiny3_folder, device="cpu")
    calls = [
        lambda: two.pipeline("inpaint"),
        lambda: kn.inpaint(two, kn.Params("a"), image="x.png", mask="y.png"),
        lambda: kn.generate(two, kn.Params("a"), depth="x.png"),
        lambda: kn.nearest(two, "a cat"),
        lambda: kn.curve(two),
        lambda: kn.studio(two)["inpaint"],
        lambda: kn.embed(three, "a cat"),
        lambda: kn.mix(three, kn.Params(), ["a", "b"]),
        lambda: kn.clip(three, "a"),
        lambda: kn.generate(three, kn.Params(), embedding="x.safetensors"),
        lambda: check_takes(three.spec),
    ]
    for call in calls:
        with pytest.raises(Unsupported):
            call()
    with pytest.raises(KandiError) as other:
        kn.Params("a", steps=0)
    assert not isinstance(other.value, Unsupported)


def run_on(model, which, out):
    runs = run_notebooks(which, {"MODEL": str(model)}, out=out, timeout=600)
    return {run.notebook: run for run in runs}


def complaints(runs):
    return [str(run) for run in runs.values() if not run.ok]


def skipped(runs):
    return {name for name, run in runs.items() if run.skipped}


QUICK = ["05_masks_and_inpainting", "07_mixing_and_interpolation"]  # `-m slow` runs all


@OWN
def test_notebooks_run_on_a_folder(tiny_roles_folder, tmp_path):
    runs = run_on(tiny_roles_folder, QUICK, tmp_path)
    assert not complaints(runs) and not skipped(runs)
    assert "left out: model/ has no judge" in printed(runs[QUICK[0]])


@pytest.fixture
def small3_folder(tiny3_folder, tmp_path):
    """A tiny random Kandinsky 3 whose MoVQ says that it is for 64 pixels, not for 1024."""
    folder = tmp_path / "small3"
    shutil.copytree(tiny3_folder, folder)
    file = folder / "kandinsky-3" / "movq" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"sample_size": 64}))
    return folder


GENERATIONS = pytest.mark.parametrize(
    ("family", "folder"),
    [("2.2", "tiny_roles_folder"), ("2.1", "tiny21_roles_folder"), ("3", "small3_folder")],
)


@pytest.mark.slow
@GENERATIONS
def test_all_notebooks_run_on_a_folder_of_each_generation(family, folder, tmp_path, request):
    model = request.getfixturevalue(folder)
    names = [path.stem for path in notebook_paths()]
    with pytest.warns(KandiWarning, match="no MODEL in 10_three_generations"):
        runs = run_on(model, names, tmp_path)
    assert len(runs) == EXPECTED and not complaints(runs)
    assert skipped(runs) == SKIPPED[family]


@pytest.mark.slow
@GENERATIONS
def test_all_solutions_run_on_a_folder_of_each_generation(family, folder, tmp_path, request):
    model = request.getfixturevalue(folder)
    names = [f"solutions/{path.stem[:2]}_solutions" for path in notebook_paths()]
    with pytest.warns(KandiWarning, match="no MODEL in 10_solutions"):
        runs = run_on(model, names, tmp_path)
    assert len(runs) == EXPECTED and not complaints(runs)
    assert skipped(runs) == {f"solutions/{name[:2]}_solutions" for name in SKIPPED[family]}
