"""The runner: which notebook, which parameters, and no error that stays hidden."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from kandi_nb.drivers import notebooks
from kandi_nb.drivers.notebooks import NotebookFailed, run_notebook, run_notebooks
from kandi_nb.pictures.gallery import pictures, write_gallery
from kandi_nb.pictures.result import Result
from kandi_nb.words.errors import KandiError
from kandi_nb.words.params import Params

PARAMETERS = """\
MODEL = "mini-2.2"  # which model
SEED = 7  # noise
GUIDANCE = 4.0  # how strict
TITLE = "a # b"  # text with a hash
SIZES = [64, 128]  # pixels
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Make notebooks in a folder of their own and step into it: write(name, *cells)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "notebooks").mkdir()

    def _write(name, *cells, parameters=PARAMETERS):
        first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        body = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        notebook = new_notebook(cells=[new_markdown_cell("# Title"), first, *body])
        # A name that no machine has: the runner must not ask which kernels are installed.
        notebook.metadata.kernelspec = {
            "name": "nowhere",
            "display_name": "x",
            "language": "python",
        }
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return _write


def printed(run):
    notebook = nbformat.read(run.executed, as_version=4)
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", ()))


def test_runs_with_this_python_parameters_and_one_thread(write, tmp_path):
    write(
        "03_say",
        "import os, sys\nprint(sys.executable)\nprint(SEED, GUIDANCE, TITLE, SIZES, MODEL)\n"
        "print('threads', os.environ.get('OMP_NUM_THREADS'))",
    )
    run = run_notebook("03", {"SEED": 11, "GUIDANCE": 3})
    assert run.ok and run.cell is None and run.error is None
    assert run.executed == tmp_path / "outputs" / "03_say" / "03_say.ipynb"
    lines = printed(run).splitlines()
    assert lines[0] == sys.executable
    assert lines[1] == "11 3 a # b [64, 128] mini-2.2"
    assert lines[2] == "threads 1"
    assert str(run) == f"03_say  ok  {run.seconds:.1f} s  0 pictures"


def test_published_models_keep_all_threads(write):
    write("03_say", "import os\nprint('threads', os.environ.get('OMP_NUM_THREADS'))")
    run = run_notebook("03", {"MODEL": "kandinsky-2.2"})
    assert printed(run).strip() == "threads None"


def test_a_failing_cell_is_named_and_the_copy_kept(write):
    path = write("05_fails", "value = 1", "value / 0", "print('never')")
    with pytest.raises(
        NotebookFailed, match=r"05_fails failed in cell .*ZeroDivision"
    ) as caught:
        run_notebook(5, {"SEED": 8})  # papermill adds a cell for it, which nobody wrote
    run = caught.value.run
    assert nbformat.read(path, as_version=4).cells[run.cell - 1].source == "value / 0"
    assert run.status == "failed" and "never" not in printed(run)
    assert isinstance(caught.value, KandiError)


HIDDEN = {
    "interact": "from ipywidgets import interact\n@interact(x=(0, 3))\ndef f(x):\n    1 / 0",
    "output": "import ipywidgets as w\nout = w.Output()\nwith out:\n    1 / 0\nout",
    "output inside a box": (
        "import ipywidgets as w\nout = w.Output()\nwith out:\n    1 / 0\nw.VBox([out])"
    ),
    "capture": (
        "import ipywidgets as w\nout = w.Output()\n@out.capture()\n"
        "def f():\n    1 / 0\nf()\nout"
    ),
    "button": (
        "import ipywidgets as w\nout = w.Output()\nb = w.Button()\ndef f(_):\n    with out:\n"
        "        1 / 0\nb.on_click(f)\nb.click()\nout"
    ),
    "thread": (
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()"
    ),
}


def test_errors_hidden_by_widgets_and_threads_are_found(write):
    paths = [write(f"{i:02d}_x", source) for i, source in enumerate(HIDDEN.values())]
    fine = write(
        "20_fine", "import ipywidgets as w\nout = w.Output()\nwith out:\n    print(1)\nout"
    )
    runs = run_notebooks([*paths, fine], {"SEED": 8})
    for trap, run in zip(HIDDEN, runs, strict=False):
        assert not run.ok and "ZeroDivisionError" in run.reason, trap
        assert run.cell == 3, trap
    assert runs[-1].ok, "a widget that shows no error is no failure"


def test_time_out_and_dead_kernel_end_only_their_own_run(write):
    write("01_slow", "import time\ntime.sleep(60)")
    write("02_dies", "import os\nos._exit(3)")
    write("03_fine", "print('fine')")
    start = time.perf_counter()
    slow, dies, fine = run_notebooks(parameters={"SEED": 8}, timeout=3)
    assert time.perf_counter() - start < 45
    assert slow.status == "failed" and "longer than 3 s" in slow.reason and slow.cell == 3
    assert dies.status == "failed" and "kernel died" in dies.reason
    assert fine.ok
    assert all(run.executed.is_file() for run in (slow, dies, fine))
    assert [p.name for p in fine.executed.parent.iterdir()] == ["03_fine.ipynb"]


BAD = [
    ({"SEDE": 1}, "did you mean SEED"),
    ({"SEED": "7"}, "SEED of 01_x must be like 7, not '7'"),
    ({"SEED": True}, "must be like 7"),
    ({"SEED": 1.5}, "must be like 7"),
    ({"GUIDANCE": "high"}, "must be like 4.0"),
    ({"MODEL": 3}, "must be like 'mini-2.2'"),
    ({"SIZES": 64}, "must be like"),
]


