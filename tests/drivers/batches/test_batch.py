"""A batch into a folder: what is drawn, passed over, retried, listed, and gone on with."""

from __future__ import annotations

import builtins
import dataclasses
import errno
import json
import pickle
import re
import threading
import types
from pathlib import Path

import psutil
import pytest
import toy
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.batches import batch as batch_module
from kandi_nb.drivers.batches.folder.hashes import as_given, run_hash
from kandi_nb.drivers.batches.folder.index import INDEX
from kandi_nb.drivers.batches.queue import Queue
from kandi_nb.drivers.batches.rows.runs import Run, Runs, task_call
from kandi_nb.drivers.batches.worker import Order, Source, Worker
from kandi_nb.model.loading.description import Description
from kandi_nb.tasks.loop.dry_run import DryRun
from kandi_nb.words import files
from kandi_nb.words.errors import Cancelled, KandiError, KandiWarning

QUICK = {"steps": 2, "prior_steps": 2}


@pytest.fixture
def log(tmp_path, monkeypatch):
    """What the toy task drew, a line a picture."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv("TOY_LOG", str(path))
    return lambda: path.read_text().splitlines()


@pytest.fixture
def draw(tmp_path, log):
    """Run a batch of the toy task into one folder."""

    def run(runs, watch=False, **options):
        return kn.batch(toy.toy, toy.K, runs, out=tmp_path / "out", progress=watch, **options)

    return run


def pictures(folder):
    return sorted(path.name for path in Path(folder).glob("*.png"))


# --- what a batch does ---


def test_each_run_becomes_a_picture_named_by_its_hash(draw):
    done = draw(toy.runs(10))
    assert (done.drawn, done.there, done.failed, done.total) == (10, 0, 0, 10)
    assert all(re.fullmatch(r"[0-9a-f]{64}\.png", name) for name in pictures(done.folder))
    seeds = {kn.recipe(path)["params"]["seed"] for path in done.folder.glob("*.png")}
    assert seeds == set(range(10))
    assert {path.name for path in done.folder.iterdir()} - set(pictures(done.folder)) == {
        ".batch",
        "index.html",
        INDEX,
    }
    assert not [path for path in done.folder.rglob(".batch/*/*")], "nobody draws any more"


def test_a_second_time_nothing_is_drawn_and_more_runs_draw_the_rest(draw, log):
    draw(toy.runs(5))
    before = pictures(draw(toy.runs(5)).folder)
    again = draw(toy.runs(8))
    assert (again.drawn, again.there) == (3, 5)
    assert len(log()) == 8 and set(before) < set(pictures(again.folder))


def test_equal_runs_are_drawn_once(draw, log):
    done = draw([*toy.runs(3), *toy.runs(3)])
    assert (done.drawn, done.there) == (3, 3) and len(log()) == 3


def test_templates_counts_and_rows_of_settings(draw):
    done = draw([{"prompt": "a {red|blue} fox", "count": 2}, {"prompt": "x", "shade": 9}])
    assert done.drawn == 5
    colours = [Image.open(path).getpixel((0, 0)) for path in done.folder.glob("*.png")]
    assert sorted(colours)[1] == (0, 0, 0) and (0, 0, 9) in colours


def test_inputs_for_all_runs_change_the_hash(draw):
    assert draw(toy.runs(2)).drawn == draw(toy.runs(2), shade=3).drawn == 2
    assert draw(toy.runs(2), shade=3).there == 2


def test_a_failure_is_listed_with_its_row_and_stops_nobody(draw, log):
    runs = [*toy.runs(6), kn.Params("bad"), *toy.runs(9)[6:]]
    done = draw(runs, retry=2)
    assert (done.drawn, done.failed) == (9, 1)
    (failure,) = done.failures
    assert (failure["row"], failure["prompt"]) == (7, "bad")
    assert failure["error"] == "ValueError: this one is bad" and "bad" in repr(done)
    assert draw(runs).failed == 1, "and is tried again the next time"


def test_a_failure_is_tried_again(tmp_path):
    tries = []

    def shaky(k, params):
        tries.append(len(params))
        if len(tries) < 4:
            raise RuntimeError("not yet")
        return toy.toy(k, params)

    out = tmp_path / "out"
    done = kn.batch(shaky, toy.K, toy.runs(1), out=out, retry=2, progress=False)
    assert done.failed == 1 and tries == [1, 1, 1]
    assert kn.batch(shaky, toy.K, toy.runs(1), out=out, retry=2, progress=False).drawn == 1


def test_a_stop_keeps_what_is_there_and_says_how_to_go_on(draw, log):
    class Soon:
        def is_set(self):
            return len(log()) >= 6

    with pytest.raises(Cancelled, match=r"stopped: \d+ pictures are in .*; call it again"):
        draw(toy.runs(20), stop=Soon())
    assert 0 < len(pictures(draw(toy.runs(1)).folder)) < 20
    assert draw(toy.runs(20)).drawn + len(log()) >= 20
    assert draw(toy.runs(20)).there == 20


def test_ctrl_c_in_a_script_stays_ctrl_c_and_says_how_to_go_on(tmp_path):
    def pressed(k, params):
        if params[0].seed:
            raise KeyboardInterrupt
        return toy.toy(k, params)

    with pytest.raises(KeyboardInterrupt, match=r"stopped: 8 pictures are in .*, 9 .* again"):
        kn.batch(pressed, toy.K, toy.runs(9), out=tmp_path, progress=False)


def test_a_full_disk_stops_cleanly_and_is_gone_on_with(draw, monkeypatch):
    left = [5]

    def full(path, mode="r", *more, **named):
        file = builtins.open(path, mode, *more, **named)  # noqa: SIM115
        if "x" in mode and file.writable():
            write = file.write

            def counted(data):
                if data.startswith(b"\x89PNG"):
                    left[0] -= 1
                    if left[0] < 0:
                        write(data[: len(data) // 2])
                        raise OSError(errno.ENOSPC, "No space left on device")
                return write(data)

            return _Replaced(counted, file)
        return file

    monkeypatch.setattr(files, "open", full, raising=False)
    with pytest.raises(
        KandiError, match=r"No space left.* 5 pictures are .*make room"
    ) as error:
        draw(toy.runs(12))
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    done = draw(toy.runs(12))
    assert done.there == 5, "one more was saved before the disk was full"
    assert done.drawn == 7 and not list(done.folder.rglob("*.part"))


class _Replaced:
    """A file whose write is replaced."""

    def __init__(self, write, file):
        self.write, self._file = write, file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


def test_a_picture_cut_short_is_set_aside_and_drawn_anew(draw):
    done = draw(toy.runs(2))
    path = done.folder / pictures(done.folder)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.warns(KandiWarning, match="cut short"):
        assert draw(toy.runs(2)).drawn == 1
    assert path.read_bytes()[-12:] == whole[-12:]
    assert path.with_suffix(".damaged").read_bytes() == whole[:100], "nothing is thrown away"


def test_verify_finds_changed_bytes_and_exchanged_pictures(draw, log):
    folder = draw(toy.runs(6)).folder
    first, second, third, *_ = (folder / name for name in pictures(folder))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    second.write_bytes(third.read_bytes())
    assert draw(toy.runs(6)).there == 6, "not looked at"
    assert draw(toy.runs(6), dry_run=True, verify=True).drawn == 2
    before = len(log())  # a dry run draws some, to time them
    with pytest.warns(KandiWarning, match="is not the file that was saved") as said:
        again = draw(toy.runs(6), verify=True)
    assert (again.drawn, again.there, len(log()) - before) == (2, 4, 2) and len(said) == 2
    assert {path.stem for path in folder.glob("*.damaged")} == {first.stem, second.stem}
    assert draw(toy.runs(6), verify=True).there == 6
    assert kn.read_batch(folder)[0]["sha256"]


def test_verify_without_an_index_reads_checksums_and_recipes(tiny, tmp_path):
    def batch(**options):
        runs = kn.sweep(kn.Params("a", **QUICK), seed=range(3))
        return kn.batch(kn.generate, tiny, runs, out=tmp_path, progress=False, **options)

    first, second, third = (tmp_path / name for name in pictures(batch().folder))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    second.write_bytes(third.read_bytes())
    (tmp_path / INDEX).unlink()
    with pytest.warns(KandiWarning) as said:
        assert batch(verify=True).drawn == 2
    words = " ".join(str(warning.message) for warning in said)
    assert "is damaged" in words and "is another picture than its name says" in words


WRONG_KINDS = {
    "a file for .batch": (lambda out: (out / ".batch").write_text("x"), r"\.batch cannot hold"),
    "a file for claims": (
        lambda out: [(out / ".batch").mkdir(), (out / ".batch" / "claims").write_text("x")],
        r"\.batch cannot hold",
    ),
    "a folder for the index": (lambda out: (out / INDEX).mkdir(), "move it away"),
    "a link to nowhere for the index": (
        lambda out: (out / INDEX).symlink_to("nowhere"), "move it away",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_KINDS)
def test_what_has_the_wrong_kind_is_one_line(draw, tmp_path, what):
    make, says = WRONG_KINDS[what]
    (tmp_path / "out").mkdir()
    make(tmp_path / "out")
    with pytest.raises(KandiError, match=says) as error:
        draw(toy.runs(2))
    assert "\n" not in str(error.value)


def test_links_lines_and_claims_of_any_kind_are_survived(draw, log):
    folder = draw(toy.runs(3)).folder
    link, other, _ = (folder / name for name in pictures(folder))
    link.unlink()
    link.symlink_to("nowhere")
    other.unlink()
    other.mkdir()
    claims = folder / ".batch" / "claims"
    (claims / link.stem).write_bytes(b"\xff\xfe\0")
    (claims / other.stem).write_text("../../../etc")
    with (folder / INDEX).open("a") as index:
        index.write(json.dumps({"file": link.name}) + "\n" + json.dumps({"file": 3}))
    with pytest.warns(KandiWarning, match=r"is called \.damaged"):
        again = draw(toy.runs(4))
    assert (again.drawn, again.there, again.failed) == (3, 1, 0) and again.page
    assert draw(toy.runs(4)).there == 4 and len(kn.read_batch(folder)) == 4
    assert draw(toy.runs(5), dry_run=True).drawn == 1


def test_two_batches_in_one_folder_share_the_work(draw, log, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.01")
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(draw(toy.runs(40)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2 and sum(one.drawn for one in done) == 40 == len(log())
    assert all(one.drawn + one.there == 40 for one in done)


def test_warnings_of_many_runs_are_said_once(tmp_path):
    def warning(k, params):
        for _ in params:
            kn.words.errors.warn("this is odd")
        return toy.toy(k, params)

    with pytest.warns(KandiWarning) as said:
        kn.batch(warning, toy.K, toy.runs(40), out=tmp_path, progress=False)
    assert [str(one.message) for one in said] == ["this is odd"]


# --- with a real model ---


def test_the_name_is_the_hash_of_the_recipe_and_resumes_in_another_process(
    tiny_folder, tmp_path
):
    runs = kn.sweep(kn.Params("x", **QUICK), seed=[0, 1], steps=[2, 3])
    k = kn.load(tiny_folder, device="cpu")
    done = kn.batch(kn.generate, k, runs, out=tmp_path, progress=False)
    for path in done.folder.glob("*.png"):
        assert run_hash(kn.recipe(path)) == path.stem
    again = kn.batch("generate", tiny_folder, runs, out=tmp_path, progress=False)
    assert again.there == 4


def test_a_batch_draws_what_the_task_itself_draws(tiny, tmp_path):
    runs = kn.sweep(kn.Params("x", **QUICK), seed=[0, 1], steps=[2, 3])
    kn.batch(kn.generate, tiny, runs, out=tmp_path, progress=False)
    drawn = {kn.recipe(p)["params"]["seed"] * 10 + kn.recipe(p)["params"]["steps"]: p
             for p in tmp_path.glob("*.png")}  # fmt: skip
    for params, image in zip(runs, kn.generate(tiny, runs, progress=False), strict=True):
        saved = Image.open(drawn[params.seed * 10 + params.steps])
        extremes = [e for b in _difference(saved, image).getextrema() for e in b]
        assert max(extremes) <= 2


def _difference(a, b):
    from PIL import ImageChops

    return ImageChops.difference(a.convert("RGB"), b.convert("RGB"))


def test_edits_and_masks_come_from_a_table(tiny_roles, tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "blue.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")
    table = tmp_path / "t.csv"
    table.write_text(
        "prompt,image,mask,steps,prior_steps,join\n"
        "a,red.png,mask.png,2,2,hard\nb,blue.png,mask.png,2,2,\n"
    )
    out = tmp_path / "out"
    assert kn.batch(kn.inpaint, tiny_roles, table, out=out, progress=False).drawn == 2
    for path in out.glob("*.png"):
        made = kn.recipe(path)
        assert run_hash(made) == path.stem
        expected = {"a": (254, 0, 0), "b": (0, 0, 254)}[made["params"]["prompt"]]
        assert Image.open(path).getpixel((60, 32))[0] == expected[0] // 254 * 255
        assert made["inputs"]["image"]["file"] in ("red.png", "blue.png")
    assert kn.batch(kn.inpaint, tiny_roles, table, out=out, progress=False).there == 2


def test_originals_stay_out_where_they_are_asked_to(tiny_roles, tmp_path, capsys):
    from kandi_nb.pictures.recipe import inputs_in

    image = Image.new("RGB", (64, 64), "red")
    runs = kn.Params("a", **QUICK)
    for inputs, names in ((True, ["image"]), (False, [])):
        out = tmp_path / str(inputs)
        kn.batch(kn.edit, tiny_roles, runs, out=out, image=image, inputs=inputs, progress=False)
        (path,) = out.glob("*.png")
        assert list(inputs_in(path)) == names
        assert ("travel inside" in capsys.readouterr().out) == inputs


def test_what_cannot_be_drawn_is_a_failure_of_its_row(tiny, tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    runs = [{"prompt": "a", "image": tmp_path / "cut.png"}]
    with pytest.raises(KandiError, match=r"run 1: .*no picture"):
        kn.batch(kn.edit, tiny, runs, out=tmp_path / "out", progress=False)


# --- what a hash holds ---


BASE = {
    "task": "edit",
    "params": {"prompt": "a", "seed": 1},
    "inputs": {"image": {"sha256": "ab", "size": [64, 64], "file": "fox.png"}},
    "revision": {"decoder": "1"},
    "options": {"device": "cpu", "dtype": "float32"},
    "versions": {"torch": "2"},
    "size": [64, 64],
}


@pytest.mark.parametrize(
    "change",
    [
        {"task": "inpaint"},
        {"params": {"prompt": "a", "seed": 2}},
        {"inputs": {"image": {"sha256": "cd"}}},
        {"inputs": {}},
        {"revision": {"decoder": "2"}},
        {"options": {"device": "cpu", "dtype": "float16"}},
    ],
)
def test_whatever_changes_pixels_changes_the_hash(change):
    assert run_hash(BASE | change) != run_hash(BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"dtype": "float32", "device": "cuda"}},
        {"options": {"dtype": "float32", "memory": "prior-first"}},
        {"versions": {}},
        {"inputs": {"image": {"sha256": "ab", "file": "moved.png"}}},
        {"params": {"seed": 1, "prompt": "a"}},
    ],
)
def test_where_and_by_what_it_was_drawn_does_not(change):
    assert run_hash(BASE | change) == run_hash(BASE)


def test_inputs_of_a_foreign_task_count_by_what_they_hold(tmp_path):
    import numpy

    (tmp_path / "a").write_text("1")
    values = ["x", 1, [1, 2], Image.new("L", (2, 2)), numpy.ones(2), numpy.zeros(2), b"1"]
    values += [tmp_path / "a", {"a": 1}, kn.Mask(numpy.eye(4)), kn.Mask(numpy.eye(5))]
    marks = [run_hash(as_given("t", None, kn.Params("a"), {"v": value})) for value in values]
    assert len(set(marks[:6] + marks[8:])) == len(values) - 2
    assert marks[6] == marks[7], "a file is what it holds"


def test_a_model_elsewhere_is_asked_or_hashed_by_what_it_is_given(tmp_path):
    """Such as a client of a service: it has no pipelines here, but options and weights."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"the same picture")
    runs = [
        Run(1, kn.Params("x"), {"image": str(tmp_path / name)}) for name in ("a.png", "b.png")
    ]
    far = types.SimpleNamespace(revision={"decoder": "1"}, options={"dtype": "float16"})
    order = Order(task_call("edit"), Source(far), tmp_path)
    one, two = map(run_hash, Worker(order, draws=False).recipes(runs)[0])
    assert one == two, "wherever the file lies"
    far.options["dtype"] = "float32"
    assert run_hash(Worker(order, draws=False).recipes(runs[:1])[0][0]) != one

    told = []
    far.dry_run = lambda task, params, **inputs: (
        told.append((task, params, inputs)) or DryRun([BASE], [3])
    )
    assert Worker(order, draws=False).recipes(runs[:1]) == ([BASE], [3])
    assert told == [("edit", [kn.Params("x")], {"image": [str(tmp_path / "a.png")]})]


