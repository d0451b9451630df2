"""The runner: which notebook, which parameters, and no error that stays hidden."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from kandi_nb.drivers.notebooks.run import (
    NotebookFailed,
    NotebookRun,
    find,
    from_text,
    notebook_paths,
    run_notebook,
    run_notebooks,
)
from kandi_nb.drivers.notebooks.runs import kernels
from kandi_nb.drivers.notebooks.runs.gallery import pictures, write_gallery
from kandi_nb.pictures.result import Result
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.files import temporary_name
from kandi_nb.words.params import Params

pytestmark = pytest.mark.filterwarnings("ignore:the notebooks are those")

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


def test_expected_errors_magic_and_time_out_are_told_apart(write, capfd):
    expected = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    paths = [
        write("01_magic", "value = 1", "%nosuchmagic", "print('never')"),
        write("02_magic", "%%nosuchmagic\nx"),
        write("03_expected", expected, "print('after', SEED)"),
        write("04_other", expected, "{}['key']", "print('never')"),
        write("05_slow", "import time\ntime.sleep(60)"),
        write("06_none", new_code_cell("2", metadata={"tags": ["raises-exception"]})),
        write("07_hidden", expected, HIDDEN["thread"]),
    ]
    line, cell, fine, other, slow, none, hidden = run_notebooks(paths, {"SEED": 8}, timeout=9)
    assert line.cell == 4 and "`%nosuchmagic` not found" in line.error
    assert cell.cell == 3 and "`%%nosuchmagic` not found" in cell.error
    assert fine.ok and fine.line is None and printed(fine) == "after 8\n"
    kept = nbformat.read(fine.executed, as_version=4)
    assert not [c for c in kept.cells if "An Exception was encountered" in c.source]
    assert other.reason == "cell 4: KeyError: 'key'" and other.line == "line 1: {}['key']"
    assert "longer than 9 s" in slow.reason and slow.line == "line 2: time.sleep(60)"
    assert none.ok, "the tag allows an error, it asks for none"
    assert not hidden.ok and "ZeroDivisionError" in hidden.reason
    assert "Traceback" not in capfd.readouterr().err


def test_numpy_s_numbers_and_paths_are_parameters(write, tmp_path):
    write(
        "01_x",
        "print(repr((SEED, GUIDANCE, TITLE, SIZES, ON)))",
        parameters=PARAMETERS + "ON = False\n",
    )
    given = {
        "SEED": np.int64(9), "GUIDANCE": np.float32(2.5), "TITLE": tmp_path / "a",
        "SIZES": np.array([64, 192]), "ON": np.bool_(True),
    }  # fmt: skip
    run = run_notebook("01", given)
    assert printed(run) == f"(9, 2.5, '{tmp_path / 'a'}', [64, 192], True)\n"
    with pytest.raises(KandiError, match="SEED of 01_x must be like 7"):
        run_notebook("01", {"SEED": np.float32(9)})


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
        assert find(which) == path
    assert find("solutions/07") == solution
    assert notebook_paths() == [path]
    for wrong in ("08", "07_mask", "", "nowhere/07_masks.ipynb", "*", None):
        with pytest.raises(KandiError, match="notebook"):
            find(wrong)
    write("07_more", "print(1)")
    with pytest.raises(KandiError, match="several"):
        find("07")


@pytest.mark.parametrize("timeout", [0, -1, "5", True, float("nan")])
def test_a_senseless_timeout_is_refused(write, timeout):
    write("01_x", "print(1)")
    with pytest.raises(KandiError, match="timeout"):
        run_notebook("01", timeout=timeout)


@pytest.mark.parametrize("at_once", [0, -1, "2", 1.5, None])
def test_a_senseless_number_at_once_is_refused(write, at_once):
    write("01_x", "print(1)")
    with pytest.raises(KandiError, match="at_once"):
        run_notebooks("01", at_once=at_once)


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
    assert from_text("01", pairs) == {
        "SEED": 7,
        "MODEL": "3",
        "GUIDANCE": 2.5,
        "SIZES": [1, 2],
        "TITLE": "a=b",
    }
    with pytest.raises(KandiError, match="NAME=value"):
        from_text("01", ["SEED"])


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


WITH_OUT = PARAMETERS + 'OUT = "../outputs/x"  # folder\n'


def bomb(size):
    """Return a PNG of a few kilobytes that says it has size × size pixels."""

    def chunk(name, data):
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def test_no_picture_ends_the_run_of_others(write, tmp_path, recwarn):
    (tmp_path / "bomb").write_bytes(bomb(20_000))
    (tmp_path / "large").write_bytes(bomb(10_000))
    (tmp_path / "whole").write_bytes(bomb(100))
    write(
        "01_x",
        "import os, shutil\nfrom pathlib import Path\nout = Path(OUT)\n"
        "for name in ('bomb', 'large'):\n    shutil.copy(f'../{name}', out / f'{name}.png')\n"
        "data = Path('../whole').read_bytes()\n(out / 'cut.png').write_bytes(data[:60])\n"
        "(out / 'none.png').write_bytes(b'')\n(out / 'text.png').write_text('text')\n"
        "(out / 'nan.png').write_bytes(data.replace(b'IDAT', b'IDAX'))",
        "os.mkfifo(out / 'pipe.png'); (out / 'folder.png').mkdir()\n"
        "(out / 'gone.png').symlink_to('nowhere'); (out / 'loop.png').symlink_to('loop.png')",
        "from IPython.display import HTML, Image, display\n"
        "display(HTML('<img src=\"data:image/png;base64,!\">'))\n"
        "display(HTML('<img src=\"data:image/png;base64,aaaaa\">'))\n"
        "Image(data=Path('../bomb').read_bytes())",
        parameters=WITH_OUT,
    )
    write("02_y", "print(1)")
    one, two = run_notebooks()
    assert one.ok and two.ok, (one, two)
    assert len(one.saved) == 6 and one.pictures == 0
    assert "data:image" not in write_gallery([one, two], tmp_path / "gallery.html").read_text()
    assert not [w for w in recwarn if "Bomb" in str(w.category)]


def test_a_picture_written_over_an_older_one_is_saved_anew(write):
    write(
        "01_x",
        "from pathlib import Path\nfrom PIL import Image\n"
        "Image.new('RGB', (8, 8), (SEED, 0, 0)).save(Path(OUT) / 'red.png')",
        parameters=WITH_OUT,
    )
    for seed in (1, 1):
        run = run_notebook("01", {"SEED": seed})
        assert [path.name for path in run.saved] == ["red.png"] and run.pictures == 1


def test_pictures_are_counted_where_the_user_sends_them(write, tmp_path):
    (tmp_path / "mine").mkdir()
    write(
        "01_x",
        "from pathlib import Path\nfrom PIL import Image\n"
        "Image.new('RGB', (8, 8), 'red').save(Path(OUT) / 'red.png')",
        parameters=WITH_OUT,
    )
    run = run_notebook("01", {"OUT": "../mine"})
    assert [path.resolve() for path in run.saved] == [tmp_path / "mine" / "red.png"]


def test_a_second_run_into_the_same_folder_is_refused_until_the_first_ends(write, tmp_path):
    write("01_x", "import time\ntime.sleep(2 * (SEED == 7))")
    write("02_y", "print(1)")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run_notebook, "01")
        while not first.done() and not list(tmp_path.glob("outputs/.*.lock")):
            time.sleep(0.05)
        with pytest.raises(KandiError, match="another run of 01_x writes to"):
            run_notebooks(["02", "01"])
        assert run_notebook("01", {"SEED": 8}, out="elsewhere").ok, "another folder is free"
        assert first.result().ok
    assert run_notebooks(["02", "01"])[1].ok


def test_files_of_dead_processes_are_cleared_and_those_of_living_ones_kept(write, tmp_path):
    write("01_x", "print(1)")
    folder = tmp_path / "outputs" / "01_x"
    folder.mkdir(parents=True)
    code = "from kandi_nb.words.files import temporary_name as n; print(n())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    dead, living = done.stdout.strip(), temporary_name()
    foreign = ".00000000-" + dead.split("-", 1)[1]
    kept = {living, foreign, ".mine.part", "notes.part"}
    for name in {dead, *kept}:
        (folder / name).write_text("half")
    assert run_notebook("01").ok
    assert {path.name for path in folder.iterdir()} == {"01_x.ipynb", *kept}


def test_a_killed_run_leaves_nothing_that_the_next_one_keeps(write, tmp_path):
    write("01_x", "import os, time\nprint(1, flush=True)\ntime.sleep(60 * (SEED == 7))")
    code = "from kandi_nb.drivers.notebooks.run import run_notebooks; run_notebooks(['01'])"
    command = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(kernels.__file__).parent.parent)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "outputs" / "01_x").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    command.send_signal(signal.SIGTERM)
    command.wait()
    assert run_notebook("01", {"SEED": 8}).ok
    assert os.listdir(tmp_path / "outputs" / "01_x") == ["01_x.ipynb"]


HANGS = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_kernel_that_hangs_at_its_start_is_started_once_more(write, tmp_path, monkeypatch):
    write("01_x", "print(1)")
    first = tmp_path / "first"
    hangs_once = (
        f"import pathlib, runpy, sys, time; p = pathlib.Path({str(first)!r})\n"
        "if not p.exists():\n    p.touch(); time.sleep(600)\n"
        "sys.argv[0] = 'x'; runpy.run_module('ipykernel_launcher', run_name='__main__')"
    )
    monkeypatch.setattr(kernels, "START", 6)
    monkeypatch.setattr(kernels, "COMMAND", [sys.executable, "-c", hangs_once])
    run = run_notebook("01")
    assert run.ok and first.exists() and run.seconds < 60


def test_a_kernel_that_never_starts_is_one_line(write, monkeypatch):
    write("01_x", "print(1)")
    monkeypatch.setattr(kernels, "START", 1)
    monkeypatch.setattr(kernels, "COMMAND", HANGS)
    (run,) = run_notebooks()
    assert "no kernel started in 2 times 1 s" in run.reason and "\n" not in run.reason
    assert run.seconds < 40 and run.executed.is_file()
    monkeypatch.setattr(kernels, "COMMAND", [sys.executable, "-c", "raise SystemExit(3)"])
    (run,) = run_notebooks()
    assert run.reason == "the kernel died while it started; look at kandi-nb check"


def test_a_foreign_folder_of_notebooks_is_named(write, tmp_path):
    path = write("01_x", "print(1)")
    with pytest.warns(KandiWarning, match=re.escape(str(tmp_path / "notebooks"))):
        run_notebook("01")
    with pytest.raises(KandiError, match=re.escape(f"known in {tmp_path / 'notebooks'}: 01_x")):
        run_notebook("99")
    with warnings.catch_warnings():
        warnings.simplefilter("error", KandiWarning)
        run_notebook(path)  # a path says it by itself


class Page(HTMLParser):
    """What a reader of the page meets: addresses, alt texts, names of places, elements."""

    def __init__(self, path):
        super().__init__()
        self.links, self.sources, self.alts, self.ids, self.tags = [], [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        self.alts += [values["alt"]] if tag == "img" else []
        self.ids += [values["id"]] if "id" in values else []


DRAWS = """\
import kandi_nb as kn
from PIL import Image, ImageDraw
from kandi_nb.pictures.result import Result
params = [kn.Params("a <red> fox -->", seed=SEED), kn.Params("an owl", seed=SEED + 1, steps=4)]
images = [Image.new("RGB", (8, 8), (SEED, n, 0)) for n in range(2)]
result = Result(images, params, "mini-2.2")
Result(images[:1], params[:1], "mini-2.2").save(OUT, name="fox")
result
"""
PLOTS = "kn.plot([{'a': 1, 'seconds': 2.0}, {'a': 2, 'seconds': 3.0}], 'a', 'seconds')"
PAINTS = "kn.grid([Image.new('RGB', (8, 8), 'blue')], ['painted fox'])"


def test_the_gallery_says_what_each_picture_is_and_how_to_draw_it_again(write, tmp_path):
    heading = new_markdown_cell("## 3 · Steps")
    write("01_x", DRAWS, heading, PLOTS, PAINTS, parameters=WITH_OUT)
    run = run_notebook("01")
    drawn, owl, plot, painted = pictures(run)
    assert (drawn.caption, owl.caption) == (
        "a <red> fox --> · seed 7",
        "an owl · seed 8 · steps 4",
    )
    assert drawn.file and drawn.recipe and owl.recipe and not owl.file
    assert plot.caption == "3 · Steps" and "kn.plot(" in plot.alt and plot.recipe is None
    assert painted.caption == "painted fox" and painted.recipe is None
    for picture in (drawn, owl, plot, painted):
        assert picture.alt and picture.alt not in picture.caption, "read twice"
        assert picture.caption not in picture.alt, "read twice"

    path = write_gallery([run], tmp_path / "outputs" / "gallery.html")
    page, text = Page(path), path.read_text(encoding="utf-8")
    assert len(page.sources) == 4 and all(s.startswith("data:image/png") for s in page.sources)
    local = [link for link in page.links if not link.startswith("#")]
    assert local == ["01_x/01_x.ipynb", "01_x/fox.png"]
    assert all((path.parent / unquote(link)).is_file() for link in local)
    assert [link for link in page.links if link.startswith("#")] == [f"#{i}" for i in page.ids]
    assert {"main", "nav", "details", "summary"} <= set(page.tags) and "script" not in page.tags
    call = "kn.generate(k, kn.Params('a <red> fox -->', seed=7))"
    assert f"k = kn.load('mini-2.2')\n{call}" in unescape(text)
    assert text.count("no recipe: painted, plotted or computed") == 2
    assert "prefers-color-scheme: dark" in text and "color-scheme: light dark" in text


def test_the_gallery_keeps_what_did_not_run_and_the_last_good_pictures(write, tmp_path):
    write("01_x", DRAWS + "1 / (SEED - 9)", parameters=WITH_OUT)
    write("02_y", DRAWS, parameters=WITH_OUT.replace("/x", "/y"))
    path = tmp_path / "outputs" / "gallery.html"

    def update(*which, **parameters):
        runs = run_notebooks(list(which), parameters or None)
        return Page(write_gallery(runs, path, merge=True)), path.read_text(encoding="utf-8")

    update("01", "02")
    page, _ = update("02")
    assert page.ids == ["02_y", "01_x"], "the newest stands first"
    good = page.sources[2:]
    for _ in range(2):  # a failure after a failure keeps them, too
        page, text = update("01", SEED=9)
        assert page.ids == ["01_x", "02_y"] and page.sources[: len(good)] == good
        assert "failed: cell 3: ZeroDivisionError" in text
        assert "The pictures are of the last good run" in text
    page, text = update("01", SEED=10)
    assert "last good run" not in text and page.sources[0] != good[0]
    shutil.rmtree(tmp_path / "outputs" / "02_y")
    path.write_text(text.replace("\\u002d", "-", 1) + "<!--notebook {-->\n\n<!--/notebook-->")
    page, text = update("01", SEED=10)
    assert page.ids == ["01_x"], "what somebody deleted does not live on"


def test_gallery_is_one_file_with_prompts_that_cannot_break_out(tmp_path):
    prompt = "<script>alert('лиса')</script> & 狐狸"
    result = Result(
        [picture("red"), picture("blue")], [Params(prompt), Params(prompt, seed=1)], "x"
    )
    run = NotebookRun("01_x", status="failed", error="<b>bad</b>", cell=4)
    run.saved = result.save(tmp_path / "in")
    path = write_gallery([run], tmp_path / "gallery.html")
    page = path.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(pictures(run)) == 2
    assert "<script" not in page and "<b>" not in page
    assert "&lt;script&gt;alert(&#x27;лиса&#x27;)&lt;/script&gt; &amp; 狐狸 · seed 1" in page
    assert not re.search(r"""src=["'](?!data:)""", page), "nothing outside is needed"
    assert not re.search(r"""href=["'](?:\w+:|//)|<link|@import|url\(""", page)
    assert write_gallery([], path) == path, "the gallery of the next run replaces it"
    assert "data:image" not in path.read_text()


def test_the_environment_is_left_as_it_was(write):
    before = dict(os.environ)
    write("01_x", "print(1)")
    run_notebook("01")
    assert dict(os.environ) == before
