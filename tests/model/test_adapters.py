"""Adapters: put on and taken off without a trace, read from every layout, refused with why."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kandi_nb as kn
from kandi_nb.model.adapters.adapter import Adapter
from kandi_nb.model.adapters.layouts import LowRank
from kandi_nb.words.errors import KandiError, KandiWarning

QUICK = kn.Params("a fox", steps=2, prior_steps=2, seed=3)
ENDS = ("to_q", "to_k", "to_v", "to_out.0")
pytestmark = pytest.mark.filterwarnings("ignore::kandi_nb.KandiWarning")


def random_weights(k, seed=0, rank=4, ends=ENDS):
    """Low-rank weights for both networks of a model, strong enough to be seen."""
    draw = torch.Generator().manual_seed(seed)

    def pairs(network):
        return {
            name: LowRank(
                torch.randn(rank, layer.in_features, generator=draw) * 0.3,
                torch.randn(layer.out_features, rank, generator=draw) * 0.3,
            )
            for name, layer in network.named_modules()
            if name.endswith(ends) and hasattr(layer, "in_features")
        }

    return {"prior": pairs(k.prior.prior), "decoder": pairs(k.decoder.unet)}


@pytest.fixture(scope="module")
def hat(tiny):
    return Adapter("hat", random_weights(tiny))


@pytest.fixture(scope="module")
def scarf(tiny):
    return Adapter("scarf", random_weights(tiny, seed=1))


def pixels(k, params=QUICK, task=kn.generate, **inputs):
    return np.asarray(task(k, params, progress=False, **inputs)[0]).astype(int)


def test_the_model_itself_draws_the_very_same_pixels_before_and_after(tiny, hat):
    before = pixels(tiny)
    light = tiny.with_adapter(hat)
    assert np.abs(pixels(light) - before).max() > 2, "it does something"
    assert (pixels(tiny) == before).all()
    weights = tiny.decoder.unet.state_dict()
    assert all(
        light.decoder.unet.state_dict()[n].data_ptr() == w.data_ptr()
        for n, w in weights.items()
    )


def test_scale_0_gives_the_models_own_pixels_bit_by_bit(tiny, hat):
    assert (pixels(tiny.with_adapter(hat, 0)) == pixels(tiny)).all()


def test_a_scale_counts(tiny, hat):
    drawn = [pixels(tiny.with_adapter(hat, scale)) for scale in (0, 0.2, 1)]
    assert np.abs(drawn[1] - drawn[0]).mean() < np.abs(drawn[2] - drawn[0]).mean()


def test_several_add_up_in_any_order_and_come_off_again(tiny, hat, scarf):
    both = tiny.with_adapter({hat: 0.5, scarf: 0.7})
    chained = tiny.with_adapter(scarf, 0.7).with_adapter(hat, 0.5)
    listed = tiny.with_adapter([hat, scarf], [0.5, 0.7])
    assert np.abs(pixels(both) - pixels(chained)).max() <= 1
    assert (pixels(both) == pixels(listed)).all()
    assert np.abs(pixels(both) - pixels(tiny.with_adapter(hat, 0.5))).max() > 2
    assert (pixels(both.with_adapter(None)) == pixels(tiny)).all()


def test_the_same_adapter_again_takes_the_new_scale(tiny, hat):
    again = tiny.with_adapter(hat, 0.5).with_adapter(hat, 1)
    assert [each.scale for each in again.adapters] == [1]


def test_each_part_can_be_worn_alone(tiny, hat):
    params = QUICK
    plain = kn.embed(tiny, params).tensor
    assert torch.equal(kn.embed(tiny.with_adapter(hat.only("decoder")), params).tensor, plain)
    prior = tiny.with_adapter(hat.only("prior"))
    assert not torch.equal(kn.embed(prior, params).tensor, plain)
    assert torch.equal(kn.embed(tiny, params).tensor, plain), "embeddings are remembered apart"


def test_every_role_and_task_wears_it(tiny_roles, hat):
    light = tiny_roles.with_adapter(hat)
    image = kn.generate(tiny_roles, QUICK, progress=False)[0]
    mask = kn.rectangle(image, (8, 8, 48, 48))
    depth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (64, 1))
    inputs = {
        kn.edit: {"image": image},
        kn.inpaint: {"image": image, "mask": mask},
        kn.outpaint: {"image": image, "right": 64},
    }
    half = QUICK.replace(strength=0.6, steps=4)
    for task, given in inputs.items():
        params = half if task is kn.edit else QUICK
        drawn = pixels(light, params, task, **given)
        assert np.abs(drawn - pixels(tiny_roles, params, task, **given)).max() > 2, task
    along = pixels(light, depth=depth)
    assert np.abs(along - pixels(tiny_roles, depth=depth)).max() > 2
    mixed = kn.mix(light, QUICK, ["a cat", "a dog"], progress=False)
    assert mixed.options["adapters"][0]["name"] == "hat"


def test_another_scheduler_keeps_it_and_it_keeps_the_scheduler(tiny, hat):
    one = tiny.with_adapter(hat).with_scheduler("ddim")
    other = tiny.with_scheduler("ddim").with_adapter(hat)
    assert (pixels(one) == pixels(other)).all()
    assert one.options == other.options and "hat × 1" in repr(one)


def test_what_is_recorded_without_it_is_not_repeated_with_it(tiny, hat):
    traced = tiny.with_speed("traced")
    light = traced.with_adapter(hat)
    for _ in range(2):
        for k, usual in ((traced, tiny), (light, tiny.with_adapter(hat))):
            assert np.abs(pixels(k) - pixels(usual)).max() <= 1
    assert np.abs(pixels(light) - pixels(traced)).max() > 2


def test_threads_with_different_adapters_do_not_meet(tiny, hat, scarf):
    lights = [tiny, tiny.with_adapter(hat), tiny.with_adapter(scarf)]
    alone = [pixels(k) for k in lights]
    together = [[] for _ in lights]

    def draw(number):
        for _ in range(3):
            lights[number].forget()
            together[number].append(pixels(lights[number]))

    threads = [threading.Thread(target=draw, args=(n,)) for n in range(len(lights))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for expected, drawn in zip(alone, together, strict=True):
        assert len(drawn) == 3 and all((each == expected).all() for each in drawn)


def test_a_stopped_run_leaves_the_model_as_it_was(tiny, hat):
    before = pixels(tiny)
    light, stop = tiny.with_adapter(hat), threading.Event()

    def halt(pictures, step):
        stop.set()

    with pytest.raises(kn.Cancelled):
        kn.generate(light, QUICK.replace(steps=4), on_preview=halt, stop=stop, progress=False)
    assert (pixels(tiny) == before).all()


def test_memory_plans_go_along(tiny, tiny_folder, hat):
    expected = pixels(tiny.with_adapter(hat))
    moved = kn.load(tiny_folder, device="cpu", memory="prior-first", adapter=hat)
    assert np.abs(pixels(moved) - expected).max() <= 1
    assert np.abs(pixels(moved.with_adapter(None)) - pixels(tiny)).max() <= 1


def test_weights_in_8_bits_go_along(tiny_folder, hat):
    small = kn.load(tiny_folder, device="cpu", memory="resident+fp8")
    plain = pixels(small)
    assert np.abs(pixels(small.with_adapter(hat)) - plain).max() > 2
    assert (pixels(small) == plain).all()


def test_short_memory_in_the_middle_loses_no_adapter(tiny, tiny_folder, hat):
    expected, plain = pixels(tiny.with_adapter(hat)), pixels(tiny)
    k = kn.load(tiny_folder, device="cpu")
    light = k.with_adapter(hat)
    retreated = []

    def retreat(pictures, step):
        if not retreated:
            retreated.append(light.retreat())

    drawn = kn.generate(light, QUICK, on_preview=retreat, progress=False)[0]
    assert retreated == [True]
    assert np.abs(np.asarray(drawn).astype(int) - expected).max() <= 1
    assert np.abs(pixels(light) - expected).max() <= 1
    assert np.abs(pixels(k) - plain).max() <= 1


def plain_picture(k):
    """What the pipelines of a model draw by themselves, float [1, h, w, 3] in 0…1."""
    told = k.prior("a fox", num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    return k.decoder(
        **told,
        height=64,
        width=64,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    ).images


def test_peft_itself_says_the_same_of_both_networks(tiny, tiny_folder, hat, tmp_path):
    """What diffusers' own loader makes of the file; fails too if weights are used elsewhere."""
    import diffusers

    file = hat.save(tmp_path / "hat.safetensors")
    unet = diffusers.UNet2DConditionModel.from_pretrained(
        tiny_folder / "kandinsky-2-2-decoder" / "unet"
    )
    prior = diffusers.PriorTransformer.from_pretrained(
        tiny_folder / "kandinsky-2-2-prior" / "prior"
    )
    unet.load_lora_adapter(file, prefix="unet")
    prior.load_lora_adapter(file, prefix="prior")
    decoder_of = kn.load(tiny_folder, device="cpu")
    decoder_of.decoder.unet, decoder_of.prior.prior = unet, prior
    expected = plain_picture(decoder_of)
    light = tiny.with_adapter(hat)
    with light.alone():
        ours = plain_picture(light)
    assert np.abs(ours - expected).max() < 1e-3