# --- the index ---


def test_the_index_is_a_table_and_is_read_off_the_pictures_where_it_is_lost(draw):
    done = draw(toy.runs(4))
    table = kn.read_batch(done.folder)
    assert [row["seed"] for row in table] == [0, 1, 2, 3]
    assert table.columns == ["prompt", "seed", "seconds", "picture"]
    assert all(row["path"].exists() for row in table)
    (done.folder / INDEX).unlink()
    lost = kn.read_batch(done.folder)
    assert {row["seed"] for row in lost} == {0, 1, 2, 3} and lost[0]["seconds"] is None
    draw(toy.runs(4))
    assert len((done.folder / INDEX).read_text().splitlines()) == 4, "and is written anew"


def test_the_index_forgives_half_lines_and_pictures_that_are_gone(draw):
    done = draw(toy.runs(3))
    index = done.folder / INDEX
    first, *_ = pictures(done.folder)
    (done.folder / first).unlink()
    with index.open("ab") as file:
        file.write(b'{"file": "../../etc/passwd"}\n[]\n{"file": "')
    assert len(kn.read_batch(done.folder)) == 2
    assert draw(toy.runs(3)).drawn == 1
    assert json.loads(index.read_text().splitlines()[-1])["file"] == first
    assert len(kn.read_batch(done.folder)) == 3


