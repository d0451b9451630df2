"""Memory planned before a download: sizes, worst moments, plans, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
import torch

import kandi_nb as kn
from kandi_nb.model.bundled import folders_of
from kandi_nb.model.plan import architecture, fit, footprint, names
from kandi_nb.model.plan.architecture import Part, parts
from kandi_nb.model.speed.norms import norm_in_place
from kandi_nb.words import models
from kandi_nb.words.errors import KandiError

PUBLISHED = ("kandinsky-2.1", "kandinsky-2.2", "kandinsky-3")


def networks(key: str) -> dict[str, Part]:
    """Return stage and name → network, as "prior text_encoder"."""
    known = models.SPECS[key]
    return {f"{part.stage} {part.name}": part for part in parts(known, folders_of(known))}


def rows(model: str, **named) -> dict[str, dict]:
    return {row["plan"]: row for row in kn.plan(model, **named)}


WITH_FILE = {
    f"{key} {name}": part
    for key in PUBLISHED
    for name, part in networks(key).items()
    if part.file_bytes
}


@pytest.mark.parametrize("name", WITH_FILE)
def test_weights_are_as_large_as_the_published_files(name):
    part = WITH_FILE[name]
    size = footprint.weights(part, part.stored).plain
    assert size == pytest.approx(part.file_bytes, rel=0.001)


def test_all_networks_of_the_pinned_model_are_checked_so():
    assert len(WITH_FILE) == len(networks("kandinsky-2.2")) == 5


@pytest.mark.parametrize(
    ("key", "name", "millions"),
    [
        ("kandinsky-2.1", "decoder unet", 1229),
        ("kandinsky-3", "decoder unet", 3000),
        ("kandinsky-3", "decoder text_encoder", 8600),
        ("kandinsky-3", "decoder movq", 267),
    ],
)
def test_the_others_have_the_parameters_that_their_developers_say(key, name, millions):
    count = footprint.weights(networks(key)[name]).parameters
    assert count / 1e6 == pytest.approx(millions, rel=0.02)


def test_every_configuration_says_where_it_comes_from():
    for file in architecture.CONFIGS.glob("kandinsky-*.json"):
        architectures = json.loads(file.read_text("utf-8"))
        assert architectures["model"] == file.stem in models.SPECS
        for stage in ("prior", "decoder"):
            for row in architectures.get(stage, {}).values():
                assert row["source"] and row["checked"] and row["stored"]
    assert "data sheets" in json.loads(names.CARDS.read_text("utf-8"))["source"]


BUNDLED = networks("mini-2.2")


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("count", [1, 3])
def test_a_call_without_numbers_counts_as_a_real_one(name, count):
    """The same mode watches real storages on the CPU, and the shapes alone."""
    part = BUNDLED[name]
    predicted = footprint.activity(part, 128, 64, count, "float32")
    real = architecture.build(part)
    if name == "decoder movq":
        norm_in_place(real)
    with footprint.measure(real) as reading:
        architecture.call(part, real, 128, 64, count)
    assert reading.alive < 0.1 * reading.peak, "what a call makes goes with it"
    assert predicted.peak == pytest.approx(reading.peak, rel=0.02)
    assert predicted.operations == reading.operations > 0


# Resident gigabytes beyond the weights, each read in a fresh process on two AVX2 cores; the
# full-size benchmark beside the tests reads them anew.
@pytest.mark.parametrize(
    ("name", "side", "measured_gb"),
    [
        ("decoder unet", 256, 0.395),
        ("decoder unet", 512, 0.545),
        ("decoder unet", 768, 0.726),
        ("decoder movq", 256, 0.318),
        ("decoder movq", 384, 0.558),
        ("decoder movq", 1024, 3.276),
    ],
)
def test_full_size_networks_take_what_was_measured_on_a_cpu(name, side, measured_gb):
    part = networks("kandinsky-2.2")[name]
    off = abs(footprint.cpu_peak(part, side, side, 1) / 1e9 - measured_gb)
    assert off < max(0.1, 0.2 * measured_gb)


def stored(network: torch.nn.Module) -> int:
    return sum(t.nbytes for t in (*network.parameters(), *network.buffers()))


@pytest.mark.parametrize("name", BUNDLED)
def test_half_precision_takes_what_a_loaded_model_takes(name):
    k = kn.load("mini-2.2", dtype="float16")
    stage, component = name.split()
    loaded = stored(getattr(k, stage).components[component])
    assert footprint.weights(BUNDLED[name], "float16").plain == loaded


def test_t5_keeps_a_quarter_in_float32_in_a_half_precision_model():
    """As transformers loads it; a plan without that would be 4 GB off for the published one."""
    from transformers import T5EncoderModel

    folder = models.WEIGHTS / "kandinsky-3" / "text_encoder"
    config = (folder / "config.json").read_text("utf-8")
    part = Part("3", "decoder", "text_encoder", "T5EncoderModel", config)
    loaded = T5EncoderModel.from_pretrained(folder, dtype=torch.float16)
    assert loaded.encoder.block[0].layer[-1].DenseReluDense.wo.weight.dtype == torch.float32
    assert footprint.weights(part, "float16").plain == pytest.approx(stored(loaded), rel=1e-3)


@pytest.mark.parametrize("name", ["prior prior", "decoder unet", "decoder movq"])
def test_eight_bit_takes_what_diffusers_makes_of_it(name):
    network = architecture.narrow(architecture.build(BUNDLED[name]), torch.float16)
    skip = ("norm", "encoder_hid_proj") if name == "decoder unet" else None
    network.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn,
        compute_dtype=torch.float16,
        **({"skip_modules_pattern": skip} if skip else {}),
    )
    assert footprint.weights(BUNDLED[name], "float16").fp8 == stored(network)


def test_what_an_option_leaves_as_it_is_is_not_counted_as_saved():
    found = {name: footprint.weights(part) for name, part in networks("kandinsky-2.2").items()}
    assert found["prior text_encoder"].fp8 == found["prior text_encoder"].plain
    assert found["decoder movq"].nf4 == found["decoder movq"].plain
    assert found["decoder movq"].group == found["decoder movq"].plain
    # Three quarters of the UNet are convolutions, which stay in 16 bit.
    assert 0.75 < found["decoder unet"].nf4 / found["decoder unet"].plain < 0.9
    assert found["prior prior"].nf4 / found["prior prior"].plain < 0.3


def test_norms_in_place_give_the_same_pixels_from_less_memory():
    part = BUNDLED["decoder movq"]
    torch.manual_seed(0)
    network = architecture.build(part)
    latents = torch.randn(1, 4, 16, 8)
    peaks, pixels = [], []
    for ease in (lambda network: None, norm_in_place):
        ease(network)
        with torch.no_grad(), footprint.measure(network) as reading:
            pixels.append(network.decode(latents, force_not_quantize=True).sample)
        peaks.append(reading.peak)
    assert torch.equal(*pixels)
    assert peaks[1] < 0.75 * peaks[0]


def test_norms_in_place_still_learn():
    network = architecture.build(BUNDLED["decoder movq"])
    norm_in_place(network)
    network.decode(torch.randn(1, 4, 4, 4), force_not_quantize=True).sample.sum().backward()
    assert all(p.grad is not None for p in network.decoder.parameters())


def test_2_2_fits_4_gb_at_768_pixels():
    table = kn.plan("kandinsky-2.2", memory_gb=4, width=768, height=768)
    assert table.best == "model-offload"
    found = {row["plan"]: row for row in table}
    assert not found["resident"]["fits"]
    assert found["resident"]["at"] == "movq", "it cannot tile"


def test_3_fits_6_gb_at_1024_pixels():
    table = kn.plan("kandinsky-3", memory_gb=6)
    assert table.best == "group-offload"
    found = {row["plan"]: row for row in table}
    assert found["model-offload"]["at"] == "text_encoder"
    assert "buys nothing" in found["model-offload+fp8"]["note"], "it does not touch T5"


def test_the_table_has_the_promised_columns_and_shows_itself():
    table = kn.plan("mini-2.2", memory_gb=1)
    promised = ["plan", "fits", "peak_gb", "at", "seconds", "download_gb", "drift", "note"]
    assert list(table[0]) == promised
    assert [row["plan"] for row in table] == [str(entry) for entry in names.PLANS]
    assert table.best == "resident"
    assert "resident for 1 GB; all predicted" in repr(table)
    assert table[0]["seconds"] is None
    assert {row["drift"] for row in table} == {0.0, None}
    assert kn.plan("mini-2.2", memory_gb=0.001).best is None


def test_plans_keep_less_and_less_on_the_card():
    found = rows("kandinsky-2.2", width=768, height=768)
    peaks = [found[place]["peak_gb"] for place in names.PLACES]
    assert peaks == sorted(peaks, reverse=True)
    for place in ("resident", "prior-first", "model-offload", "group-offload"):
        assert found[f"{place}+fp8"]["peak_gb"] < found[place]["peak_gb"]


def test_more_pixels_and_more_pictures_never_take_less():
    sizes = [(64, 64, 1), (64, 128, 1), (128, 128, 1), (128, 128, 2), (128, 128, 5)]
    costs = [
        rows("mini-2.2", card="T4", width=width, height=height, count=count)
        for width, height, count in sizes
    ]
    for name in costs[0]:
        for column in ("peak_gb", "seconds"):
            values = [cost[name][column] for cost in costs]
            assert values == sorted(values), (name, column)
    part = BUNDLED["decoder unet"]
    peaks = [footprint.activity(part, h, w, count).peak for w, h, count in sizes]
    assert all(one < other for one, other in itertools.pairwise(peaks))


def test_width_and_height_are_not_swapped():
    part = BUNDLED["decoder movq"]
    with torch.device("meta"):
        network = architecture.build(part)
        assert architecture.call(part, network, 64, 192, 1).sample.shape == (1, 3, 64, 192)


@pytest.mark.parametrize(
    ("model", "size", "card", "seconds"),
    [
        ("kandinsky-2.2", 768, "RTX 3090", 8),
        ("kandinsky-2.2", 768, "RTX 4090", 5),
        ("kandinsky-3", 1024, "RTX 3090", 15),
        ("kandinsky-3", 1024, "RTX 4090", 10),
    ],
)
def test_seconds_are_of_the_size_that_guides_claim(model, size, card, seconds):
    table = kn.plan(model, card=card, width=size, height=size, memory_gb=80)
    assert 0.5 < table[0]["seconds"] / seconds < 2
    assert f"predicted, seconds for 25 steps on {card}" in table.note


def test_weights_that_move_at_every_step_take_longer():
    found = rows("kandinsky-2.2", card="RTX 3070", width=768, height=768)
    seconds = [found[place]["seconds"] for place in ("resident", "model-offload")]
    assert seconds[0] < seconds[1] < found["group-offload"]["seconds"]


@pytest.mark.parametrize(
    "name", ["RTX 3070", "rtx3070", "NVIDIA GeForce RTX 3070", "geforce rtx-3070"]
)
def test_cards_go_by_many_names(name):
    assert names.read_card(name).name == "RTX 3070"
    assert kn.plan("mini-2.2", card=name).note.endswith("on RTX 3070")


def test_a_card_brings_its_memory_unless_another_is_given():
    assert "for 8 GB" in kn.plan("mini-2.2", card="RTX 3070").note
    assert "for 16 GB" in kn.plan("mini-2.2", card="RTX 4060 Ti", memory_gb=16).note


def test_folders_and_loaded_models_are_planned_like_their_keys(tmp_path):
    peaks = [row["peak_gb"] for row in kn.plan("mini-2.2")]
    folder = models.WEIGHTS / "kandinsky-2-2-decoder"
    assert [row["peak_gb"] for row in kn.plan(folder, width=64, height=64)] == peaks
    assert [row["peak_gb"] for row in kn.plan(kn.load("mini-2.2"))] == peaks


@pytest.mark.parametrize("wrong", [-1, 0, float("nan"), float("inf"), True, "8", [8]])
def test_memory_must_be_a_number_of_gigabytes(wrong):
    with pytest.raises(KandiError, match=r"memory_gb must be gigabytes, .* above 0 such as 8"):
        kn.plan("mini-2.2", memory_gb=wrong)


@pytest.mark.parametrize("wrong", ["RTX 3077", "Voodoo 2", "RTX 3070 Laptop GPU", "", 3070])
def test_unknown_cards_are_answered_with_the_known_ones(wrong):
    with pytest.raises(KandiError, match=r"give memory_gb instead, or one of: .*RTX 3070, "):
        kn.plan("mini-2.2", card=wrong)
    with pytest.raises(KandiError, match=r"did you mean RTX 4090\?"):
        kn.plan("mini-2.2", card="RTX 4900")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"width": 32}, "width must be from 64"),
        ({"height": 1e3}, "height must be a whole number"),
        ({"count": 0}, "count must be from 1"),
    ],
)
def test_sizes_are_checked_as_elsewhere(named, message):
    with pytest.raises(KandiError, match=message):
        kn.plan("mini-2.2", **named)


def test_models_that_cannot_be_planned_are_refused():
    with pytest.raises(KandiError, match=r"unknown model 'kandinski-2\.2'; did you mean"):
        kn.plan("kandinski-2.2")
    with pytest.raises(KandiError, match="plan takes a model's key, a folder or a loaded"):
        kn.plan(22)
    strange = dataclasses.replace(models.SPECS["kandinsky-2.2"], key="kandinsky-9")
    with pytest.raises(KandiError, match=r"architecture of kandinsky-9; known: kandinsky-2\.1"):
        parts(strange, {})


def test_plans_have_names():
    for entry in names.PLANS:
        assert names.read_plan(str(entry)) is names.read_plan(entry) is entry
        assert entry.note


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("model-offload+sequential-offload", "one plan at a time: .* do not stack"),
        ("model-offload, group-offload", "one plan at a time"),
        ("model-ofload", r"did you mean model-offload\?"),
        ("group-offload+4bit", "unknown plan .* known: resident, "),
        ("resident+fp8+4bit", "unknown plan"),
        (8, "unknown plan 8; known"),
    ],
)
def test_two_plans_at_once_and_unknown_ones_are_refused(wrong, message):
    with pytest.raises(KandiError, match=message) as caught:
        names.read_plan(wrong)
    assert "\n" not in str(caught.value)


def test_planning_reads_no_weights(monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("weights were read")

    monkeypatch.setattr("safetensors.torch.load_file", refuse)
    monkeypatch.setattr("kandi_nb.model.find._from_hub", refuse)
    monkeypatch.setattr("kandi_nb.model.loading.load.load", refuse)
    footprint.network.cache_clear()
    assert fit.plan("mini-2.2").best == "resident"