def test_saved_and_loaded_it_draws_the_same_pixels(tiny, tiny_folder, hat, tmp_path):
    file = hat.save(tmp_path / "hat.safetensors")
    again = Adapter.load(file)
    assert (again.mark, again.name, again.parts) == (hat.mark, "hat", ["prior", "decoder"])
    loaded = kn.load(tiny_folder, device="cpu", adapter={file: 0.5})
    assert (pixels(loaded) == pixels(tiny.with_adapter(hat, 0.5))).all()
    with pytest.raises(KandiError, match="exists"):
        hat.save(file)


def files_of_others(hat):
    """Name → tensors of the decoder's weights as other programs write them."""
    places = hat.weights["decoder"]
    old = {}
    for place, (down, up) in places.items():
        block, _, layer = place.removesuffix(
            ".0" if place.endswith("to_out.0") else ""
        ).rpartition(".")
        old[f"{block}.processor.{layer}_lora.down.weight"] = down
        old[f"{block}.processor.{layer}_lora.up.weight"] = up
    return {
        "peft": {
            f"base_model.model.{p}.lora_{letter}.weight": t
            for p, pair in places.items()
            for letter, t in zip("AB", pair, strict=True)
        },
        "attention processors": old,
        "kohya-like": {
            f"unet.{p}.lora_{way}.weight": t
            for p, pair in places.items()
            for way, t in zip(("down", "up"), pair, strict=True)
        },
        "without prefix": {
            f"{p}.lora.{way}.weight": t
            for p, pair in places.items()
            for way, t in zip(("down", "up"), pair, strict=True)
        },
    }