@pytest.mark.parametrize(("parameters", "message"), BAD)
def test_bad_parameters_are_refused_before_anything_runs(write, tmp_path, parameters, message):
    write("01_x", "print(1)")
    with pytest.raises(KandiError, match=re.escape(message)):
        run_notebook("01", parameters)
    assert not list(tmp_path.glob("outputs/**/*.ipynb"))


def test_names_numbers_and_paths_find_the_notebook(write, tmp_path):
    path = write("07_masks", "print(1)")
    (tmp_path / "notebooks" / "solutions").mkdir()
    solution = write("solutions/07_masks", "print(2)")
    for which in ("07", "7", 7, "07_masks", "07_masks.ipynb", str(path), path):
        assert notebooks.find(which) == path
    assert notebooks.find("solutions/07") == solution
    assert notebooks.listed() == [path]
    for wrong in ("08", "07_mask", "", "nowhere/07_masks.ipynb", "*", None):
        with pytest.raises(KandiError, match="notebook"):
            notebooks.find(wrong)
    write("07_more", "print(1)")
    with pytest.raises(KandiError, match="several"):
        notebooks.find("07")


@pytest.mark.parametrize("timeout", [0, -1, "5", True, float("nan")])
def test_a_senseless_timeout_is_refused(write, timeout):
    write("01_x", "print(1)")
    with pytest.raises(KandiError, match="timeout"):
        run_notebook("01", timeout=timeout)


def test_an_unwritable_folder_is_refused_first(write, tmp_path):
    write("01_x", "print(1)")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(KandiError, match="taken"):
        run_notebook("01", out="taken")


def test_a_file_that_is_no_notebook_is_refused(write, tmp_path):
    (tmp_path / "notebooks" / "01_x.ipynb").write_text("not json")
    with pytest.raises(KandiError, match="01_x"):
        run_notebook("01")


def test_text_becomes_what_the_default_is(write):
    write("01_x", "print(1)")
    pairs = ["SEED=7", "MODEL=3", "GUIDANCE=2.5", "SIZES=[1, 2]", "TITLE=a=b"]
    assert notebooks.from_text("01", pairs) == {
        "SEED": 7,
        "MODEL": "3",
        "GUIDANCE": 2.5,
        "SIZES": [1, 2],
        "TITLE": "a=b",
    }
    with pytest.raises(KandiError, match="NAME=value"):
        notebooks.from_text("01", ["SEED"])


def test_progress_is_one_line_and_counts_up(write):
    write("01_x", "import time\ntime.sleep(1)")
    write("02_y", "import time\ntime.sleep(1)")
    heard = []
    run_notebooks(progress=heard.append)
    assert heard[-1] == "2/2 done"
    assert any("01_x" in line and "02_y" in line for line in heard), "two run at a time"
    assert all("\n" not in line for line in heard)


def test_no_kernel_outlives_its_notebook(write):
    import psutil

    write("01_x", "import os\nprint(os.getpid())")
    run = run_notebook("01")
    pid = int(printed(run))
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)


def picture(colour, size=(8, 8)):
    return Image.new("RGB", size, colour)


def test_pictures_saved_and_shown_are_counted_once(write, tmp_path):
    data = io.BytesIO()
    picture("red").save(data, "PNG")
    text = base64.b64encode(data.getvalue()).decode()
    saves = (
        "from pathlib import Path\nimport base64\n"
        f"red = base64.b64decode('{text}')\n"
        "Path(OUT).joinpath('red.png').write_bytes(red)\n"
        "print(OUT)"
    )
    shows = (
        "from IPython.display import HTML, Image, display\n"
        "import io\nfrom PIL import Image as I\n"
        f'display(HTML(\'<img alt="red" src="data:image/png;base64,{text}">\'))\n'
        "b = io.BytesIO(); I.new('RGB', (8, 8), 'blue').save(b, 'PNG')\n"
        "Image(data=b.getvalue())"
    )
    write("01_x", saves, shows, parameters=PARAMETERS + 'OUT = "../outputs/01_x"  # folder\n')
    (tmp_path / "outputs" / "01_x").mkdir(parents=True)
    picture("green").save(tmp_path / "outputs" / "01_x" / "of-an-older-run.png")
    run = run_notebook("01")
    assert [path.name for path in run.saved] == ["red.png"]
    assert printed(run).strip() == str(tmp_path / "outputs" / "01_x")
    assert run.pictures == 2, "red is saved and shown, blue only shown, green is of another run"


def test_gallery_is_one_file_with_prompts_that_cannot_break_out(tmp_path):
    prompt = "<script>alert('лиса')</script> & 狐狸"
    result = Result(
        [picture("red"), picture("blue")], [Params(prompt), Params(prompt, seed=1)], "x"
    )
    run = notebooks.NotebookRun("01_x", status="failed", error="<b>bad</b>", cell=4)
    run.saved = result.save(tmp_path / "in")
    path = write_gallery([run], tmp_path / "gallery.html")
    page = path.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(pictures(run)) == 2
    assert "<script" not in page and "<b>" not in page
    assert "&lt;script&gt;alert(&#x27;лиса&#x27;)&lt;/script&gt; &amp; 狐狸 · seed 1" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page), "nothing outside is needed"
    assert write_gallery([], path) == path, "the gallery of the next run replaces it"
    assert "data:image" not in path.read_text()


def test_the_environment_is_left_as_it_was(write):
    before = dict(os.environ)
    write("01_x", "print(1)")
    run_notebook("01")
    assert dict(os.environ) == before
