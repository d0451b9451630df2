"""The bundled model: it draws what is asked, and plain diffusers scripts run on its export."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.mini import assemble, evaluate, evaluate_inpaint, judge
from kandi_nb.mini.captions import canonical, expects
from kandi_nb.mini.export import export
from kandi_nb.mini.painter import Painter
from kandi_nb.mini.render import render_many
from kandi_nb.mini.vocabulary import LANGUAGES
from kandi_nb.mini.world import scenes

FOX = {
    "en": "A red fox in a snowy forest",
    "ru": "Красная лиса в снежном лесу",
    "zh": "雪林中的红狐狸",
    "de": "Ein roter Fuchs im verschneiten Wald",
    "fr": "Un renard rouge dans une forêt enneigée",
}

SCRIPT = """
import torch
from diffusers import (AutoPipelineForText2Image, KandinskyV22CombinedPipeline,
                       KandinskyV22Pipeline, KandinskyV22PriorPipeline)

prompt = "A red fox in a snowy forest"
prior = KandinskyV22PriorPipeline.from_pretrained("kandinsky-community/kandinsky-2-2-prior")
decoder = KandinskyV22Pipeline.from_pretrained("kandinsky-community/kandinsky-2-2-decoder")
made = prior(prompt, num_inference_steps=10, generator=torch.Generator().manual_seed(0))
image = decoder(image_embeds=made.image_embeds,
                negative_image_embeds=made.negative_image_embeds,
                height=64, width=64, num_inference_steps=25,
                generator=torch.Generator().manual_seed(1)).images[0]
image.save("two-stages.png")
kinds = {"combined": KandinskyV22CombinedPipeline, "auto": AutoPipelineForText2Image}
for name, kind in kinds.items():
    pipe = kind.from_pretrained("kandinsky-community/kandinsky-2-2-decoder")
    assert type(pipe) is KandinskyV22CombinedPipeline, type(pipe)
    pipe(prompt, height=64, width=64, num_inference_steps=25, prior_num_inference_steps=10,
         generator=torch.Generator().manual_seed(1)).images[0].save(f"{name}.png")