def test_the_page_shows_the_pictures_and_runs_nothing(draw):
    done = draw([kn.Params("<script>alert(1)</script>"), kn.Params("x", guidance=2)])
    page = done.page.read_text()
    assert page.count("<img") == 2 and "<script" not in page and "guidance 2" in page
    assert all(f'src="{name}"' in page for name in pictures(done.folder))


def test_an_empty_folder_is_an_empty_table(tmp_path):
    assert "no pictures" in repr(kn.read_batch(tmp_path))
    with pytest.raises(KandiError, match="there is no folder"):
        kn.read_batch(tmp_path / "none")


# --- a dry run ---


def test_a_dry_run_counts_times_and_writes_nothing(tiny, tmp_path):
    runs = kn.sweep(kn.Params("x", **QUICK), seed=range(3))
    out = tmp_path / "out"
    said = kn.batch(kn.generate, tiny, runs, out=out, dry_run=True, progress=False)
    assert (said.total, said.drawn, said.there) == (3, 3, 0) and said.seconds > 0
    assert not out.exists() and "3 of 3 pictures would be drawn" in repr(said)
    kn.batch(kn.generate, tiny, runs[:2], out=out, progress=False)
    said = kn.batch(kn.generate, tiny, runs, out=out, dry_run=True, progress=False)
    assert (said.drawn, said.there) == (1, 2)