@pytest.mark.parametrize(
    "layout", ["peft", "attention processors", "kohya-like", "without prefix"]
)
def test_files_of_others_are_read_by_their_names(hat, tmp_path, layout):
    save_file(files_of_others(hat)[layout], tmp_path / "theirs.safetensors")
    theirs = Adapter.load(tmp_path / "theirs.safetensors")
    assert theirs.name == "theirs" and theirs.parts == ["decoder"]
    assert theirs.mark == hat.only("decoder").mark


def test_alpha_counts_as_a_share_of_the_rank(tiny, hat, tmp_path):
    place, (down, up) = next(iter(hat.weights["decoder"].items()))
    tensors = {f"{place}.lora_A.weight": down, f"{place}.lora_B.weight": up}
    save_file({**tensors, f"{place}.alpha": torch.tensor(2.0)}, tmp_path / "a.safetensors")
    read = Adapter.load(tmp_path / "a.safetensors").weights["decoder"][place]
    assert torch.allclose(read.up, up * 2 / 4), "alpha 2 of rank 4"
    folder = tmp_path / "peft"
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": 4}))
    read = Adapter.load(folder).weights["decoder"][place]
    assert torch.allclose(read.up, up * 2), "alpha 8 of rank 4, as the file beside it says"


def test_a_convolution_is_changed_too(tiny):
    conv = tiny.decoder.unet.conv_in
    draw = torch.Generator().manual_seed(0)
    pair = LowRank(
        torch.randn(2, conv.in_channels, 3, 3, generator=draw),
        torch.randn(conv.out_channels, 2, 1, 1, generator=draw),
    )
    adapter = Adapter("conv", {"decoder": {"conv_in": pair}})
    assert np.abs(pixels(tiny.with_adapter(adapter)) - pixels(tiny)).max() > 2