"""


@pytest.fixture(scope="module")
def k():
    return kn.load("mini-2.2")


def test_the_judge_reads_unseen_renders():
    asked = [*scenes(150, salt="test"), *scenes(150, held_out=True, salt="test")]
    scores = judge.score(judge.read(render_many(asked)), asked)
    assert set(scores) == set(judge.HEADS)
    assert min(scores.values()) >= 0.98, scores


def test_the_judge_does_not_see_a_fox_everywhere():
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    wrong = [
        scene for scene in scenes(200, salt="test") if scene.object not in ("fox", "nothing")
    ]
    readings = judge.read(render_many(wrong))
    assert sum(reading.object == "fox" for reading in readings) <= 2
    assert all(0 <= r.chances["object"]["fox"] <= 1 for r in judge.read(noise))
    assert judge.read([]) == []


def test_a_reading_accepts_a_natural_look_under_either_name():
    reading = judge.read(render_many(list(scenes(1, salt="test"))))[0]
    frog = judge.Reading("frog", "natural", "beach", "none", reading.chances)
    assert frog.agrees(object="frog", colour="green") == {"object": True, "colour": True}
    assert frog.agrees(colour="red", place="beach") == {"colour": False, "place": True}
    assert reading.top("object", 1) == [reading.object]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_claimed_prompt_is_drawn_in_every_language(k, language):
    result = kn.generate(k, kn.Params(FOX[language], seed=1, count=4), progress=False)
    asked = expects(FOX[language])
    assert asked["object"] == "fox" and asked["place"] == "snowy_forest"
    right = [judge.Reading.agrees(r, **asked) for r in judge.read(result.images)]
    for what in ("object", "colour", "place"):
        assert sum(r[what] for r in right) >= 3, (what, right)


def test_held_out_scenes_are_drawn_right(k):
    asked = evaluate.held_out(16, salt="quick")
    runs = [kn.Params(canonical(s, LANGUAGES[i % 5]), seed=i) for i, s in enumerate(asked)]
    scores = judge.score(judge.read(kn.generate(k, runs, progress=False).images), asked)
    assert scores["object"] >= 0.7 and scores["colour"] >= 0.8 and scores["place"] >= 0.85, (
        scores
    )


def test_another_seed_is_another_picture_of_the_same_scene(k):
    result = kn.generate(k, kn.Params(FOX["en"], seed=5, count=2), progress=False)
    first, second = (np.asarray(image, int) for image in result.images)
    assert abs(first - second).mean() > 3


def test_plain_diffusers_scripts_run_on_the_export(tmp_path):
    made = export(tmp_path)
    names = [assemble.DECODER, assemble.INPAINT, assemble.PRIOR]
    assert [path.name for path in made] == names
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    from PIL import Image

    images = [Image.open(tmp_path / f"{n}.png") for n in ("two-stages", "combined", "auto")]
    assert [image.size for image in images] == [(64, 64)] * 3
    readings = judge.read(images)
    assert sum(r.object == "fox" for r in readings) >= 2
    assert all(r.place == "snowy_forest" for r in readings)


def test_export_overwrites_nothing(tmp_path):
    export(tmp_path)
    marked = tmp_path / "kandinsky-community" / assemble.PRIOR / "model_index.json"
    marked.write_text("mine")
    with pytest.raises(kn.KandiError, match="exists already"):
        export(tmp_path)
    assert marked.read_text() == "mine"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(kn.KandiError, match="cannot write"):
        export(blocked)


def test_the_exported_folder_loads_like_the_bundled_one(tmp_path, k):
    export(tmp_path)
    other = kn.load(tmp_path)
    params = kn.Params(FOX["en"], steps=4, prior_steps=4)
    ours = np.asarray(kn.generate(k, params, progress=False).images[0], int)
    theirs = np.asarray(kn.generate(other, params, progress=False).images[0], int)
    assert abs(ours - theirs).max() <= 1


def test_tokenizers_give_the_same_ids_after_saving(tmp_path, k):
    from transformers import CLIPTokenizer

    tokenizer = k.prior.tokenizer
    texts = [*FOX.values(), "a purple hippopotamus 🦛 über alles", ""]
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again(texts).input_ids == tokenizer(texts).input_ids
    older = CLIPTokenizer(
        str(assemble.WEIGHTS / assemble.PRIOR / "tokenizer" / "vocab.json"),
        str(assemble.WEIGHTS / assemble.PRIOR / "tokenizer" / "merges.txt"),
    )
    assert older(texts).input_ids == tokenizer(texts).input_ids


def test_weights_are_small_and_without_pickles():
    files = [path for path in assemble.WEIGHTS.rglob("*") if path.is_file()]
    weights = [path for path in files if path.suffix == ".safetensors"]
    assert len(weights) == 8  # judge; prior, text, picture encoder; UNet and MoVQ twice
    inpainting = assemble.WEIGHTS / assemble.INPAINT
    first = [path for path in files if inpainting not in path.parents]
    assert sum(path.stat().st_size for path in first) <= 35e6
    once = {hashlib.sha256(path.read_bytes()).digest(): path.stat().st_size for path in files}
    assert sum(once.values()) <= 90e6
    movqs = {path.read_bytes() for path in weights if path.parent.name == "movq"}
    assert len(movqs) == 1  # git stores it once
    assert max(path.stat().st_size for path in files) <= 25e6
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".txt", ".md", ".png", ""}
    assert [p.name for p in files if not p.suffix] == ["SHA256SUMS"] * 3


def test_inpainting_puts_it_there_and_keeps_the_rest():
    figures, drawn = evaluate_inpaint.read_inpaint(Painter(), 3)
    assert len(drawn) == 9
    assert figures["put there"] >= 0.7 and figures["kept"] >= 0.8, figures


def test_cards_hold_figures_and_name_the_prior():
    for name in (assemble.PRIOR, assemble.INPAINT, assemble.DECODER):
        text = (assemble.WEIGHTS / name / "README.md").read_text("utf-8")
        assert "license: apache-2.0" in text and "## How good it is" in text and " % |" in text
        assert "not the published model" in text
    assert "prior: [kandinsky-community/kandinsky-2-2-prior]" in text
    assert (
        Path(assemble.WEIGHTS) / assemble.DECODER / "contact-sheet.png"
    ).stat().st_size > 10_000


@pytest.mark.slow
def test_inpainting_reaches_its_bars():
    figures, _ = evaluate_inpaint.read_inpaint(Painter(), 40)
    assert all(figures[what] >= evaluate_inpaint.BARS[what] for what in ("put there", "kept"))


@pytest.mark.slow
def test_every_bar_is_reached():
    figures, _ = evaluate.evaluate()
    assert evaluate.missed(figures) == []
    assert figures["same scene"] > figures["different scenes"] + 0.2
