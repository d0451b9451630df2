"""Teaching: the loop on tiny models, what is asked of pictures and numbers, kills and stops."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import threading
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kandi_nb as kn
from kandi_nb.tasks.teaching import prepared as preparing
from kandi_nb.tasks.teaching.checker import _chances, _train
from kandi_nb.tasks.teaching.dataset import read_dataset
from kandi_nb.tasks.teaching.losses import diffusion_loss
from kandi_nb.tasks.teaching.training import read_checkpoint
from kandi_nb.words.errors import KandiError, KandiWarning

QUICK = kn.Params("a fox", steps=2, prior_steps=2, seed=3)
FEW = {"prior": 3, "decoder": 3}
SMALL = {"batch": 2, "rank": 2, "keep": False, "progress": False}


def squares(count=4, size=(64, 64)):
    """Pictures with a square somewhere, and their captions."""
    pictures, captions = [], []
    for n in range(count):
        picture = Image.effect_noise(size, 20).convert("RGB")
        picture.paste((200, 30 * n, 20), (8 + 4 * n, 8, 32 + 4 * n, 40))
        pictures.append(picture)
        captions.append(f"a square number {n}")
    return pictures, captions


def pixels(k, params=QUICK):
    return np.asarray(kn.generate(k, params, progress=False)[0]).astype(int)


@pytest.fixture(scope="module")
def taught(tiny):
    return kn.teach(tiny, *squares(), steps=FEW, snapshots=2, **SMALL)


def test_teaching_changes_the_adapter_alone(tiny):
    tiny.forget()  # embeddings of another test's batch are rounded in another way
    before = pixels(tiny)
    weights = {n: w.clone() for n, w in tiny.decoder.unet.state_dict().items()}
    adapter = kn.teach(tiny, *squares(), steps=FEW, **SMALL)
    assert adapter.parts == ["prior", "decoder"]
    assert any(pair.up.abs().max() > 0 for pair in adapter.weights["decoder"].values())
    assert any(pair.up.abs().max() > 0 for pair in adapter.weights["prior"].values())
    tiny.forget()
    assert (pixels(tiny) == before).all()
    after = tiny.decoder.unet.state_dict()
    assert weights.keys() == after.keys(), "nothing of peft is left on the network"
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    assert (pixels(tiny.with_adapter(adapter, 0)) == before).all()


def test_the_loss_falls(tiny):
    adapter = kn.teach(
        tiny, *squares(2), steps={"decoder": 40}, parts="decoder", rate=0.02, **SMALL
    )
    losses = [row["loss"] for row in adapter.losses]
    assert losses[-1] < losses[0]
    assert adapter.parts == ["decoder"] and list(adapter.losses[0]) == [
        *("part", "step", "seconds", "loss")
    ]


def test_the_same_seed_teaches_the_same_and_no_others_chance_is_used(tiny, taught):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again = kn.teach(tiny, *squares(), steps=FEW, **SMALL)
    assert torch.equal(torch.rand(3), expected)
    assert again.card["losses"] == again.card["losses"]
    # Squares lie on noise, which is another each time: teach the same pictures.
    pictures = squares()
    one, two, other = (
        kn.teach(tiny, *pictures, steps=FEW, seed=seed, **SMALL) for seed in (1, 1, 2)
    )
    assert one.mark == two.mark != other.mark


def test_a_card_says_how_it_came_about(tiny, taught, tmp_path):
    card = taught.card
    assert card["steps"] == FEW and card["model"] == tiny.spec.key
    assert len(card["pictures"]) == 4 and card["seconds"] > 0
    assert "square" in taught.words
    assert card["revision"] == {part: tiny.revision[part] for part in FEW}
    again = kn.Adapter.load(taught.save(tmp_path / "s.safetensors"))
    assert again.card == json.loads(json.dumps(card)) and again.mark == taught.mark
    assert (pixels(tiny.with_adapter(again)) == pixels(tiny.with_adapter(taught))).all()


def test_snapshots_are_states_on_the_way(taught):
    assert len(taught.snapshots) == 2
    assert taught.snapshots[0].mark != taught.snapshots[1].mark == taught.mark


def test_the_scale_of_a_teaching_is_inside_the_adapter(tiny):
    pictures = squares()
    adapter = kn.teach(tiny, *pictures, steps=FEW, scale=2, **SMALL)
    assert np.abs(pixels(tiny.with_adapter(adapter)) - pixels(tiny)).max() > 0
    assert adapter.card["scale"] == 2


@pytest.mark.parametrize("part", ["prior", "decoder"])
def test_checkpointing_activations_changes_no_loss(tiny, part):
    pictures = squares()
    same = {"steps": {part: 3}, "parts": part, **SMALL}
    one, other = (
        kn.teach(tiny, *pictures, checkpointing=on, **same).losses.rows for on in (False, True)
    )
    assert one[-1]["loss"] == pytest.approx(other[-1]["loss"], abs=1e-4)


def test_2_1_is_taught_with_its_own_reading_of_the_text(tiny21_folder):
    k = kn.load(tiny21_folder, device="cpu")
    before = pixels(k)
    adapter = kn.teach(k, *squares(), steps=FEW, mirrored=True, **SMALL)
    assert np.abs(pixels(k.with_adapter(adapter)) - before).max() > 0
    assert (pixels(k) == before).all()


def test_a_memory_plan_teaches_the_same(tiny, tiny_folder):
    pictures = squares()
    k = kn.load(tiny_folder, device="cpu", memory="prior-first")
    there = kn.teach(k, *pictures, steps=FEW, **SMALL)
    here = kn.teach(tiny, *pictures, steps=FEW, **SMALL)
    for part in FEW:
        for place, pair in here.weights[part].items():
            assert torch.allclose(there.weights[part][place].up, pair.up, atol=1e-4)
    with pytest.raises(KandiError, match="keeps weights in fewer bits"):
        kn.teach(kn.load(tiny_folder, device="cpu", memory="resident+fp8"), *pictures)


def test_what_is_to_be_kept_moves_less(tiny):
    pictures, kept = squares(2), ["a dog", "a cat"]
    how = {"steps": {"prior": 30}, "parts": "prior", "rate": 0.02}
    wild, tame = (
        tiny.with_adapter(kn.teach(tiny, *pictures, **how, **SMALL | {"keep": keep}))
        for keep in (False, kept)
    )
    before, free, held = (kn.embed(k, kept).tensor for k in (tiny, wild, tame))
    assert (held - before).norm() < 0.8 * (free - before).norm()


@pytest.mark.parametrize(
    ("keep", "message"),
    [("a dog", "keep is True, False or a list"), ([3], "list of texts"), ([" "], "empty text")],
)
def test_bad_texts_to_keep_are_named(tiny, keep, message):
    with pytest.raises(KandiError, match=message):
        kn.teach(tiny, *squares(2), steps=FEW, **SMALL | {"keep": keep})


def test_pictures_of_any_size_are_taught_in_batches_of_one_shape(tiny):
    wide, texts = squares(2, (200, 80))
    square, more = squares(2)
    adapter = kn.teach(tiny, wide + square, texts + more, steps=FEW, **SMALL)
    assert adapter.card["steps"] == FEW


def test_embeddings_and_latents_are_computed_once(tiny, monkeypatch):
    looks = []
    look = preparing.latents_of
    monkeypatch.setattr(preparing, "latents_of", lambda *words: looks.append(1) or look(*words))
    kn.teach(tiny, *squares(3), steps=FEW, mirrored=True, **SMALL)
    assert len(looks) == 6, "each picture and its mirror image, however many steps"


@pytest.mark.filterwarnings("ignore:stopped; number holds")
def test_a_stop_keeps_what_was_learned(tiny, tmp_path):
    class AfterAWhile:
        asked = 0

        def is_set(self):
            self.asked += 1
            return self.asked > 20

    with pytest.warns(KandiWarning, match="holds what was learned until then"):
        adapter = kn.teach(
            tiny, *squares(), steps=50, parts="decoder", stop=AfterAWhile(),
            folder=tmp_path, **SMALL,
        )  # fmt: skip
    assert 5 < adapter.card["steps"]["decoder"] < 50
    assert (tmp_path / "adapter.safetensors").exists()
    stop = threading.Event()
    stop.set()
    with pytest.raises(kn.Cancelled):
        kn.teach(tiny, *squares(), steps=5, stop=stop, **SMALL)


def test_previews_are_drawn_with_what_is_learned_until_then(tiny):
    seen = []
    kn.teach(
        tiny, *squares(2), steps={"decoder": 3}, parts="decoder", preview=1e-6,
        on_preview=lambda pictures, share: seen.append((len(pictures), share)), **SMALL,
    )  # fmt: skip
    assert seen[0][0] == 2 and seen[-1][1] == 1


KILLED = """
import sys, os
import kandi_nb as kn
from kandi_nb.tasks.teaching import training
from test_teach import FEW, SMALL
k = kn.load(sys.argv[1], device="cpu")
training.SAVED = 0.0
steps = 0
step = training.Training.step
def counted(self):
    global steps
    step(self)
    steps += 1
    if steps == 5:
        os._exit(9)