def test_recipes_name_it_by_its_hash_and_replay_wears_it(tiny, hat, tmp_path):
    result = kn.generate(tiny.with_adapter(hat, 0.5), QUICK, progress=False)
    noted = kn.recipe(result[0])["options"]["adapters"]
    assert noted == [{"name": "hat", "sha256": hat.mark, "scale": 0.5}]
    (path,) = result.save(tmp_path)
    for k in (tiny, tiny.with_adapter(hat, 1)):
        again = kn.replay(path, k)
        assert (np.asarray(again[0]) == np.asarray(result[0])).all()
        assert kn.recipe(again[0])["options"] == kn.recipe(result[0])["options"]
    plain = kn.generate(tiny, QUICK, progress=False)
    replayed = kn.replay(plain[0], tiny.with_adapter(hat))
    assert (np.asarray(replayed[0]) == np.asarray(plain[0])).all(), "without one, as it was"


def test_replay_finds_the_file_beside_the_picture_or_says_what_is_missing(tiny, tmp_path):
    drawn = kn.generate(
        tiny.with_adapter(Adapter("gone", random_weights(tiny, seed=9))), QUICK, progress=False
    )
    (path,) = drawn.save(tmp_path)
    with pytest.raises(
        KandiError, match=r"the adapter gone \(SHA-256 .*not here; put its file"
    ):
        kn.replay(path, tiny)
    other = Adapter("other", random_weights(tiny, seed=8))
    other.save(tmp_path / "gone.safetensors")  # the name says nothing
    with pytest.raises(KandiError, match="not here"):
        kn.replay(path, tiny)
    Adapter("renamed", random_weights(tiny, seed=9)).save(tmp_path / "whatever.safetensors")
    assert (np.asarray(kn.replay(path, tiny)[0]) == np.asarray(drawn[0])).all()


def test_two_scales_are_two_hashes_of_a_batch(tiny, hat, tmp_path):
    runs = [QUICK]
    for scale in (0.5, 1.0, 1.0):
        kn.batch(kn.generate, tiny.with_adapter(hat, scale), runs, out=tmp_path)
    rows = kn.read_batch(tmp_path)
    assert len(rows) == 2, "the third is there already"