# --- which runs go together ---


def test_runs_of_equal_key_go_together_and_none_is_forgotten():
    runs = Runs(kn.sweep(kn.Params("a"), seed=range(50), steps=[2, 3]), task_call("generate"))
    queue, seen = Queue(runs, size=8), []
    while group := queue.next(100):
        assert len({run.params.steps for run in group}) == 1 and len(group) <= 8
        seen += group
    assert len(seen) == 100 == len({(run.params.seed, run.params.steps) for run in seen})


def test_several_workers_share_out_the_last_runs():
    queue = Queue(
        Runs(kn.sweep(kn.Params("a"), seed=range(64)), task_call("generate")), size=32
    )
    sizes, left = [], 64
    while group := queue.next(left, workers=2):
        sizes.append(len(group))
        left -= len(group)
    assert sizes[0] == 16 and sizes[-1] == 1 and sum(sizes) == 64


def test_groups_grow_while_they_are_quick_and_shrink_when_slow():
    queue = Queue([], size=4)
    queue.took(0.1, [None] * 4)
    assert queue.size == 8
    queue.took(0.1, [None] * 2)
    assert queue.size == 8, "a small group says nothing of larger ones"
    queue.took(100, [None] * 8)
    assert queue.size == 4


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "editt"}, "did you mean edit?"),
        ({"task": 7}, "batch takes a task, such as kn.generate, not 7"),
        ({"task": lambda: None}, "is no task"),
        ({"workers": 0}, "workers is a whole number from 1"),
        ({"workers": True}, "workers is a whole number"),
        ({"retry": -1}, "retry is a whole number from 0"),
        ({"sample": 0}, "sample is a whole number from 1"),
        ({"engine": "spark"}, "unknown engine 'spark'"),
        ({"address": "a:1"}, "an address is that of a Ray cluster"),
        ({"image": "fox.png"}, "generate takes no image"),
        ({"runs": kn.Params()}, "needs a prompt"),
        ({"k": "mini-2.3"}, "unknown model"),
        ({"out": ""}, "out cannot hold the pictures"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_done(tmp_path, options, says):
    given = {"task": "generate", "k": "mini-2.2", "runs": kn.Params("a"), "out": tmp_path / "o"}
    given |= options
    with pytest.raises(KandiError) as error:
        kn.batch(given.pop("task"), given.pop("k"), given.pop("runs"), **given)
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "o").exists() or not pictures(tmp_path / "o")