training.Training.step = counted
kn.teach(k, sys.argv[2], steps={"prior": 3, "decoder": 6}, folder=sys.argv[3], **SMALL)
"""


@pytest.fixture
def lesson_folder(tmp_path):
    folder = tmp_path / "squares"
    folder.mkdir()
    for number, (picture, caption) in enumerate(zip(*squares(), strict=True)):
        picture.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption + "\n")
    return folder


def test_killed_in_the_middle_it_goes_on_to_the_same_loss(
    tiny, tiny_folder, lesson_folder, tmp_path, quick_python
):
    steps = {"prior": 3, "decoder": 6}
    words = [str(tiny_folder), str(lesson_folder), str(tmp_path / "kept")]
    done = subprocess.run(
        [*quick_python, "-c", KILLED, *words], cwd=Path(__file__).parent, timeout=120
    )
    assert done.returncode == 9
    assert (tmp_path / "kept" / "decoder.checkpoint.safetensors").exists()
    resumed = kn.teach(tiny, lesson_folder, steps=steps, folder=tmp_path / "kept", **SMALL)
    whole = kn.teach(tiny, lesson_folder, steps=steps, **SMALL)
    assert resumed.card["steps"] == steps
    assert [row["loss"] for row in resumed.losses] == [row["loss"] for row in whole.losses]
    assert resumed.mark == whole.mark
    more = kn.teach(
        tiny, lesson_folder, steps={**steps, "decoder": 8}, folder=tmp_path / "kept", **SMALL
    )
    assert more.card["steps"]["decoder"] == 8, "more steps go on further"
    with pytest.raises(KandiError, match="holds the teaching of other pictures, captions"):
        kn.teach(tiny, *squares(2), steps=steps, folder=tmp_path / "kept", **SMALL)


def test_a_damaged_checkpoint_is_named(tiny, lesson_folder, tmp_path):
    kept = tmp_path / "kept"
    kn.teach(tiny, lesson_folder, steps=FEW, folder=kept, **SMALL)
    file = kept / "decoder.checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(KandiError, match=r"no whole checkpoint .* remove it to begin anew"):
        kn.teach(tiny, lesson_folder, steps=FEW, folder=kept, **SMALL)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "decoder.checkpoint.safetensors")
    with pytest.raises(KandiError, match="is a device, no file"):
        read_checkpoint(tmp_path / "decoder.checkpoint.safetensors")


def test_one_folder_is_for_one_teaching_at_a_time(tiny, lesson_folder, tmp_path):
    from filelock import FileLock

    with (
        FileLock(tmp_path / ".teaching.lock"),
        pytest.raises(KandiError, match="another teaching is at work"),
    ):
        kn.teach(tiny, lesson_folder, steps=FEW, folder=tmp_path, **SMALL)


def test_words_that_were_taught_are_no_longer_called_unknown(recwarn):
    k = kn.load("mini-2.2")
    adapter = kn.teach(
        k,
        squares(2)[0],
        ["a snowman on a beach"] * 2,
        steps={"prior": 1},
        parts="prior",
        **SMALL,
    )
    assert adapter.name == "snowman" and adapter.words == ["snowman"]
    params = kn.Params("a snowman in space", steps=2, prior_steps=2)
    recwarn.clear()
    kn.generate(k.with_adapter(adapter), params, progress=False)
    assert not [w for w in recwarn if "snowman" in str(w.message)]
    for unaware in (k, k.with_adapter(adapter, 0)):
        with pytest.warns(KandiWarning, match="has not learned “snowman”"):
            kn.generate(unaware, params, progress=False)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt", "given"])
@pytest.mark.filterwarnings("ignore:left out of")
def test_a_folder_has_its_captions_in_any_of_three_ways(tmp_path, kind):
    pictures, captions = squares(3)
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    (tmp_path / "notes.md").write_text("no picture")
    rows = [(f"{n}.png", caption) for n, caption in enumerate(captions)]
    if kind == "jsonl":
        lines = [json.dumps({"file": f, "caption": c}) for f, c in rows]
        (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    elif kind == "csv":
        with (tmp_path / "captions.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "caption"), *rows])
    elif kind == "txt":
        for name, caption in rows:
            (tmp_path / name).with_suffix(".txt").write_text(caption)
    lessons = read_dataset(tmp_path, captions if kind == "given" else None)
    assert [(each.name, each.caption) for each in lessons] == rows


def test_captions_of_two_lines_and_names_as_other_systems_write_them(tmp_path):
    name = unicodedata.normalize("NFD", "Füchsin.png")
    folder = folder_with(
        tmp_path,
        {
            name: PICTURE, "b.png": PICTURE, "c.png": PICTURE,
            "captions.csv": "\ufefffile;caption;;\r"
            'Füchsin.png;"a snowman\nin space";;\r.\\b.png;a, b\r;;;\r"""c.png""";c\r',
        },
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lessons = read_dataset(folder)
    assert {each.name: each.caption for each in lessons} == {
        name: "a snowman in space", "b.png": "a, b", "c.png": "c"
    }  # fmt: skip


@pytest.mark.parametrize("captions", [None, "a square"])
@pytest.mark.filterwarnings("ignore:one picture is little to learn from")
def test_what_a_folder_holds_besides_is_named(tmp_path, captions):
    files = {"a.png": PICTURE, "a.txt": "a", ".hidden": "", "Thumbs.db": ""}
    files |= {"b.heic": "", "c.avif": "", "d.txt": "d"}
    (tmp_path / "more").mkdir()
    with pytest.warns(KandiWarning, match="left out of") as heard:
        read_dataset(folder_with(tmp_path, files), captions)
    left = str(heard[0].message).partition("; read are")[0]
    named = {"b.heic", "d.txt", "more"} | ({"a.txt"} if captions else set())
    assert (
        all(name in left for name in named) and "Thumbs" not in left and ".hidden" not in left
    )
    assert ("a.txt" in left) == bool(captions)


@pytest.mark.filterwarnings("ignore:one picture is little to learn from")
def test_a_second_table_and_captions_of_other_files_are_named(tmp_path):
    table = "image,text,split\na.png,a,train\nb.heic,b,train\n"
    folder = folder_with(
        tmp_path, {"a.png": PICTURE, "b.heic": "", "captions.csv": table, "metadata.jsonl": ""}
    )
    with pytest.warns(KandiWarning, match=r"left out of .*: b\.heic, metadata\.jsonl; read"):
        assert len(read_dataset(folder)) == 1


def folder_with(tmp_path, files):
    for name, held in files.items():
        if isinstance(held, str):
            (tmp_path / name).write_text(held)
        else:
            held.save(tmp_path / name)
    return tmp_path


PICTURE = Image.new("RGB", (64, 64), "red")
BAD_FOLDERS = {
    "empty": ({}, "holds no pictures"),
    "no captions": (
        {f"{n}.png": PICTURE for n in range(4)} | {"0.txt": "a square"},
        r"captions are missing for 1\.png, 2\.png, 3\.png; write them",
    ),
    "strange": (
        {"a.png": PICTURE, "captions.csv": "file,caption\na.png,a\nb.png,b\n"},
        r"captions\.csv, row 3, has a caption for 'b\.png', but there is no such",
    ),
    "no picture": ({"a.png": "hello", "a.txt": "a square"}, "no picture that can be read"),
    "no json": (
        {"a.png": PICTURE, "captions.jsonl": "{"},
        r"captions\.jsonl, row 1: this is no JSON",
    ),
    "commas": (
        {"a.png": PICTURE, "captions.csv": "file,caption\na.png,a snowman, white, in space\n"},
        "row 2: 4 cells below 2 columns, the first too many ' white'; put quotes around",
    ),
    "a column twice": (
        {"a.png": PICTURE, "captions.csv": "file,caption,caption\na.png,a,b\n"},
        "'caption' stands there twice",
    ),
    "two captions": (
        {"a.png": PICTURE, "captions.csv": "file,caption\na.png,a\n./a.png,b\n"},
        r"two captions for \./a\.png",
    ),
    "no columns": (
        {"a.png": PICTURE, "captions.csv": "x,y\n1,2\n"},
        "needs a file and a caption",
    ),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_folders_are_named(tiny, tmp_path, case):
    files, message = BAD_FOLDERS[case]
    with pytest.raises(KandiError, match=message):
        kn.teach(tiny, folder_with(tmp_path, files))


@pytest.mark.parametrize(
    ("pictures", "captions", "more", "message"),
    [
        ([], [], {}, "there are no pictures"),
        ("nowhere", None, {}, "there is no folder nowhere"),
        ([PICTURE], None, {}, "pictures need captions"),
        ([PICTURE] * 2, ["a"], {}, "1 captions do not go with 2 pictures"),
        ([PICTURE] * 3, ["a", " ", None], {}, "captions are missing for picture 2, picture 3"),
        ([PICTURE], [7], {}, "the caption of picture 1 is a text, not 7"),
        (["hello"], ["a"], {}, "hello does not exist"),
        ([PICTURE], "a", {"minutes": 0}, "minutes is a number above 0"),
        ([PICTURE], "a", {"minutes": -1}, "minutes is a number above 0"),
        ([PICTURE], "a", {"minutes": math.nan}, "minutes is a number above 0"),
        ([PICTURE], "a", {"steps": 0}, "steps are a whole number from 1"),
        ([PICTURE], "a", {"steps": {"decoder": 3}}, "but the parts are prior, decoder"),
        ([PICTURE], "a", {"parts": "movq"}, "parts are prior, decoder or both"),
        ([PICTURE], "a", {"rank": 0}, "rank is a whole number from 1"),
        ([PICTURE], "a", {"rate": "fast"}, "rate is a number above 0"),
        ([PICTURE], "a", {"stop": 3}, "stop is a threading.Event"),
    ],
)
def test_what_cannot_be_taught_is_said_before_any_work(tiny, pictures, captions, more, message):
    with pytest.raises(KandiError, match=message) as error:
        kn.teach(tiny, pictures, captions, **more)
    assert "\n" not in str(error.value)


def test_kandinsky_3_a_model_with_an_adapter_and_a_missing_peft_are_refused(
    tiny, tiny3_folder, taught, monkeypatch
):
    with pytest.raises(KandiError, match="takes no adapters: diffusers reads no LoRA"):
        kn.teach(kn.load(tiny3_folder, device="cpu"), *squares())
    with pytest.raises(KandiError, match="teach the model itself"):
        kn.teach(tiny.with_adapter(taught), *squares())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(KandiError, match=r"pip install -e .*\[teach\]"):
        kn.teach(tiny, *squares())


def test_one_picture_is_enough_and_warned_of(tiny):
    with pytest.warns(KandiWarning, match="one picture is little"):
        adapter = kn.teach(tiny, *squares(1), steps=FEW, **SMALL)
    assert adapter.card["steps"] == FEW


def test_a_caption_beyond_the_limit_is_warned_of(tiny):
    pictures, _ = squares(2)
    with pytest.warns(KandiWarning, match="reads at most 77 tokens"):
        kn.teach(tiny, pictures, ["a square " * 30, "a square"], steps=FEW, **SMALL)


def test_a_loss_that_is_no_number_ends_the_teaching(tiny):
    with pytest.raises(KandiError, match=r"the loss of the decoder is .* more slowly: rate="):
        kn.teach(tiny, *squares(2), steps={"decoder": 60}, parts="decoder", rate=1e18, **SMALL)


def test_the_bundled_models_are_trained_by_the_same_loss():
    from kandi_nb.mini.training.losses import decoder

    assert decoder.diffusion_loss is diffusion_loss


def test_a_checker_learns_what_can_be_told_and_admits_what_cannot():
    draw = torch.Generator().manual_seed(0)
    rows, others = torch.randn(40, 8, generator=draw), torch.randn(80, 8, generator=draw)
    guess = _train(None, rows, others)
    assert guess.right < 0.75, "there is nothing to tell them by"
    rows[:, 3] += 6
    sure = _train(None, rows, others)
    assert sure.right > 0.95
    assert (_chances(sure.weights, rows) > 0.5).float().mean() > 0.95
    assert (_chances(sure.weights, others) > 0.5).float().mean() < 0.05


def test_a_checker_tells_what_it_was_shown(tiny):
    pictures, captions = squares(6)
    judge = kn.checker(tiny, pictures, captions, against=["a dog", PICTURE], progress=False)
    assert judge.shown == 12 and judge.others == 12 + 4
    assert 0 <= judge.right <= 1 and f"{judge.right:.0%}" in repr(judge)
    assert len(judge.chances(pictures)) == 6
    table = judge.compare(
        {"before": tiny}, {"trained": captions[:2]}, QUICK.replace(count=2), progress=False
    )
    assert table[0]["pictures"] == 4 and 0 <= table[0]["before"] <= 1
    with pytest.raises(KandiError, match="takes models and prompts by name"):
        judge.compare({}, {})
