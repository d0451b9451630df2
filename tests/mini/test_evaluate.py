"""The evaluation: what it asks for, how it counts, and what the cards say of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

import kandi_nb as kn
from kandi_nb.mini import judge, names
from kandi_nb.mini.captions import canonical
from kandi_nb.mini.evaluation import bars, cards, command, inpaint, mix, text
from kandi_nb.mini.training.stages import CHECKPOINTS, STAGES
from kandi_nb.mini.training.store import record
from kandi_nb.mini.world.render import render, render_many
from kandi_nb.mini.world.scenes import HELD_OUT, Scene, accepted_colours
from kandi_nb.mini.world.vocabulary import ANIMALS, LANGUAGES


def _evaluation(object_share=0.95, seconds=0.8):
    scores = {"object": object_share, "colour": 0.96, "place": 0.97, "headwear": 0.98}
    figures = {f"{who}: {what}": 0.995 for who in ("judge", "MoVQ") for what in judge.HEADS}
    figures |= scores | {"same scene": 0.95, "different scenes": 0.2, "seconds": seconds}
    table = {language: dict(scores) for language in LANGUAGES}
    picture = Image.new("RGB", (64, 64), "red")
    return bars.Evaluation(figures, table, picture, "red and red")


def test_held_out_scenes_are_distinct_and_plain():
    asked = text.held_out(40)
    assert len({scene.triple for scene in asked}) == 40
    assert {scene.triple for scene in asked} <= HELD_OUT
    assert {scene.style for scene in asked} == {"plain"}


def test_scores_count_what_the_judge_sees():
    asked = [
        Scene("frog", "green", "beach"),
        Scene("castle", "blue", "space"),
        Scene("nothing"),
    ]
    asked.append(Scene("bear", "red", "city", "crown"))
    scores = judge.score(judge.read(render_many(asked)), asked)
    assert scores == {"object": 1, "colour": 1, "place": 1, "headwear": 1}
    wrong = [Scene("car", "green", "space"), *asked[1:]]
    scores = judge.score(judge.read(render_many(asked)), wrong)
    assert scores["object"] == scores["place"] == 0.75
    assert scores["headwear"] == 1  # a car has no head: only the bear counts


def test_missed_bars_are_named():
    assert command.missed_bars({names.DECODER: _evaluation()}) == []
    poor = _evaluation(0.85, seconds=2.0)
    poor.figures["MoVQ: object"] = 0.97
    lines = command.missed_bars({names.DECODER: _evaluation(), names.KANDINSKY_3: poor})
    assert len(lines) == 3 and all(line.startswith("kandinsky-3: ") for line in lines)
    assert "kandinsky-3: object 85.0 %, not 90.0 %" in lines
    assert "kandinsky-3: seconds 2.00 s, not 1.50 s" in lines
    table = str(command.table({names.KANDINSKY_3: poor}))
    assert table.count("MISSED") == 3 and "different scenes" in table


def test_every_bar_of_the_family_is_read_somewhere(monkeypatch):
    """No bar is met by a reading that is never made."""
    assert list(CHECKPOINTS) == list(names.FAMILY)
    assert set(command.READERS) == set(cards.KINDS)
    read = {}
    drawn = {"scenes": [], "images": {language: [] for language in LANGUAGES}}
    quick = {
        "read_text": (_evaluation().languages, drawn),
        "language_sheet": None,
        "cosines": {"same scene": 1.0, "different scenes": 0.1},
        "read_judge": {f"judge: {what}": 1.0 for what in judge.HEADS},
        "read_movq": {f"MoVQ: {what}": 1.0 for what in judge.HEADS},
        "seconds_a_picture": 0.1,
        "sharpness": 0.9,
    }
    for function, answer in quick.items():
        monkeypatch.setattr(command, function, lambda *a, answer=answer: answer)

    def blank(count):
        return [Image.new("RGB", (128, 128))] * count

    def edited(k, runs, **inputs):
        return SimpleNamespace(images=blank(len(runs)))

    monkeypatch.setattr(mix, "edit", edited)

    class Drawn:
        family = "2.2"
        size = 128

        k = None

        def params(self, prompts, seeds):
            return [kn.Params(prompt) for prompt in prompts]

        def draw(self, prompts, seeds, *a, **k):
            return blank(len(prompts))

        def repaint(self, prompts, seeds, images, masks):
            return blank(len(prompts))

        def imagine(self, prompts):
            return torch.zeros(len(prompts), 128)

        def see(self, images):
            return self.imagine(images)

    for name, checkpoint in CHECKPOINTS.items():
        read[name] = set(command.READERS[checkpoint.role](Drawn(), 10).figures)
    assert set(bars.BARS) <= set().union(*read.values())
    for name in (names.DECODER, names.DECODER_21, names.KANDINSKY_3):
        wanted = {"object", "colour", "place", "headwear", "seconds", "edit: colour arrives"}
        assert wanted <= read[name]
    for name in (names.PRIOR, names.PRIOR_21):
        assert {"mix: both in the top three", "picture + text"} <= read[name]
    for name in (names.INPAINT, names.INPAINT_21):
        assert {"put there", "kept", "seconds"} <= read[name]
    assert {"silhouette IoU", "depth: colour", "depth: place", "seconds"} <= read[names.DEPTH]


def test_what_draws_128_px_is_read_at_64_px_too(monkeypatch, tmp_path):
    class Family:
        def __init__(self, weights, family, size=None):
            self.size = size or 128

    def read(painter, count):
        return bars.Evaluation(
            {"judge: object": 1.0, "object": 0.95 if painter.size > 64 else 0.8}
        )

    monkeypatch.setattr(command, "Painter", Family)
    monkeypatch.setitem(command.READERS, "decoder", read)
    evaluation = command.evaluate(names.DECODER)
    assert evaluation.size == 128
    assert evaluation.figures == {"judge: object": 1.0, "object": 0.95, "64 px: object": 0.8}
    missed = command.missed_bars({names.DECODER: evaluation})
    assert missed == [f"{names.DECODER}: 64 px: object 80.0 %, not 90.0 %"]
    assert "64 px: object" in str(command.table({names.DECODER: evaluation}))
    cards.write_card(names.DECODER, evaluation, tmp_path, 40)
    card = " ".join((tmp_path / names.DECODER / "README.md").read_text("utf-8").split())
    assert "| 64 px: object | 80.0 % | 90.0 % | **missed** |" in card
    assert "Pictures of 128 x 128 pixels, or of 64 x 64 if asked." in card
    assert command.evaluate(names.DECODER, size=64).figures["object"] == 0.8


def test_sharpness_is_that_of_renders_and_less_of_blurs():
    asked = text.held_out(6)
    again = [replace(scene, seed=scene.seed + 9) for scene in asked]
    for size in (64, 128):
        pictures = [Image.fromarray(render(scene, size).image) for scene in again]
        blurred = [picture.filter(ImageFilter.GaussianBlur(1)) for picture in pictures]
        sharp, dull = (command.sharpness(each, asked) for each in (pictures, blurred))
        assert 0.8 < sharp < 1.25 and dull < 0.5 * sharp


def test_unknown_checkpoints_are_named_with_the_known_ones(tmp_path):
    with pytest.raises(kn.KandiError, match="kandinsky-2-2-decoder-inpaint"):
        command.evaluate("kandinsky-4")
    with pytest.raises(kn.KandiError, match="train"):
        command.evaluate(names.KANDINSKY_3, tmp_path)


def test_cards_say_what_was_measured(tmp_path):
    log = tmp_path / "movq.csv"
    log.write_text("step,seconds,rate,loss\n25,9,1e-3,0.5000\n50,20,1e-3,0.2500\n", "utf-8")
    for stage in ("movq", "clip", "depth-2.2"):
        record.record(stage, log, "1 CPU thread", tmp_path)
    kept = json.loads((tmp_path / "training.json").read_text("utf-8"))
    assert list(kept) == ["movq", "clip", "depth-2.2"] and kept["movq"]["steps"] == 50
    for name in (names.PRIOR, names.DECODER):
        command.keep(name, _evaluation(0.814), tmp_path, 40)
    known = json.loads((tmp_path / command.FILE).read_text("utf-8"))
    assert list(known) == [names.PRIOR, names.DECODER]
    assert known[names.PRIOR]["figures"]["object"] == 0.814
    prior = (tmp_path / names.PRIOR / "README.md").read_text("utf-8")
    decoder = (tmp_path / names.DECODER / "README.md").read_text("utf-8")
    assert "| clip | 50 | 20 | 0.25 | 1 CPU thread | – |" in prior
    assert "| movq | 50 |" in decoder and "| movq | 50 |" not in prior
    assert "| object | 81.4 % | 90.0 % | **missed** |" in decoder
    assert "| place | 97.0 % | 95.0 % | reached |" in decoder
    assert decoder.startswith("---\n") and "prior: [kandinsky-community/" in decoder
    assert "prior: [" not in prior
    for name in (names.PRIOR, names.DECODER):
        assert Image.open(tmp_path / name / cards.SHEET).size == (64, 64)


@pytest.fixture
def read_before_written(monkeypatch):
    """Let two that change one file both read it before either writes, if they can."""
    meeting, write = threading.Barrier(2, timeout=0.5), record.write

    def late(*args, **settings):
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one waits: good
            meeting.wait()
        return write(*args, **settings)

    monkeypatch.setattr(record, "write", late)
    monkeypatch.setattr(command, "write", late)


def test_two_that_end_at_once_are_both_recorded(tmp_path, read_before_written):
    log = tmp_path / "log.csv"
    log.write_text("step,seconds,rate,loss\n50,20,1e-3,0.2500\n", "utf-8")
    stages = ["movq", "clip"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda stage: record.record(stage, log, "a CPU", tmp_path), stages))
    assert set(record.read_records(tmp_path)) == set(stages)


def test_two_evaluations_at_once_are_both_kept(tmp_path, read_before_written):
    def keep(name):
        command.keep(name, _evaluation(), tmp_path, 40)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep, [names.PRIOR, names.DECODER]))
    known = json.loads((tmp_path / command.FILE).read_text("utf-8"))
    assert list(known) == [names.PRIOR, names.DECODER]


def test_the_bundled_cards_are_what_is_written_of_their_figures(tmp_path):
    shutil.copy(names.WEIGHTS / record.FILE, tmp_path)
    known = json.loads((names.WEIGHTS / command.FILE).read_text("utf-8"))
    for name, read in known.items():
        size = read.get("size", 64)
        evaluation = bars.Evaluation(read["figures"], read["languages"], size=size)
        cards.write_card(name, evaluation, tmp_path, 40)
        card = (tmp_path / name / "README.md").read_text("utf-8")
        bundled = (names.WEIGHTS / name / "README.md").read_text("utf-8")
        assert bundled.partition("\n![Contact sheet]")[0] == card


def test_every_stage_stands_in_a_card():
    named = {stage for card in CHECKPOINTS.values() for stage in card.stages.split()}
    assert named == set(STAGES)


def test_the_sheet_has_a_row_a_language_and_the_scenes():
    asked = text.held_out(3)
    images = {language: [Image.new("RGB", (64, 64), "red")] * 6 for language in LANGUAGES}
    sheet = text.language_sheet({"scenes": asked, "images": images}, columns=3, zoom=64)
    assert sheet.size == (3 * 66, 6 * 66)
    bottom = np.asarray(sheet.crop((0, 5 * 66, 64, 5 * 66 + 64)))
    assert (bottom == render(asked[0]).image).all()


def test_inpainting_tasks_ask_for_one_change():
    made = inpaint.tasks(6)
    assert [task.wanted for task in made] == ["headwear"] * 6 + ["object"] * 6 + ["place"] * 6
    for task in made:
        assert task.mask.shape == (64, 64) and 0 < task.mask.mean() < 1
        assert getattr(task.before, task.wanted) != getattr(task.after, task.wanted)
        for what in task.kept:
            assert getattr(task.before, what) == getattr(task.after, what)
        solid = render(task.before).silhouette > 127
        if task.wanted == "place":
            assert not task.mask[solid].any()  # the object is kept
        if task.wanted == "headwear":
            assert task.before.object in ANIMALS
            assert task.mask[solid].mean() < 0.7  # a rabbit's ears are up where its hat goes


def test_inpainting_tasks_are_the_same_at_either_size():
    both = zip(inpaint.tasks(3), inpaint.tasks(3, 128), strict=True)
    for small, large in both:
        assert (small.before, small.after) == (large.before, large.after)
        halved = large.mask.reshape(64, 2, 64, 2).mean((1, 3))
        assert np.abs(halved - small.mask).mean() < 0.03


def test_edits_ask_for_another_colour_of_a_held_out_scene():
    made = mix.edits(40)
    assert len(made) == 40
    for before, after in made:
        assert after.triple in HELD_OUT and after.style == "plain"
        seen = {*accepted_colours(before.object, before.colour)}
        assert not seen & {*accepted_colours(after.object, after.colour)}
        assert (before.object, before.place, before.seed) == (
            after.object,
            after.place,
            after.seed,
        )


def test_pairs_to_mix_are_distinct_things():
    made = mix.pairs(50)
    assert len(made) == 50 and made[:10] == [("cat", "dog")] * 10
    assert all(a != b for a, b in made) and len(set(made[10:])) == 40


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_evaluated_scene_has_a_sentence(language):
    assert len({canonical(scene, language) for scene in text.held_out(40)}) == 40