def test_a_folder_that_cannot_be_written_is_named_first(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KandiError, match=r"out cannot hold the pictures: .*a file"):
        kn.batch(toy.toy, toy.K, toy.runs(1), out=tmp_path / "file" / "out")


def test_a_model_that_lacks_the_task_is_refused_at_once(tiny, tmp_path, monkeypatch):
    roles = {name: role for name, role in tiny.spec.roles.items() if name != "edit"}
    monkeypatch.setattr(tiny, "spec", dataclasses.replace(tiny.spec, roles=roles))
    with pytest.raises(KandiError, match="cannot edit"):
        kn.batch(kn.edit, tiny, kn.Params("a"), out=tmp_path, image=Image.new("RGB", (64, 64)))


def test_workers_say_what_they_cannot_be_handed(tmp_path):
    with pytest.raises(KandiError, match="workers cannot be handed local"):

        def local(k, params):
            """Live in a function, where no other process finds it."""

        kn.batch(local, toy.K, toy.runs(1), out=tmp_path, workers=2)


def test_an_order_travels(tmp_path):
    order = Order(task_call("inpaint"), Source(Description("mini-2.2")), tmp_path)
    assert pickle.loads(pickle.dumps(order)) == order


def test_an_engine_that_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(KandiError, match=r'pip install -e "\S+\[ray\]"; or leave engine'):
        kn.batch(toy.toy, toy.K, toy.runs(1), out=tmp_path, engine="ray")


