"""The command: exit codes, one line for bad input, files that are never overwritten unasked."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

import kandi_nb
from kandi_nb import cli
from kandi_nb.drivers.commands.models.mini import TOOLS as MINI_TOOLS
from kandi_nb.drivers.commands.parser import every_command
from kandi_nb.drivers.commands.pictures.tasks import NAMES
from kandi_nb.model import progress
from kandi_nb.pictures.recipe import inputs_in, recipe
from kandi_nb.words.errors import KandiError
from kandi_nb.words.fields import FIELDS, number_or_text
from kandi_nb.words.tasks import INPUTS, TASKS

# Commands say warnings themselves, in a line each; tests read those.
pytestmark = pytest.mark.filterwarnings("default::kandi_nb.words.errors.KandiWarning")
COMMANDS = [
    "check",
    "models",
    "draw",
    "edit",
    "inpaint",
    "versus",
    "outpaint",
    "upscale",
    "strip",
    "mix",
    "path",
    "teach",
    "batch",
    "run",
    "new",
    "lab",
    "bench",
    "verify",
    "mini",
]
QUICK = ["--steps", "2", "--prior-steps", "2"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def notebook(here):
    """Write notebooks/<name>.ipynb with a parameters cell and the given cells."""

    def write(name, *cells):
        first = new_code_cell("SEED = 7  # noise", metadata={"tags": ["parameters"]})
        made = new_notebook(cells=[first, *map(new_code_cell, cells)])
        made.metadata.kernelspec = {"name": "x", "display_name": "x", "language": "python"}
        (here / "notebooks").mkdir(exist_ok=True)
        nbformat.write(made, here / "notebooks" / f"{name}.ipynb")

    return write


def bad(capsys, *words):
    """Run words that must be refused, and return the one line that says why."""
    assert cli.main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("kandi-nb: "), err
    return err.strip()


def test_no_words_and_wrong_words_are_bad_input(capsys):
    assert cli.main([]) == 2
    assert cli.main(["paint"]) == 2
    assert "draw" in capsys.readouterr().err, "the choices are named"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert cli.main([command, "--help"]) == 0
    assert command in capsys.readouterr().out


def test_help_lists_the_commands_and_nothing_heavy_is_loaded():
    code = (
        "import sys; from kandi_nb.cli import main; main(['--help'])\n"
        "assert not {'torch', 'diffusers', 'papermill'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"    {command} " in done.stdout for command in COMMANDS)


def test_version_and_models(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"kandi_nb {kandi_nb.__version__}"
    assert cli.main(["models"]) == 0
    listed = capsys.readouterr().out
    assert "mini-2.2" in listed and "kandinsky-2.2" in listed


def test_check_prints_what_kn_check_says(capsys, monkeypatch):
    monkeypatch.setattr("kandi_nb.model.check.check", lambda: "all is well")
    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out == "all is well\n"


def test_every_setting_is_an_option_with_its_range(capsys):
    cli.main(["draw", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, setting in FIELDS.items():
        if name not in ("prompt", "strength"):
            assert f"--{name.replace('_', '-')} " in text
            assert " ".join(setting.help.split()) in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["draw", ""], "prompt is empty"),
        (["draw", "a fox", "--steps", "0"], "steps must be from 1"),
        (["draw", "a fox", "--steps=-3"], "steps must be from 1"),
        (["draw", "a fox", "--steps", "ten"], "steps must be a whole number"),
        (["draw", "a fox", "--guidance", "nan"], "guidance must be a finite number"),
        (["draw", "a fox", "--width", "0"], "width must be from 64"),
        (["draw", "a fox", "--height", "1000000"], "height must be from 64"),
        (["draw", "a fox", "--model", "kandinsky-22"], "did you mean kandinsky-2.2"),
        (["draw", "a fox", "--device", "gpu"], "unknown device"),
        (["draw", "a fox", "-o", "fox.jpg"], "must end in .png"),
        (["run", "99"], "is no notebook"),
        (["run", "03", "--timeout", "0"], "timeout"),
        (["run", "03", "-p", "SEDE=7"], "did you mean SEED"),
        (["run", "03", "-p", "SEED"], "NAME=value"),
        (["run", "03", "-p", "SEED=x"], "SEED of 03_x must be like 7"),
        (["run", "all", "-p", "SEDE=7"], "did you mean SEED"),
        (["run", "03", "04", "-p", "OUT=x"], "no parameter 'OUT'"),
        (["run", "03", "03_x"], "named twice"),
        (["run", "03", "--out", "~nosuch/x"], "write the whole path"),
        (["run", "03", "--junit", "notebooks"], "is a folder"),
        (["run", "03", "-p", "SEED=caf\udce9"], "SEED of 03_x must be like 7"),
        (["new", "masks"], "such as 05_my_masks"),
        (["bench", "--repeats", "0"], "repeats"),
        (["bench", "--steps", "0"], "steps must be from 1"),
        (["bench", "--model", "mini-9"], "unknown model"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(notebook, capsys, words, message):
    notebook("03_x", "print(1)")
    notebook("04_y", "print(1)")
    assert message in bad(capsys, *words)


def test_draw_writes_the_file_with_its_recipe(here, tiny_folder, capsys):
    words = ["draw", "лиса", "-o", "out/fox.png", "--model", str(tiny_folder), *QUICK]
    assert cli.main([*words, "--seed", "5", "--guidance", "3"]) == 0
    out, err = capsys.readouterr()
    assert out == "out/fox.png\n", "only the path, for the next command"
    assert "1 picture" in err
    made = recipe("out/fox.png")
    wanted = {"prompt": "лиса", "seed": 5, "guidance": 3.0, "steps": 2, "prior_steps": 2}
    assert {name: made["params"][name] for name in wanted} == wanted
    with Image.open("out/fox.png") as picture:
        assert picture.size == (64, 64)


def test_a_long_draw_says_in_a_log_how_far_it_is(here, tiny_folder, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_EVERY", 0)
    assert cli.main(["draw", "a fox", "--model", str(tiny_folder), *QUICK]) == 0
    assert re.search(r"^1 picture: \d+/\d+ steps, \d+ s left$", capsys.readouterr().err, re.M)


def test_draw_overwrites_only_with_force(here, tiny_folder, capsys):
    Path("fox.png").write_text("precious")
    words = ["draw", "a fox", "-o", "fox.png", "--model", str(tiny_folder), *QUICK]
    assert "exists" in bad(capsys, *words)
    assert Path("fox.png").read_text() == "precious"
    assert cli.main([*words, "--force"]) == 0
    assert recipe("fox.png")["params"]["prompt"] == "a fox"


def test_draw_several_and_without_a_name(here, tiny_folder, capsys):
    words = ["draw", "a fox", "--model", str(tiny_folder), *QUICK]
    assert cli.main([*words, "-o", "f.png", "--count", "2"]) == 0
    assert capsys.readouterr().out.split() == ["f-1.png", "f-2.png"]
    assert [recipe(f"f-{n}.png")["params"]["seed"] for n in (1, 2)] == [0, 1]
    assert "f-1.png exists" in bad(capsys, *words, "-o", "f.png", "--count", "3")
    assert not Path("f-3.png").exists(), "refused before anything was drawn"
    assert cli.main(words) == 0
    (path,) = capsys.readouterr().out.split()
    assert Path(path).name == "a-fox-0.png" and Path(path).is_file()


def test_teach_writes_an_adapter_that_draw_takes_by_name_and_scale(here, tiny_folder, capsys):
    (here / "squares").mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (200, 40 * number, 0)).save(f"squares/{number}.png")
        Path(f"squares/{number}.txt").write_text(f"a square number {number}")
    model = ["--model", str(tiny_folder)]
    words = ["teach", "squares", "--steps", "3", "--batch", "2", "--rank", "2", *model]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "squares.safetensors\n"
    assert "squares.safetensors exists" in bad(capsys, *words)
    again = ["-o", "other.safetensors", "--part", "decoder", "--keep", "kept"]
    assert cli.main([*words, *again]) == 0
    assert Path("kept/decoder.checkpoint.safetensors").exists()
    both = ["--adapter", "squares.safetensors:0.8", "--adapter", "other.safetensors"]
    assert cli.main(["draw", "a square", "-o", "s.png", *both, *model, *QUICK]) == 0
    noted = recipe("s.png")["options"]["adapters"]
    assert [(each["name"], each["scale"]) for each in noted] == [("squares", 0.8), ("other", 1)]
    capsys.readouterr()
    draw = ["draw", "a square", *model, *QUICK, "--adapter"]
    assert "FILE:SCALE" in bad(capsys, *draw, "squares.safetensors:much")
    assert "there is no adapter" in bad(capsys, *draw, "none.safetensors")
    assert "must end in .safetensors" in bad(capsys, "teach", "squares", "-o", "s.pt")
    assert "there is no folder" in bad(capsys, "teach", "nowhere")
    assert "minutes is a number above 0" in bad(
        capsys, "teach", "squares", "-o", "x.safetensors", "--minutes", "-1", *model
    )


@pytest.fixture
def fox(here):
    """A picture of 80 × 60 pixels, fox.png."""
    Image.effect_noise((80, 60), 90).convert("RGB").save("fox.png")
    return here / "fox.png"


def test_edit_and_inpaint_write_pictures_that_replay_alone(fox, tiny_roles_folder, capsys):
    model = ["--model", str(tiny_roles_folder), *QUICK]
    words = ["edit", "fox.png", "a cat", "-o", "cat.png", "--strength", "0.5", *model]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert out == "cat.png\n" and "travel inside the PNG; --no-inputs leaves" in err
    made = recipe("cat.png")
    assert (made["task"], made["params"]["strength"], made["size"]) == ("edit", 0.5, [80, 60])
    Image.new("L", (80, 60), 255).save("all.png")
    for where in (["--box", "0,0,40,60"], ["--mask", "all.png"]):
        words = ["inpaint", "fox.png", "a hat", "-o", "hat.png", "--force", *where, *model]
        assert cli.main(words) == 0
        assert "edge_hard" in capsys.readouterr().err, "the proof is printed"
        assert list(recipe("hat.png")["inputs"]) == ["image", "mask"]
        assert list(inputs_in("hat.png")) == ["image", "mask"]
    assert cli.main(["edit", "fox.png", "a cat", "--no-inputs", *model]) == 0
    (path,) = capsys.readouterr().out.split()
    assert path.endswith("a-cat-0.png") and not inputs_in(path) and recipe(path)["inputs"]


def test_versus_saves_what_each_model_draws(here, tiny_folder, tiny21_folder, capsys):
    folders = [str(tiny_folder), str(tiny21_folder)]
    words = ["versus", "a fox", "--models", *folders, "-o", "both", *QUICK, "--seed", "3"]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == ["a-fox-3.png"] * 2
    assert len(list((here / "both").glob("*/a-fox-3.png"))) == 2
    assert all(word in err for word in ("seconds", "peak_mb", tiny21_folder.name))
    assert "unknown model" in bad(capsys, "versus", "a fox", "--models", "mini-4")
    assert "did you mean" in bad(capsys, "draw", "a fox", "--model", "mini3")


def test_outpaint_upscale_and_depth_write_pictures_that_replay_alone(
    fox, tiny_roles_folder, capsys
):
    model = ["--model", str(tiny_roles_folder), *QUICK]
    wide = ["outpaint", "fox.png", "a forest", "-o", "wide.png", "--force", *model]
    for far, size in (
        ("--right 9", [89, 60]),
        ("--aspect 3:2", [90, 60]),
        ("--size 90x61", [90, 61]),
    ):
        assert cli.main([*wide, *far.split()]) == 0
        assert "edge_hard" in capsys.readouterr().err, "the proof is printed"
        assert recipe("wide.png")["size"] == size
    assert (
        cli.main(["upscale", "fox.png", "a fox", "--factor", "2", "-o", "large.png", *model])
        == 0
    )
    assert recipe("large.png")["size"] == [160, 120]
    Image.linear_gradient("L").resize((80, 60)).save("depth.png")
    drawn = ["draw", "a cat", "--depth", "depth.png", "-o", "cat.png", *model]
    assert cli.main(drawn) == 0
    edited = ["edit", "fox.png", "a cat", "--depth", "depth.png", "-o", "held.png", *model]
    assert cli.main(edited) == 0
    assert list(inputs_in("cat.png")) == ["depth"] and list(inputs_in("held.png")) == [
        "image",
        "depth",
    ]
    assert recipe("cat.png")["inputs"]["depth"]["file"] == "depth.png"


def test_strip_takes_pictures_out_and_leaves_the_rest(fox, tiny_roles_folder, capsys):
    words = ["edit", "fox.png", "a cat", "-o", "cat.png", "--model", str(tiny_roles_folder)]
    assert cli.main([*words, *QUICK]) == 0
    before = Path("cat.png").read_bytes()
    capsys.readouterr()
    assert cli.main(["strip", "cat.png"]) == 0
    assert capsys.readouterr().out == "cat-stripped.png\n"
    assert Path("cat.png").read_bytes() == before, "the file itself stays"
    assert inputs_in("cat.png") and not inputs_in("cat-stripped.png")
    assert recipe("cat-stripped.png") == recipe("cat.png"), "hashes are kept"
    with Image.open("cat.png") as a, Image.open("cat-stripped.png") as b:
        assert a.tobytes() == b.tobytes()
    assert "cat-stripped.png exists" in bad(capsys, "strip", "cat.png")
    assert "cat.png exists" in bad(capsys, "strip", "cat.png", "-o", "cat.png")
    assert cli.main(["strip", "cat.png", "-o", "cat.png", "--force"]) == 0
    assert not inputs_in("cat.png") and recipe("cat.png")["inputs"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["edit", "none.png", "a fox"], "none.png does not exist"),
        (["edit", "fox.png", "a fox", "--strength", "0"], "strength must be from 0.01"),
        (["edit", "fox.png", ""], "prompt is empty"),
        (["edit", "fox.png", "a fox", "-o", "fox.png"], "fox.png exists"),
        (["inpaint", "fox.png", "a fox", "--box", "1,2,3"], "--box is four whole numbers"),
        (["inpaint", "fox.png", "a fox", "--box", "０,0,9,9"], "--box is four whole numbers"),
        (["inpaint", "fox.png", "a fox", "--box", "9,9,9,20"], "is empty"),
        (["inpaint", "fox.png", "a fox", "--box", "90,0,99,20"], "lies outside the picture"),
        (["inpaint", "fox.png", "a fox", "--mask", "fox.png", "--join", "x"], "join is one of"),
        (["inpaint", "fox.png", "a fox", "--mask", "none.png"], "mask none.png does not exist"),
        (["inpaint", "fox.png", "a fox", "--mask", "small.png"], "mask has 9 × 9 pixels"),
        (["outpaint", "fox.png", "a fox"], "must be told how far"),
        (["outpaint", "fox.png", "a fox", "--left", "-5"], "left is a whole number of pixels"),
        (["outpaint", "fox.png", "a fox", "--top", "2.5"], "top is a whole number of pixels"),
        (["outpaint", "fox.png", "a fox", "--aspect", "0"], "aspect is width / height"),
        (["outpaint", "fox.png", "a fox", "--aspect", "nan"], "aspect is width / height"),
        (["outpaint", "fox.png", "a fox", "--size", "9"], "--size is two whole numbers"),
        (["outpaint", "fox.png", "a fox", "--size", "9,9"], "is smaller than the picture's"),
        (["outpaint", "fox.png", "a fox", "--top", "2", "--join", "x"], "join is one of"),
        (["upscale", "fox.png", "a fox", "--factor", "1.5"], "factor is 2, 3, 4, not 1.5"),
        (["upscale", "fox.png", "a fox", "--factor", "big"], "factor is 2, 3, 4, not 'big'"),
        (["draw", "a fox", "--depth", "none.png"], "depth none.png does not exist"),
        (["draw", "a fox", "--depth", "small.png"], "the depth map is 255 everywhere"),
        (["edit", "fox.png", "a fox", "--depth", "slope.png"], "has 9 × 9 pixels, the picture"),
        (["strip", "fox.png"], "carries no input pictures"),
        (["strip", "none.png"], "cannot be read"),
        (["strip", "text.png"], "not a whole PNG"),
        (["strip", "cut.png"], "not a whole PNG"),
        (["strip", "."], "cannot be read"),
    ],
)
def test_bad_input_about_pictures_is_one_line(fox, capsys, monkeypatch, words, message):
    monkeypatch.setattr(
        "kandi_nb.model.loading.description.load", lambda *a, **k: pytest.fail("too late")
    )
    Image.new("L", (9, 9), 255).save("small.png")
    Image.linear_gradient("L").resize((9, 9)).save("slope.png")
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(fox.read_bytes()[:-20])
    assert message in bad(capsys, *words)


def test_mix_takes_texts_and_pictures_and_writes_shares_into_the_recipe(
    here, tiny_folder, capsys
):
    Image.new("RGB", (64, 64), "red").save("red.png")
    words = ["mix", "a cat", "red.png", "--weights", ".25", ".75", "--model", str(tiny_folder)]
    assert cli.main([*words, "-o", "out.png", *QUICK]) == 0
    assert capsys.readouterr().out == "out.png\n"
    made = recipe("out.png")["inputs"]["embedding"]
    assert made["name"] == "25 % a cat + 75 % red.png"
    assert kandi_nb.replay("out.png", kandi_nb.load(tiny_folder, device="cpu"))
    assert "kn.Params(" in bad(capsys, "mix", "a cat", "blue.png", "-o", "new.png")
    assert "2 weights for 1 items" in bad(capsys, "mix", "a cat", "--weights", "1", "2")


def test_path_writes_a_film(here, tiny_folder, capsys):
    words = ["path", "a cat", "a dog", "--frames", "3", "--model", str(tiny_folder), *QUICK]
    assert cli.main([*words, "-o", "way.gif"]) == 0
    with Image.open("way.gif") as film:
        assert film.n_frames <= 3 and film.format == "GIF"
    capsys.readouterr()
    assert "exists" in bad(capsys, *words, "-o", "way.gif")
    assert "must end in" in bad(capsys, *words, "-o", "way.png")
    assert cli.main([*words, "-o", "way.gif", "--force"]) == 0


def test_draw_into_a_place_that_cannot_be_written_to(here, capsys):
    Path("taken").write_text("a file")
    Path("folder.png").mkdir()
    assert "taken" in bad(capsys, "draw", "a fox", "-o", "taken/fox.png")
    assert "is a folder" in bad(capsys, "draw", "a fox", "-o", "folder.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", ".png"], "has no name before the ending"),
        (["-o", "out/.PNG"], "has no name before the ending"),
        (["-o", ""], "'' is no path; name a file or folder"),
        (["-o", "~nosuch/fox.png"], "not known here"),
        (["-o", "f" * 300 + ".png"], "too long"),
        # One picture fits, "-1" and "-2" behind the name do not.
        (["-o", "f" * 251 + ".png", "--count", "2"], "too long"),
        (["--model", "m" * 300], "too long"),
        (["--model", "~nosuch/model"], "not known here"),
        (["--model", ""], "no path"),
        (["--guidance", "9" * 5000], "guidance must be"),
        (["--seed", "9" * 5000], "seed must be"),
    ],
)
def test_paths_and_numbers_that_cannot_be_are_refused_before_drawing(
    here, capsys, words, message
):
    assert message in bad(capsys, "draw", "a fox", *words)
    assert not list(here.iterdir())


@pytest.mark.parametrize("folder", ["", "~nosuch/x", "x" * 300])
def test_export_takes_no_folder_that_cannot_be(here, capsys, folder):
    assert cli.main(["mini", "export", folder]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert not list(here.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a full device")
@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [(["models"], ""), (["models"], "1"), (["--version"], ""), (["draw", "--help"], "")],
)
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(words, unbuffered):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kandi_nb.cli", *words],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr == "kandi-nb: cannot go on: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a full device")
def test_errors_that_cannot_be_written_keep_their_exit_code(here):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kandi_nb.cli", "draw", ""], stdout=full, stderr=full
        )
    assert done.returncode == 2


def test_run_one_all_and_failing(notebook, capsys):
    notebook("01_a", "print(SEED)")
    notebook("02_b", "x = {}", "x['gone']")
    assert cli.main(["run", "01", "-p", "SEED=3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("01_a  ok  ") and "gallery: outputs/gallery.html" in out
    assert cli.main(["run", "all"]) == 1
    out, err = capsys.readouterr()
    assert re.search(r"02_b: cell 3: KeyError: 'gone'; look into .*/02_b.ipynb", out)
    assert [line.split()[:2] for line in out.splitlines()[2:4]] == [
        ["01_a", "ok"],
        ["02_b", "failed"],
    ]
    assert "2/2 done" in err, "progress is told on stderr"
    assert Path("outputs/gallery.html").is_file()


def test_one_parameter_goes_to_every_notebook_that_is_run(notebook, capsys, here):
    notebook("01_a", "print('seed', SEED)")
    notebook("02_b", "print('seed', SEED)")
    assert cli.main(["run", "all", "-p", "SEED=3"]) == 0
    for name in ("01_a", "02_b"):
        assert "seed 3" in (here / "outputs" / name / f"{name}.ipynb").read_text()
    assert str(here / "notebooks") in capsys.readouterr().err, "which folder was used is said"


def test_a_failure_names_its_line_and_copy_and_the_report_says_the_same(notebook, capsys, here):
    notebook("01_a", "x = 1\nif x:\n    y = x / 0")
    notebook("02_b", "import kandi_nb as kn\n\nkn.Params('a', steps=0)")
    notebook("03_c", "print('\\x1b[1m \\x00 ok')")
    assert cli.main(["run", "01", "--junit", "r/one.xml"]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert line.endswith("01_a/01_a.ipynb, line 3: y = x / 0") and "; look into /" in line
    assert cli.main(["run", "all", "--junit", "r/all.xml"]) == 1
    out = capsys.readouterr().out
    assert "02_b: cell 2: KandiError: steps must be" in out
    assert "02_b.ipynb, line 3: kn.Params('a', steps=0)" in out
    suite = ElementTree.parse(here / "r" / "all.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    cases = {case.get("name"): case.find("failure") for case in suite}
    assert list(cases) == ["01_a", "02_b", "03_c"] and cases["03_c"] is None
    assert "division by zero" in cases["01_a"].get("message")
    assert "line 3: y = x / 0" in cases["01_a"].text


def test_a_folder_in_the_gallery_s_place_is_refused_before_anything_runs(
    notebook, capsys, here
):
    notebook("01_a", "print(1)")
    (here / "outputs" / "gallery.html").mkdir(parents=True)
    assert "gallery.html is a folder" in bad(capsys, "run", "01")
    assert not (here / "outputs" / "01_a").exists()


def test_ctrl_c_ends_the_command_and_its_kernels(notebook, here):
    import psutil

    pid_file = here / "pid"
    notebook(
        "01_a",
        "import os, pathlib, time\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(300)",
    )
    command = subprocess.Popen(
        [sys.executable, "-m", "kandi_nb.cli", "run", "all"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=here,
        env=child_environment(),
        # A suite in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 180  # a busy machine starts kernels slowly
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline and command.poll() is None
        time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=180)
    assert command.returncode == 130 and "kandi-nb: stopped" in err and "Traceback" not in err
    assert not psutil.pid_exists(int(pid_file.read_text()))


def test_mini_tools_get_their_own_words(monkeypatch, capsys):
    heard = []
    for name, (module, _) in MINI_TOOLS.items():
        tool = types.ModuleType(module)
        tool.main = lambda words, name=name: heard.append((name, words)) or len(words)
        monkeypatch.setitem(sys.modules, module, tool)
    assert cli.main(["mini", "train", "clip", "--minutes", "--help"]) == 3
    assert cli.main(["mini", "judge"]) == 0
    assert cli.main(["mini", "export", "x"]) == 1
    assert heard == [
        ("train", ["clip", "--minutes", "--help"]),
        ("judge", []),
        ("export", ["x"]),
    ]
    assert cli.main(["mini"]) == 2
    assert cli.main(["mini", "paint"]) == 2
    assert "export" in capsys.readouterr().err, "the choices are named"


@pytest.mark.parametrize("tool", MINI_TOOLS)
def test_every_mini_tool_is_there_and_explains_itself(tool, capsys):
    assert cli.main(["mini", tool, "--help"]) == 0
    assert f"kandi-nb mini {tool}" in capsys.readouterr().out


def test_lab_listens_on_loopback_only_and_shows_the_notebooks(notebook, here):
    notebook("01_a", "print(1)")
    environment = child_environment() | {
        "JUPYTER_RUNTIME_DIR": str(here / "runtime"),
        "JUPYTER_CONFIG_DIR": str(here / "config"),
        "JUPYTER_DATA_DIR": str(here / "data"),
        "JUPYTER_TOKEN": "secret",
    }
    port = free_port()
    command = subprocess.Popen(
        [sys.executable, "-m", "kandi_nb.cli", "lab", "--no-browser", f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=here,
        env=environment,
        start_new_session=True,
    )
    try:
        listing = json.loads(
            answer(f"http://127.0.0.1:{port}/api/contents/notebooks?token=secret")
        )
        assert [entry["name"] for entry in listing["content"]] == ["01_a.ipynb"]
        assert (here / "work" / "notebooks" / "01_a.ipynb").is_file(), "it is a copy"
        assert listening_addresses(command.pid, port) == {"127.0.0.1"}
    finally:
        os.killpg(command.pid, signal.SIGKILL)
        command.wait()


def child_environment():
    root = str(Path(kandi_nb.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": root}


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(url):
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.read()
        except OSError:
            assert time.monotonic() < deadline, "JupyterLab does not answer"
            time.sleep(0.3)


def listening_addresses(pid, port):
    import psutil

    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found = set()
    for process in family:
        # A helper process of the server may have ended since it was listed.
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {
                connection.laddr.ip
                for connection in process.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            }
    return found


def test_the_package_itself_is_the_command():
    words = [sys.executable, "-m", "kandi_nb"]
    done = subprocess.run([*words, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("kandi_nb ")
    done = subprocess.run([*words, "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: kandi-nb")


def test_seeds_are_read_by_one_rule_on_every_command():
    for words in (["draw", "x"], ["teach", "d"], ["versus", "x"], ["mix", "a", "b"]):
        seeds = {
            cli.parser().parse_args([*words, "--seed", given]).seed
            for given in ("7", "7.0", " 7", "-1", "random")
        }
        assert 7 in seeds and len(seeds) == 3 and all(type(seed) is int for seed in seeds)
    with pytest.raises(KandiError, match="prior_seed must be a whole number from 0"):
        cli.parser().parse_args(["draw", "x", "--prior-seed", "7.5"])


def test_a_command_is_one_module_with_options_of_its_own():
    every = {command.name: command for command in every_command()}
    assert every.keys() >= {*COMMANDS, "serve", "studio", "fetch", "kit", "hand-in"}
    assert all(command.help and callable(command.run) for command in every.values())
    lines = Path(cli.__file__).read_text("utf-8").splitlines()
    assert len(lines) <= 100 and not any("add_argument" in line for line in lines)


def test_where_a_command_listens_is_asked_in_one_way():
    groups = {}
    for command in every_command():
        parser = argparse.ArgumentParser()
        command.add_options(parser)
        for group in parser._action_groups:
            words = {word for action in group._group_actions for word in action.option_strings}
            if "--host" in words:
                assert "--port" in words
                groups[command.name] = group.title
    assert groups == dict.fromkeys(("serve", "studio"), "where it listens")


def test_no_command_reads_a_number_in_which_python_allows_more_than_people_write():
    """Python's own int takes 1_0 and digits of any script."""
    read = 0
    for command in every_command():
        parser = argparse.ArgumentParser()
        command.add_options(parser)
        for action in parser._actions:
            assert action.type not in (int, float), (command.name, action.dest)
            read += action.type is number_or_text
    assert read > 10


@pytest.mark.parametrize(
    "words",
    [
        ["batch", "table.csv", "--workers", "1_0"],
        ["kit", "folder", "--serve", "--port", "8_0"],
        ["lab", "--port", "8_0"],
        ["run", "00", "--timeout", "6_0"],
        ["bench", "--repeats", "1_0"],
    ],
)
def test_a_number_that_is_none_is_quoted_before_anything_begins(words, capsys):
    assert cli.main(words) == 2
    assert f"not '{words[-1]}'" in capsys.readouterr().err


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_takes_is_what_its_row_says(task):
    text = " ".join(_help(NAMES.get(task, task)).split())
    for name in (*TASKS[task].inputs, *TASKS[task].options):
        can_be_typed = INPUTS[name].kind not in ("embedding", "latents")
        option = "IMAGE" if name == "image" else f"--{name} "
        assert (option in text) == can_be_typed, name
        assert not can_be_typed or INPUTS[name].help in text


def _help(command):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert cli.main([command, "--help"]) == 0
    return out.getvalue()
