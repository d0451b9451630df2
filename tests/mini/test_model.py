"""The bundled model: it draws what is asked, and plain diffusers scripts run on its export."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.mini import judge, names
from kandi_nb.mini.captions import canonical, expects
from kandi_nb.mini.evaluation import bars, command, inpaint, mix, text
from kandi_nb.mini.evaluation.painter import painter
from kandi_nb.mini.export import export
from kandi_nb.mini.world.render import render_many
from kandi_nb.mini.world.scenes import scenes
from kandi_nb.mini.world.vocabulary import LANGUAGES

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
    asked = text.held_out(16, salt="quick")
    runs = [kn.Params(canonical(s, LANGUAGES[i % 5]), seed=i) for i, s in enumerate(asked)]
    scores = judge.score(judge.read(kn.generate(k, runs, progress=False).images), asked)
    assert scores["object"] >= 0.7 and scores["colour"] >= 0.8 and scores["place"] >= 0.85, (
        scores
    )


def test_another_seed_is_another_picture_of_the_same_scene(k):
    result = kn.generate(k, kn.Params(FOX["en"], seed=5, count=2), progress=False)
    first, second = (np.asarray(image, int) for image in result.images)
    assert abs(first - second).mean() > 3


def test_plain_diffusers_scripts_run_on_the_export(tmp_path, monkeypatch):
    made = export(tmp_path)
    assert [path.name for path in made] == sorted(names.FAMILY)
    monkeypatch.chdir(tmp_path)  # in a process of its own every class runs in test_pipelines
    exec(compile(SCRIPT, "script.py", "exec"), {})
    from PIL import Image

    images = [Image.open(tmp_path / f"{n}.png") for n in ("two-stages", "combined", "auto")]
    assert [image.size for image in images] == [(64, 64)] * 3
    readings = judge.read(images)
    assert sum(r.object == "fox" for r in readings) >= 2
    assert all(r.place == "snowy_forest" for r in readings)


def test_export_overwrites_nothing(tmp_path):
    export(tmp_path)
    marked = tmp_path / "kandinsky-community" / names.PRIOR / "model_index.json"
    marked.write_text("mine")
    with pytest.raises(kn.KandiError, match="exists already"):
        export(tmp_path)
    assert marked.read_text() == "mine"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(kn.KandiError, match="cannot write"):
        export(blocked)


def test_the_export_command_says_in_one_line_what_is_wrong(tmp_path, capsys):
    from kandi_nb.mini.export import main

    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(names.FAMILY)
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2 and "exists already" in capsys.readouterr().err


def test_the_exported_folder_loads_like_the_bundled_one(tmp_path, k):
    export(tmp_path)
    with pytest.raises(kn.KandiError, match="several models"):
        kn.load(tmp_path)
    other = kn.load(tmp_path / "kandinsky-community" / names.DECODER)
    params = kn.Params(FOX["en"], steps=4, prior_steps=4)
    ours = np.asarray(kn.generate(k, params, progress=False).images[0], int)
    theirs = np.asarray(kn.generate(other, params, progress=False).images[0], int)
    assert abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("name", [names.DECODER_21, names.KANDINSKY_3])
def test_the_package_draws_with_the_other_families(name):
    """By the folder, as the published ones: no key of the registry names them yet."""
    other = kn.load(names.WEIGHTS / name)
    params = kn.Params(FOX["de"], width=64, height=64, seed=1, count=4)
    result = kn.generate(other, params, progress=False)
    asked = expects(FOX["de"])
    right = [reading.agrees(**asked) for reading in judge.read(result.images)]
    for what in ("object", "colour", "place"):
        assert sum(r[what] for r in right) >= 3, (what, right)


STRANGE = [*FOX.values(), "a purple hippopotamus 🦛 über alles", "ЛИСА，в  космосе!", ""]


@pytest.mark.parametrize(
    "name, kind",
    [
        (names.PRIOR, "CLIPTokenizer"),
        (names.DECODER_21, "XLMRobertaTokenizer"),
        (names.INPAINT_21, "XLMRobertaTokenizerFast"),
        (names.KANDINSKY_3, "T5Tokenizer"),
    ],
)
def test_tokenizers_give_the_same_ids_after_saving(tmp_path, name, kind):
    import transformers

    kind = getattr(transformers, kind)
    tokenizer = kind.from_pretrained(names.WEIGHTS / name / "tokenizer")
    tokenizer.save_pretrained(tmp_path)
    ids = tokenizer(STRANGE).input_ids
    assert len(set(map(tuple, ids))) == len(STRANGE)
    assert kind.from_pretrained(tmp_path)(STRANGE).input_ids == ids


def test_older_files_of_the_tokenizers_give_the_same_ids():
    """transformers 4 reads vocab.json and merges.txt, or the SentencePiece file."""
    import sentencepiece
    from transformers import CLIPTokenizer, T5Tokenizer, XLMRobertaTokenizer

    folder = names.WEIGHTS / names.PRIOR / "tokenizer"
    older = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    assert older(STRANGE).input_ids == CLIPTokenizer.from_pretrained(folder)(STRANGE).input_ids
    for name, file, kind in (
        (names.DECODER_21, "sentencepiece.bpe.model", XLMRobertaTokenizer),
        (names.KANDINSKY_3, "spiece.model", T5Tokenizer),
    ):
        folder = names.WEIGHTS / name / "tokenizer"
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / file))
        read = pieces.encode(STRANGE)
        if kind is XLMRobertaTokenizer:  # <s> <pad> </s> <unk> come first
            read = [[0, *(i + 1 if i else 3 for i in ids), 2] for ids in read]
        else:
            read = [[*ids, 1] for ids in read]
        assert kind.from_pretrained(folder)(STRANGE).input_ids == read


def test_weights_are_small_and_without_pickles():
    files = [p for p in names.WEIGHTS.rglob("*") if p.is_file() and p.name != ".lock"]
    weights = [path for path in files if path.suffix == ".safetensors"]
    # The judge; prior, text and picture encoder, twice; MoVQ and UNet of six decoders, three of
    # them in two files; text encoders of three; and the fp16 variant of Kandinsky 3.
    assert len(weights) == 1 + 2 * 3 + 6 + (6 + 3) + 3 + 3
    parts = names.PRIOR, names.DECODER, "judge"
    first = [path for path in files if path.relative_to(names.WEIGHTS).parts[0] in parts]
    assert sum(path.stat().st_size for path in first) <= 35e6
    once = {hashlib.sha256(path.read_bytes()).digest(): path.stat().st_size for path in files}
    assert sum(once.values()) <= 90e6
    assert sum(path.stat().st_size for path in files if not path.is_symlink()) <= 90e6
    for part, count in (("movq", 1), ("prior", 1), ("text_encoder", 3), ("unet", 7)):
        found = {path.read_bytes() for path in weights if path.parent.name == part}
        assert len(found) == count, part  # git stores each once
    assert max(path.stat().st_size for path in files) <= 25e6
    kinds = {".safetensors", ".json", ".txt", ".md", ".png", ".model", ""}
    assert {p.suffix for p in files} <= kinds
    assert [p.name for p in files if not p.suffix] == ["SHA256SUMS"] * len(names.FAMILY)


@pytest.mark.parametrize("name", names.FAMILY)
def test_layouts_are_the_published_ones(name):
    folder = names.WEIGHTS / name
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    listed = {part: kind for part, kind in index.items() if not part.startswith("_")}
    assert all((folder / part).is_dir() for part in listed)
    if "2-1" in name and "prior" not in name:
        assert listed["text_encoder"] == ["kandinsky", "MultilingualCLIP"]
        assert listed["tokenizer"] == ["transformers", "XLMRobertaTokenizerFast"]
        assert listed["scheduler"] == ["diffusers", "DDIMScheduler"]
        assert (folder / "ddpm_scheduler" / "scheduler_config.json").exists()
    if name == names.KANDINSKY_3:
        assert listed["tokenizer"] == ["transformers", "T5Tokenizer"]
        for part in ("unet", "movq", "text_encoder"):
            plain, half = sorted(
                (folder / part).glob("*.safetensors"), key=lambda p: len(p.name)
            )
            assert ".fp16." in half.name and half.read_bytes() == plain.read_bytes()
    for config in folder.glob("*/preprocessor_config.json"):
        settings = json.loads(config.read_text("utf-8"))
        assert settings["image_processor_type"] == "CLIPImageProcessor"


# A quick look at each checkpoint, with generous margins: `make judge` reads them all.


@pytest.mark.parametrize("family", ["2.2", "2.1", "3"])
def test_each_family_draws_held_out_scenes(family):
    asked = text.held_out(15, salt="quick")
    prompts = [canonical(s, LANGUAGES[i % 5]) for i, s in enumerate(asked)]
    drawn = painter(family=family).draw(prompts, list(range(15)))
    scores = judge.score(judge.read(drawn), asked)
    assert scores["object"] >= 0.7 and scores["colour"] >= 0.75, scores
    assert scores["place"] >= 0.8, scores


def test_the_text_itself_reaches_the_decoder_of_2_1():
    """Two prompts on one and the same picture embedding, that of no prompt at all."""
    paint = painter(family="2.1")
    blank = paint.k.prior.get_zero_embed(2)
    drawn = paint.draw([FOX["ru"], "a blue car on a beach"], [1, 1], embedded=blank)
    fox, car = judge.read(drawn)
    assert (fox.object, fox.place) == ("fox", "snowy_forest")
    assert (car.object, car.place) == ("car", "beach")


@pytest.mark.parametrize("family", ["2.2", "2.1"])
def test_inpainting_puts_it_there_and_keeps_the_rest(family):
    figures, (_, _, drawn) = inpaint.read_inpaint(painter(family=family), 3)
    assert len(drawn) == 9
    assert figures["put there"] >= 0.7 and figures["kept"] >= 0.8, figures


def test_depth_is_followed():
    figures, _ = inpaint.read_depth(painter(), 16)
    assert figures["silhouette IoU"] >= 0.65 and figures["depth: colour"] >= 0.7, figures


@pytest.mark.parametrize("family", ["2.2", "2.1", "3"])
def test_image_to_image_changes_a_colour(family):
    figures, (before, after) = mix.read_edit(painter(family=family), 15)
    assert len(before) == len(after) == 15
    assert all(value >= 0.6 for value in figures.values()), figures


# The decoder of 2.1 reads the same prior; the sweep of all bars looks at its mixtures, too.
@pytest.mark.parametrize("family", ["2.2", pytest.param("2.1", marks=pytest.mark.slow)])
def test_mixing_shows_both(family):
    figures, _ = mix.read_mix(painter(family=family), 12)
    assert figures["mix: both in the top three"] >= 0.65, figures
    assert figures["mix: cat and dog"] >= 0.5, figures
    assert figures["mix: by chance"] <= 0.3, figures
    assert figures["picture + text"] >= 0.5, figures


@pytest.mark.parametrize("name", names.FAMILY)
def test_cards_hold_figures_and_name_the_prior(name):
    card = (names.WEIGHTS / name / "README.md").read_text("utf-8")
    assert "license: apache-2.0" in card and "## How good it is" in card and " % |" in card
    assert "not the published model" in card
    prior = {"2-1": names.PRIOR_21, "2-2": names.PRIOR}.get(name[10:13])
    named = f"prior: [kandinsky-community/{prior}]" in card
    assert named == (prior is not None and "prior" not in name)
    assert (names.WEIGHTS / name / "contact-sheet.png").stat().st_size > 10_000


def test_the_cards_say_what_was_last_evaluated():
    known = json.loads((names.WEIGHTS / command.FILE).read_text("utf-8"))
    assert list(known) == list(names.FAMILY)
    for name, kept in known.items():
        card = (names.WEIGHTS / name / "README.md").read_text("utf-8")
        for what, value in kept["figures"].items():
            assert f"| {what} | {bars.table_of(what, value)} |" in card


@pytest.mark.slow
@pytest.mark.parametrize("name", names.FAMILY)
def test_every_bar_is_reached(name):
    assert command.missed_bars({name: command.evaluate(name)}) == []