def test_drivers_never_import_a_task():
    """The task comes as an argument, so the package's own tasks are found by their names."""
    folder = Path(batch_module.__file__).parent
    for path in folder.rglob("*.py"):
        named = re.findall(r"from \.+tasks(\.\w+)* import", path.read_text())
        assert set(named) <= {".checks", ".dry_run"}, path.name


# --- memory ---


def test_memory_stays_flat_over_many_runs(draw):
    draw(toy.runs(100))
    before = psutil.Process().memory_info().rss
    draw(kn.sweep(kn.Params("y"), seed=range(800)))
    assert psutil.Process().memory_info().rss - before < 12 * 2**20


@pytest.mark.soak
def test_memory_stays_flat_over_ten_thousand_toys_and_three_hundred_real_ones(
    draw, tiny, tmp_path
):
    draw(toy.runs(500))
    before = psutil.Process().memory_info().rss
    draw(toy.runs(10_000))
    assert psutil.Process().memory_info().rss - before < 30 * 2**20
    real = kn.sweep(kn.Params("x", **QUICK), seed=range(400))
    kn.batch(kn.generate, tiny, real[:100], out=tmp_path / "real", progress=False)
    before = psutil.Process().memory_info().rss
    kn.batch(kn.generate, tiny, real, out=tmp_path / "real", progress=False)
    assert psutil.Process().memory_info().rss - before < 60 * 2**20


