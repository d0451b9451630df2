"""Memory plans carried out: who is in memory when, the same pixels, and what falls short."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
import torch

import kandi_nb as kn
from kandi_nb.model.loading import kandinsky
from kandi_nb.model.loading import load as loading
from kandi_nb.model.plan import fit, stores
from kandi_nb.model.plan.names import PLANS, Plan, read_plan
from kandi_nb.model.plan.placement import Placement
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.families import DENOISER, PICTURE_DECODER

QUICK = kn.Params("a fox", steps=2, prior_steps=2, seed=3)


@pytest.fixture(autouse=True)
def assets(tmp_path, monkeypatch):
    """An empty folder in the place of the user's own cache."""
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", tmp_path / "hf")
    return tmp_path / "hf"


def pretended(folder, plan: str) -> kn.Kandinsky:
    """Load a model by a plan for cards, with the CPU in the card's place."""
    usual = kn.load(folder, device="cpu")
    placement = Placement(read_plan(plan), "cpu", torch.float32)
    placement.on_disk = False
    k = kn.Kandinsky(usual.spec, "cpu", torch.float32, usual.folders, placement=placement)
    k.open(usual.spec.ids)
    return k


def in_memory(k) -> set[str]:
    return {network.name for network in k.placement.networks if network.here}


def watched(k) -> list[tuple[str, set[str]]]:
    """Note at each call of a network which are in memory; the list grows as the model runs."""
    seen = []
    for network in k.placement.networks:
        part = network.module.decoder if network.name == "movq" else network.module

        def look(module, args, name=network.name):
            weights = list(module.parameters())
            # A hook of the network itself runs before that of its plan.
            if name == "movq":
                assert not any(weight.is_meta for weight in weights)
            seen.append((name, in_memory(k)))

        part.register_forward_pre_hook(look)
    return seen


def pixels(result) -> np.ndarray:
    return result.arrays().astype(int)


def test_prior_and_decoder_are_never_both_in_memory(tiny_folder, tiny):
    k = kn.load(tiny_folder, device="cpu", memory="prior-first")
    assert in_memory(k) == set(), "nothing stays once it was checked"
    assert all(p.is_meta for n in k.placement.networks for p in n.module.parameters())
    seen = watched(k)
    result = kn.generate(k, QUICK)
    assert np.array_equal(pixels(result), pixels(kn.generate(tiny, QUICK)))
    assert {name for name, _ in seen} == {
        *("text_encoder", "prior", "image_encoder", "unet", "movq")
    }
    reading, drawing = {"text_encoder", "prior"}, {"unet", "movq"}
    for _, there in [*seen, ("in the end", in_memory(k))]:
        assert there <= reading or there <= drawing or there == {"image_encoder"}
    assert in_memory(k) == drawing


def test_the_image_encoder_comes_for_pictures_alone_and_is_remembered(tiny_folder, assets):
    first = kn.load(tiny_folder, device="cpu", memory="prior-first")
    before = kn.generate(first, QUICK)
    (file,) = assets.rglob("*.safetensors")
    k = kn.load(tiny_folder, device="cpu", memory="prior-first")
    seen = watched(k)
    assert np.array_equal(pixels(kn.generate(k, QUICK)), pixels(before))
    assert "image_encoder" not in {name for name, _ in seen}
    assert kn.clip(k, before[0]).shape == (1, 32)
    assert seen[-1][0] == "image_encoder"
    assert in_memory(k) == {"image_encoder"}
    # A file that somebody damaged is made anew.
    file.write_bytes(b"nothing")
    again = kn.load(tiny_folder, device="cpu", memory="prior-first")
    assert np.array_equal(pixels(kn.generate(again, QUICK)), pixels(before))
    assert file.stat().st_size > 100


def test_a_resident_model_writes_nothing_to_the_cache(tiny_folder, assets):
    kn.generate(kn.load(tiny_folder, device="cpu"), QUICK)
    assert not list(assets.rglob("*"))


def test_the_pipeline_does_not_look_at_a_black_picture_after_every_call(tiny_folder):
    k = kn.load(tiny_folder, device="cpu")
    looks = []
    k.prior.image_encoder.register_forward_pre_hook(lambda *_: looks.append(1))
    kn.generate(k, QUICK.replace(negative="rain"))
    assert not looks
    kn.generate(k, QUICK)
    kn.generate(k, QUICK.replace(prompt="a cat"))
    assert looks == [1]