BAD = {
    "pickle": (lambda p, hat: torch.save({}, p / "x.bin"), "x.bin", "is a pickle"),
    "hidden pickle": (
        lambda p, hat: torch.save({}, p / "x.safetensors"), "x.safetensors", "is a pickle",
    ),
    "text": (
        lambda p, hat: (p / "x.safetensors").write_text("hello"),
        "x.safetensors", "cannot be read",
    ),
    "missing": (lambda p, hat: None, "x.safetensors", "there is no adapter"),
    "weights": (
        lambda p, hat: save_file({"conv.weight": torch.ones(2)}, p / "x.safetensors"),
        "x.safetensors", "no LoRA of prior or decoder",
    ),
    "half": (
        lambda p, hat: save_file(
            {"unet.mid_block.to_q.lora_A.weight": torch.ones(2, 2)}, p / "x.safetensors"
        ),
        "x.safetensors", "one half of the pair is missing",
    ),
    "text encoder": (
        lambda p, hat: save_file(
            {"text_encoder.a.lora_A.weight": torch.ones(2, 2)}, p / "x.safetensors"
        ),
        "x.safetensors", "for a text encoder",
    ),
    "nan": (
        lambda p, hat: save_file(
            {
                "unet.mid_block.a.lora_A.weight": torch.full((2, 2), torch.nan),
                "unet.mid_block.a.lora_B.weight": torch.ones(2, 2),
            },
            p / "x.safetensors",
        ),
        "x.safetensors", "not finite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_with_what_was_found(hat, tmp_path, case):
    write, name, message = BAD[case]
    write(tmp_path, hat)
    with pytest.raises(KandiError, match=message) as error:
        Adapter.load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_adapters_of_other_models_and_parts_are_refused(tiny, tiny3_folder, hat):
    place, (down, up) = next(iter(hat.weights["decoder"].items()))
    wrong = Adapter("wide", {"decoder": {place: LowRank(torch.ones(2, 999), up[:, :2])}})
    with pytest.raises(KandiError, match=r"wide is for another model: .* takes 999"):
        tiny.with_adapter(wrong)
    swapped = Adapter("swapped", {"prior": {place: LowRank(down, up)}})
    with pytest.raises(KandiError, match=r"which the prior of .* does not have"):
        tiny.with_adapter(swapped)
    with pytest.raises(KandiError, match="takes no adapters: diffusers reads no LoRA"):
        kn.load(tiny3_folder, device="cpu", adapter=hat)
    with pytest.raises(KandiError, match=r"taught to mini-2\.1, and this is"):
        kn.load("mini-2.2").with_adapter(Adapter("a", hat.weights, {"model": "mini-2.1"}))
    with pytest.warns(KandiWarning, match="taught to another decoder"):
        tiny.with_adapter(Adapter("b", hat.weights, {"revision": {"decoder": "f" * 40}}))


@pytest.mark.parametrize(
    ("adapter", "scale", "message"),
    [
        (3, 1, "an adapter is a kn.Adapter or a path"),
        ("hat", float("nan"), "scale is a number"),
        ("hat", "much", "scale is a number"),
        ("hat", [1, 2], "2 scales do not go with 1 adapters"),
        ("twice", 1, "two adapters are named 'hat'"),
    ],
)
def test_bad_calls_name_the_remedy(tiny, hat, scarf, adapter, scale, message):
    given = {"hat": hat, "twice": [hat, scarf.renamed("hat")]}.get(adapter, adapter)
    with pytest.raises(KandiError, match=message):
        tiny.with_adapter(given, scale)


def test_canary_diffusers_reads_no_lora_for_kandinsky_3(tiny3_folder):
    """The reason why ours refuses it: fails when diffusers learns to."""
    import diffusers

    pipeline = diffusers.Kandinsky3Pipeline.from_pretrained(tiny3_folder / "kandinsky-3")
    with pytest.raises(Exception, match=r"lora|attribute|Kandinsky3UNet"):
        pipeline.load_lora_weights({"unet.a.lora_A.weight": torch.ones(2, 2)})


def test_the_file_is_plain_safetensors_with_a_card(hat, tmp_path):
    file = Adapter("hat", hat.weights, {"words": ["hat"]}).save(tmp_path / "h.safetensors")
    names = load_file(file)
    assert all(name.startswith(("unet.", "prior.")) for name in names)
    assert Adapter.load(file).words == ["hat"]
    assert Adapter.load(file, name="cap").name == "cap"