# --- who watches ---


@pytest.mark.parametrize("watched", ["notebook", "terminal", "log", "nobody"])
def test_progress_says_how_many_a_minute_what_is_left_and_failed(draw, monkeypatch, watched):
    from kandi_nb.drivers.batches import progress

    said = []
    monkeypatch.setattr(progress, "place", lambda: watched)
    words = progress.Counts._words

    def heard(self, seconds):
        said.append(words(self, seconds))
        return said[-1]

    monkeypatch.setattr(progress.Counts, "_words", heard)
    page = types.SimpleNamespace(update=lambda *content, **how: None)
    monkeypatch.setattr("IPython.display.display", lambda *shown, **how: page)
    monkeypatch.setattr("kandi_nb.model.progress._REDRAW", 0)
    monkeypatch.setattr("kandi_nb.model.progress._LOG_EVERY", 0)
    draw(toy.runs(3))
    said.clear()
    draw([*toy.runs(9), kn.Params("bad"), *toy.runs(60)[9:]], watch=True)
    if watched == "nobody":
        assert not said
        return
    assert re.search(r"\d+/61 pictures, [\d.e+]+ a minute, \d+ s left", said[-1])
    assert "3 were there" in said[-1] and any("1 failed" in one for one in said)


# --- several processes with a real model ---


def test_two_workers_load_a_model_each_and_draw_what_one_draws(tiny_folder, tmp_path):
    runs = kn.sweep(kn.Params("x", **QUICK), seed=range(6))
    k = kn.load(tiny_folder, device="cpu", scheduler="ddim")  # theirs, too
    done = kn.batch(kn.generate, k, runs, out=tmp_path, workers=2, progress=False)
    assert done.drawn == 6
    assert kn.batch(kn.generate, k, runs, out=tmp_path, progress=False).there == 6


def test_workers_refuse_a_model_that_they_cannot_load_as_it_is(tiny_folder, tmp_path):
    from kandi_nb.drivers.batches.worker import Source

    with pytest.raises(KandiError, match="get scheduler DDPMScheduler, not the Other of yours"):
        given = Description(str(tiny_folder), "cpu")
        Source(given, {"scheduler": "Other", "device": "cuda"}).open()
