"""The evaluation: what it asks for, how it counts, and what the cards say of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from kandi_nb.mini import assemble, cards, evaluate, evaluate_inpaint, judge
from kandi_nb.mini.render import render, render_many
from kandi_nb.mini.vocabulary import ANIMALS, LANGUAGES
from kandi_nb.mini.world import HELD_OUT, Scene


def _figures(object_share=0.95):
    scores = {"object": object_share, "colour": 0.96, "place": 0.97, "headwear": 0.98}
    figures = {f"{who}, {what}": 0.995 for who in ("judge", "MoVQ") for what in judge.HEADS}
    figures |= {"languages": {language: dict(scores) for language in LANGUAGES}}
    return figures | {"same scene": 0.95, "different scenes": 0.2, "seconds a picture": 0.8}


def test_held_out_scenes_are_distinct_and_plain():
    asked = evaluate.held_out(40)
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
    assert evaluate.missed(_figures()) == []
    figures = _figures()
    figures["languages"]["ru"]["colour"] = 0.5
    figures["MoVQ, object"] = 0.97
    lines = evaluate.missed(figures)
    assert len(lines) == 2
    assert "MoVQ, object: 0.970 < 0.98" in lines and "Русский" in "".join(lines)


def test_cards_say_what_was_measured(tmp_path):
    log = tmp_path / "movq.csv"
    log.write_text("step,seconds,rate,loss\n25,9,1e-3,0.5000\n50,20,1e-3,0.2500\n", "utf-8")
    cards.record("movq", log, "1 CPU thread", tmp_path)
    cards.record("clip", log, "1 CPU thread", tmp_path)
    kept = json.loads((tmp_path / "training.json").read_text("utf-8"))
    assert list(kept) == ["movq", "clip"] and kept["movq"]["steps"] == 50
    cards.write_cards(tmp_path, _figures(0.914), scenes=40)
    prior = (tmp_path / assemble.PRIOR / "README.md").read_text("utf-8")
    decoder = (tmp_path / assemble.DECODER / "README.md").read_text("utf-8")
    assert "91.4 %" in prior and "| movq | 50 | 20 | 0.25 | 1 CPU thread |" in prior
    assert "contact-sheet.png" in decoder and "contact-sheet.png" not in prior
    assert decoder.startswith("---\n") and "prior: [kandinsky-community/" in decoder


def test_the_sheet_has_a_row_a_language_and_the_scenes():
    asked = evaluate.held_out(3)
    images = {language: [Image.new("RGB", (64, 64), "red")] * 6 for language in LANGUAGES}
    sheet = evaluate.sheet({"scenes": asked, "images": images}, columns=3, zoom=64)
    assert sheet.size == (3 * 66, 6 * 66)
    bottom = np.asarray(sheet.crop((0, 5 * 66, 64, 5 * 66 + 64)))
    assert (bottom == render(asked[0]).image).all()


def test_inpainting_tasks_ask_for_one_change():
    made = evaluate_inpaint.tasks(6)
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_evaluated_scene_has_a_sentence(language):
    from kandi_nb.mini.captions import canonical

    assert len({canonical(scene, language) for scene in evaluate.held_out(40)}) == 40
