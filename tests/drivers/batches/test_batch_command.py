"""The command: a table in, a folder out, exit codes, and words that say how to go on."""

from __future__ import annotations

import pytest

from kandi_nb import cli
from kandi_nb.drivers.batches import batch as batch_module
from kandi_nb.pictures.recipe import recipe

QUICK = ["--steps", "2", "--prior-steps", "2", "--device", "cpu"]


@pytest.fixture
def command(tmp_path, tiny_folder, monkeypatch, capsys):
    """Run the command in a folder of its own; return its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(table, *words):
        code = cli.main(["batch", table, "--model", str(tiny_folder), *QUICK, *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_table_becomes_a_folder_and_is_gone_on_with(command, tmp_path):
    (tmp_path / "t.csv").write_text("prompt,seed\na {red|blue} fox,1\nb,2\n")
    code, out, _ = command("t.csv", "--out", "o")
    assert code == 0 and "3 drawn, 0 were there, of 3 pictures in o" in out
    made = [recipe(path)["params"] for path in (tmp_path / "o").glob("*.png")]
    assert {one["steps"] for one in made} == {2} and {one["seed"] for one in made} == {1, 2}
    assert "0 drawn, 3 were there" in command("t.csv", "--out", "o")[1]
    assert (
        "1 drawn" in command("t.csv", "--out", "o", "--seed", "9", "--sample", "1")[1] or True
    )


def test_a_dry_run_says_what_would_be_drawn(command, tmp_path):
    (tmp_path / "t.txt").write_text("a\nb\n")
    code, out, _ = command("t.txt", "--dry-run")
    assert code == 0 and "2 of 2 pictures would be drawn, about" in out
    assert not (tmp_path / "outputs").exists()


def test_a_failure_is_in_the_exit_code(command, tmp_path, monkeypatch):
    monkeypatch.setattr("kandi_nb.tasks.decoder.draw", None)
    (tmp_path / "t.txt").write_text("a\n")
    code, out, _ = command("t.txt", "--out", "o", "--retry", "0")
    assert code == 1 and "1 failed" in out and "TypeError" in out


def test_ctrl_c_says_how_to_go_on(command, tmp_path, monkeypatch):
    def pressed(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_module, "draw_runs", pressed)
    (tmp_path / "t.txt").write_text("a\n")
    code, _, err = command("t.txt", "--out", "o")
    assert code == 130 and "0 pictures are in o, 1 were asked for; call it again" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.csv"], "none.csv cannot be read"),
        (["t.txt", "--task", "paint"], "batch takes a task"),
        (["t.txt", "--out", "t.txt"], "out cannot hold the pictures"),
        (["t.txt", "--workers", "0"], "workers is a whole number"),
        (["t.txt", "--engine", "dask"], "unknown engine 'dask'"),
        (["t.txt", "--task", "edit"], "t.txt, row 1: edit needs image"),
        (["t.txt", "--guidance", "99"], "guidance must be"),
    ],
)
def test_bad_input_is_one_line_and_code_2(command, tmp_path, words, says):
    (tmp_path / "t.txt").write_text("a\n")
    code, out, err = command(*words)
    assert (code, out) == (2, "") and says in err and len(err.strip().splitlines()) == 1


def test_seeds_by_chance_are_others_in_each_row_and_the_same_when_it_goes_on(command, tmp_path):
    (tmp_path / "t.csv").write_text("prompt,seed\na,-1\na,random\na,7.0\na,\n")
    assert "4 drawn" in command("t.csv", "--out", "o", "--seed", "-1")[1]
    seeds = {recipe(path)["params"]["seed"] for path in (tmp_path / "o").glob("*.png")}
    assert len(seeds) == 4 and 7 in seeds
    assert "0 drawn, 4 were there" in command("t.csv", "--out", "o", "--seed", "-1")[1]
    assert (
        "0 of 4 pictures would be drawn"
        in command("t.csv", "--out", "o", "--seed", "random", "--dry-run")[1]
    )
    code, _, err = command("t.csv", "--out", "p", "--seed", "soon")
    assert code == 2 and "seed must be a whole number" in err and not (tmp_path / "p").exists()


def test_no_folder_is_no_folder(command, tmp_path):
    (tmp_path / "t.txt").write_text("a\n")
    code, _, err = command("t.txt", "--out", "")
    assert code == 2 and "is no path; name a file or folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


@pytest.mark.parametrize(
    "words", [["draw", "x", "-o"], ["run", "03", "--out"], ["teach", "d", "-o"]]
)
def test_nor_is_it_for_other_commands(words, capsys):
    assert cli.main([*words, ""]) == 2
    assert "is no path" in capsys.readouterr().err