@pytest.mark.parametrize("plan", [str(plan) for plan in PLANS if plan.store == ""])
def test_plans_for_cards_draw_the_same_picture(tiny_folder, tiny, plan):
    """With the CPU as the card; what it saves on a real one is not run here."""
    k = pretended(tiny_folder, plan)
    drawn = kn.generate(k, QUICK)
    assert np.abs(pixels(drawn) - pixels(kn.generate(tiny, QUICK))).max() <= 1
    image = drawn[0]
    edited = kn.edit(k, QUICK, image=image)
    assert np.abs(pixels(edited) - pixels(kn.edit(tiny, QUICK, image=image))).max() <= 1
    if plan.endswith("offload"):
        assert in_memory(k) == set(), "the card is left to others"


def test_one_network_at_a_time_is_on_the_card(tiny_folder):
    k = pretended(tiny_folder, "model-offload")
    seen = watched(k)
    kn.generate(k, QUICK)
    assert max(len(there) for _, there in seen) == 1


@pytest.mark.parametrize("fixture", ["tiny21_folder", "tiny3_folder"])
def test_other_families_go_by_the_same_plans(fixture, request):
    folder = request.getfixturevalue(fixture)
    params = kn.Params("a fox", steps=2, width=64, height=64)
    if fixture == "tiny21_folder":
        params = params.replace(prior_steps=2)
    usual = kn.generate(kn.load(folder, device="cpu"), params)
    k = kn.load(folder, device="cpu", memory="prior-first")
    assert np.array_equal(pixels(kn.generate(k, params)), pixels(usual))
    second_reader = {"text_encoder"} if fixture == "tiny21_folder" else set()
    assert in_memory(k) == {"unet", "movq"} | second_reader


@pytest.mark.parametrize("plan", ["resident+fp8", "prior-first+fp8"])
def test_eight_bit_takes_less_and_says_so(tiny_folder, tiny, plan):
    k = kn.load(tiny_folder, device="cpu", memory=plan)
    result = kn.generate(k, QUICK)
    assert result.options["quantisation"] == k.options["quantisation"] == "fp8"
    weights = list(k.decoder.unet.parameters())
    assert sum(w.nbytes for w in weights) < 0.6 * sum(w.numel() * 4 for w in weights)
    drift = np.abs(pixels(result) - pixels(kn.generate(tiny, QUICK)))
    assert 0 < drift.mean() < 64
    assert np.array_equal(pixels(kn.generate(k, QUICK)), pixels(result))


def refuse_while(k, place: str, network):
    """Let a network find no memory as long as the plan is another one than `place`."""

    def refuse(*_):
        if k.memory.place != place:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    return network.register_forward_pre_hook(refuse)


@pytest.mark.parametrize("stage", ["prior", "decoder"])
def test_the_next_plan_is_taken_and_the_picture_still_comes(tiny_folder, tiny, stage):
    k = kn.load(tiny_folder, device="cpu")
    network = k.prior.prior if stage == "prior" else k.decoder.unet
    refuse_while(k, "prior-first", network)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = kn.generate(k, QUICK.replace(count=3))
    (line,) = [str(each.message) for each in said if each.category is KandiWarning]
    assert "goes on by the plan prior-first instead of resident" in line and "\n" not in line
    expected = pixels(kn.generate(tiny, QUICK.replace(count=3)))
    assert np.abs(pixels(result) - expected).max() <= 2
    assert str(k.memory) == result.options["memory"] == "prior-first"
    assert "prior-first" in repr(k)


def test_cards_fall_from_plan_to_plan(tiny_folder, tiny, monkeypatch):
    monkeypatch.setattr(stores, "lacks", lambda plan, device: [])
    k = pretended(tiny_folder, "resident")
    refuse_while(k, "sequential-offload", k.decoder.movq.decoder.conv_in)
    with pytest.warns(KandiWarning) as said:
        result = kn.generate(k, QUICK)
    plans = [str(each.message).partition("the plan ")[2].split()[0] for each in said]
    assert plans == ["prior-first", "model-offload", "group-offload", "sequential-offload"]
    assert np.abs(pixels(result) - pixels(kn.generate(tiny, QUICK))).max() <= 1


def test_where_no_plan_is_left_the_remedies_are_named(tiny_folder):
    k = kn.load(tiny_folder, device="cpu", memory="prior-first")
    refuse_while(k, "never", k.decoder.unet)
    with pytest.raises(KandiError, match="cpu has too little memory for one picture of 64"):
        kn.generate(k, QUICK)


def test_falling_back_never_changes_how_weights_are_stored():
    placement = Placement(Plan("group-offload", "fp8"), "cpu", torch.float32)
    assert placement.retreat() is None, "layer by layer there is no 8 bit"


