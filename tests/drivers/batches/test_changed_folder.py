"""A folder that is changed by others while a batch draws into it, and files that are none."""

from __future__ import annotations

import os
import shutil
import threading

import pytest
import toy

import kandi_nb as kn
from kandi_nb.drivers.batches.folder.index import INDEX
from kandi_nb.words.errors import KandiError, KandiWarning

WAIT = 60  # seconds until something is taken for stuck


def rename(folder):
    folder.rename(folder.with_name("moved"))


def exchange(folder):
    rename(folder)
    folder.mkdir()


def exchange_for_a_file(folder):
    rename(folder)
    folder.write_text("")


def exchange_for_a_link(folder):
    rename(folder)
    folder.with_name("other").mkdir()
    folder.symlink_to(folder.with_name("other"))


def exchange_for_a_loop(folder):
    rename(folder)
    folder.symlink_to(folder)


CHANGES = [
    rename,
    shutil.rmtree,
    exchange,
    exchange_for_a_file,
    exchange_for_a_link,
    exchange_for_a_loop,
]


def meddling(change, folder, at):
    """Return a task that draws, and changes the folder before it returns the picture `at`."""
    drawn = []

    def task(k, params, *, stop=None):
        drawn.extend(params)
        if len(drawn) == at:
            change(folder)
        return toy.toy(k, params)

    return task


@pytest.mark.parametrize("at", [2, 3])  # in the middle, and with the last picture
@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_is_changed_underneath_stops_the_batch_in_a_line(tmp_path, change, at):
    folder = tmp_path / "out"
    runs = [kn.Params("x", seed=n, steps=n + 1) for n in range(3)]  # a call each
    with pytest.raises(KandiError, match=r"out was renamed, removed or exchanged .* again$"):
        kn.batch(meddling(change, folder, at), toy.K, runs, out=folder, progress=False)
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    assert found <= {"index.html"}, "nothing begins apart"
    if change is rename:
        folder.with_name("moved").rename(folder)
        done = kn.batch(meddling(print, folder, 0), toy.K, runs, out=folder, progress=False)
        assert (done.drawn, done.there) == (3 - at + 1, at - 1)


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")


def outcome(call):
    """Return what a call returns or raises; fail if it waits for ever, as for a pipe."""
    found = []

    def run():
        try:
            found.append(call())
        except KandiError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAIT)
    assert found, "it waits for ever"
    return found[0]


@needs_pipes
def test_pipes_in_the_folder_keep_nobody_waiting(tmp_path):
    def draw(count, **options):
        return kn.batch(
            toy.toy, toy.K, toy.runs(count), out=tmp_path, progress=False, **options
        )

    draw(3)
    first = sorted(tmp_path.glob("*.png"))[0]
    first.unlink()
    os.mkfifo(first)
    os.mkfifo(tmp_path / ".batch" / "claims" / first.stem)
    with pytest.warns(KandiWarning, match="was cut short"):
        assert outcome(lambda: draw(3)).drawn == 1
    first.with_suffix(".damaged").unlink()
    first.unlink()
    os.mkfifo(first)
    with pytest.warns(KandiWarning, match="is no file"):
        assert outcome(lambda: draw(3, verify=True)).drawn == 1
    (tmp_path / INDEX).unlink()
    os.mkfifo(tmp_path / INDEX)
    assert "move it away" in str(outcome(lambda: draw(4)))
    assert len(outcome(lambda: kn.read_batch(tmp_path)).rows) == 3
    (tmp_path / INDEX).unlink()
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("kept\n")
    for elsewhere in ("/dev/zero", theirs):
        (tmp_path / INDEX).symlink_to(elsewhere)
        assert "move it away" in str(outcome(lambda: draw(4)))
        (tmp_path / INDEX).unlink()
    assert theirs.read_text() == "kept\n"
    (tmp_path / ".batch" / "chance").unlink()
    os.mkfifo(tmp_path / ".batch" / "chance")
    assert outcome(lambda: draw(4)).drawn == 1


@needs_pipes
@pytest.mark.parametrize("ending", ["csv", "jsonl", "yaml", "txt"])
def test_a_pipe_is_no_table(tmp_path, ending):
    table = tmp_path / f"rows.{ending}"
    os.mkfifo(table)
    said = outcome(lambda: kn.batch(toy.toy, toy.K, table, out=tmp_path / "out"))
    assert "is a device, no file" in str(said)


@needs_pipes
def test_a_pipe_is_no_input_of_a_foreign_task(tmp_path):
    from kandi_nb.drivers.batches.folder.hashes import as_given

    os.mkfifo(tmp_path / "pipe")
    said = outcome(lambda: as_given("toy", toy.K, kn.Params("x"), {"image": tmp_path / "pipe"}))
    assert "is a device, no file" in str(said)