def test_weights_that_somebody_changed_are_not_dropped(tiny_folder):
    k = kn.load(tiny_folder, device="cpu", memory="prior-first")
    kn.generate(k, QUICK)
    weight = k.decoder.unet.conv_in.weight
    with torch.no_grad():
        weight.mul_(0.5)
    with pytest.warns(KandiWarning, match="weights of unet were changed"):
        changed = kn.generate(k, QUICK.replace(prompt="a cat"))
    assert k.decoder.unet.conv_in.weight is weight
    plain = kn.generate(kn.load(tiny_folder, device="cpu"), QUICK.replace(prompt="a cat"))
    assert not np.array_equal(pixels(changed), pixels(plain))


def test_the_plan_is_recorded_and_not_replayed(tiny_folder, recwarn):
    k = kn.load(tiny_folder, device="cpu", memory="prior-first")
    result = kn.generate(k, QUICK)
    assert kn.recipe(result[0])["options"]["memory"] == "prior-first"
    resident = kn.load(tiny_folder, device="cpu")
    again = kn.replay(result[0], resident)
    assert again.options["memory"] == "resident"
    assert not [each for each in recwarn if each.category is KandiWarning]
    assert np.array_equal(pixels(again), pixels(result))
    eight_bit = kn.load(tiny_folder, device="cpu", memory="resident+fp8")
    with pytest.warns(KandiWarning, match="quantisation here is fp8, the recipe's was None"):
        kn.replay(result[0], eight_bit)


@pytest.mark.parametrize(
    ("free_gb", "plan"), [(100, "resident"), (0.25, "prior-first"), (0.0001, None)]
)
def test_auto_takes_the_first_plan_that_fits(monkeypatch, free_gb, plan):
    peaks = {"resident": 0.3, "prior-first": 0.2}
    monkeypatch.setattr(fit, "available_mb", lambda device: free_gb * 1e9 / 2**20)
    monkeypatch.setattr(
        fit._Costs, "peak", lambda self, entry: (peaks.get(str(entry), 0.1) * 1e9, "unet")
    )
    chosen = str(kn.load("mini-2.2", device="cpu", memory="auto").memory)
    assert chosen == plan or (plan is None and chosen == "resident+fp8")


def test_auto_predicts_less_for_less_in_memory():
    spec, folders = loading.find("mini-2.2")
    costs = fit._Costs(fit.parts(spec, folders), 64, 64, 1, dtype="float32", on_cpu=True)
    resident, first = (costs.peak(read_plan(name))[0] for name in ("resident", "prior-first"))
    assert first < resident
    assert str(fit.choose(spec, folders, "cpu", "float32")) == "resident"


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ("model-offload", r"model-offload needs an NVIDIA GPU; on cpu now: resident, prior-f"),
        ("group-offload+fp8", "group-offload.fp8 needs an NVIDIA GPU; on cpu now"),
        ("resident+4bit", "needs an NVIDIA GPU and bitsandbytes .*quantisation"),
        ("model-offload+sequential-offload", "one plan at a time"),
        ("prior-frist", "did you mean prior-first"),
        ("atuo", "; or auto"),
        (8, "a plan's name is wanted, not GB.*kn.plan"),
        (-1, "a plan's name is wanted"),
        (0, "a plan's name is wanted"),
        (float("nan"), "a plan's name is wanted"),
        (None, "no plan fits there"),
        (["resident"], "unknown plan"),
    ],
)
def test_plans_that_cannot_be_carried_out_are_refused_at_once(monkeypatch, memory, message):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(kandinsky, "assemble", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(KandiError, match=message) as caught:
        kn.load("mini-2.2", device="cpu", memory=memory)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(KandiError, match=r"needs bitsandbytes \(.*pip install .*quantisation"):
        stores.check_plan("model-offload+4bit", "cuda")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert str(stores.check_plan("model-offload+4bit", "cuda")) == "model-offload+4bit"


@pytest.mark.parametrize("library", ["diffusers", "transformers"])
def test_four_bit_is_asked_of_the_library_that_reads(monkeypatch, library):
    """What bitsandbytes makes of it needs a GPU: not run here."""
    import diffusers
    import transformers

    owner = {"diffusers": diffusers, "transformers": transformers}[library]
    monkeypatch.setattr(owner, "BitsAndBytesConfig", lambda **settings: settings)
    told = stores.reading("4bit", DENOISER, library, torch.float16)["quantization_config"]
    assert told["load_in_4bit"] and told["bnb_4bit_quant_type"] == "nf4"
    assert told["bnb_4bit_compute_dtype"] == torch.float16
    assert stores.reading("4bit", PICTURE_DECODER, library, torch.float16) == {}
    assert stores.reading("fp8", DENOISER, library, torch.float16) == {}
