"""Every LoRA format that people bring: as strong as diffusers or peft read it, or why not."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kandi_nb as kn
from kandi_nb.model.adapters.adapter import Adapter
from kandi_nb.model.adapters.alphas import scales_in
from kandi_nb.words.errors import KandiError, KandiWarning

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"
NAME = "pytorch_lora_weights.safetensors"
SAFE = {"weight_name": NAME, "use_safetensors": True}  # else it passes over the metadata
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
EVERYTHING = [*ATTENTION, "add_k_proj", "conv1", "conv_in", "linear_1", "time_emb_proj"]


def unet_of(folder):
    import diffusers

    return diffusers.UNet2DConditionModel.from_pretrained(folder / "kandinsky-2-2-decoder/unet")


def trained(folder, **config):
    """A UNet with a LoRA of random numbers, as after training with peft."""
    from peft import LoraConfig

    unet = unet_of(folder)
    torch.manual_seed(0)
    settings = {"r": 4, "lora_alpha": 32, "target_modules": ATTENTION}
    unet.add_adapter(LoraConfig(**settings | config, init_lora_weights=False))
    for name, weight in unet.named_parameters():
        if "lora_B" in name:
            weight.data *= 0.1
    return unet


def state_of(unet):
    from peft.utils import get_peft_model_state_dict

    return {
        n: w.contiguous() for n, w in get_peft_model_state_dict(unet, None, "default").items()
    }


def wrapped(folder, path, **config):
    """Save as peft's own PeftModel does, and return what its own reload makes of it."""
    from peft import LoraConfig, PeftModel, get_peft_model

    settings = {"r": 4, "lora_alpha": 32, "target_modules": ATTENTION}
    torch.manual_seed(0)
    config = LoraConfig(**settings | config, init_lora_weights=False)
    get_peft_model(unet_of(folder), config).save_pretrained(path)
    weights = load_file(path / "adapter_model.safetensors")
    small = {n: w * 0.1 if "lora_B" in n else w for n, w in weights.items()}
    save_file(small, path / "adapter_model.safetensors", {"format": "pt"})
    return path, PeftModel.from_pretrained(unet_of(folder), path).base_model.model


def by_diffusers(folder, path, config, prefix=None, names=None, metadata=None):
    """Write a file with diffusers' own names and metadata, and reload it there."""
    unet = trained(folder, **config)
    path.mkdir(exist_ok=True)
    if names is None:
        unet.save_lora_adapter(path)
    else:
        tensors = {names(n): w for n, w in state_of(unet).items()}
        save_file(tensors, path / NAME, {"format": "pt", **(metadata or {})})
    again = unet_of(folder)
    again.load_lora_adapter(path, prefix=prefix, **SAFE)
    return path / NAME, again


def pipelines_way(folder, path):
    """`SomePipeline.save_lora_weights(unet_lora_layers=…, unet_lora_adapter_metadata=…)`."""
    from diffusers import StableDiffusionPipeline

    unet = trained(folder)
    StableDiffusionPipeline.save_lora_weights(
        path,
        unet_lora_layers=state_of(unet),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
    )
    again = unet_of(folder)
    again.load_lora_adapter(path, prefix="unet", **SAFE)
    return path / NAME, again


def processors(name):
    """peft's name of a place → that of the attention processors of 2023."""
    name = name.replace("to_out.0", "to_out")
    name = re.sub(r"\.(\w+)\.lora_A\.", r".processor.\1_lora.down.", name)
    return re.sub(r"\.(\w+)\.lora_B\.", r".processor.\1_lora.up.", name)


def layers(name):
    return "unet." + name.replace("lora_A", "lora.down").replace("lora_B", "lora.up")


def kohya(folder, path, alpha=24.0):
    """kohya's names, and what diffusers' own converter and loader make of them."""
    from diffusers.loaders.lora_conversion_utils import (
        _convert_non_diffusers_lora_to_diffusers as converted,
    )

    tensors = {}
    for name, weight in state_of(trained(folder)).items():
        place, _, way = name.removesuffix(".weight").rpartition(".lora_")
        flat = f"lora_unet_{place.replace('.', '_')}"
        tensors[f"{flat}.lora_{'down' if way == 'A' else 'up'}.weight"] = weight
        if alpha is not None:
            tensors[f"{flat}.alpha"] = torch.tensor(alpha)
    save_file(tensors, path / "k.safetensors")
    weights, alphas = converted(dict(tensors))
    again = unet_of(folder)
    again.load_lora_adapter(weights, prefix="unet", network_alphas=alphas or None)
    return path / "k.safetensors", again


PATTERNS = {
    "rank_pattern": {"to_q": 2, "mid_block.attentions.0.to_v": 8},
    "alpha_pattern": {"to_k": 4, "up_blocks.0.attentions.0.to_out.0": 16},
}
# The first cell of a row of the page → what writes a file in a folder and reloads it.
READ = {
    "diffusers: `unet.save_lora_adapter`": lambda f, p: by_diffusers(f, p, {}),
    "diffusers: the same with `use_rslora`": lambda f, p: by_diffusers(
        f, p, {"use_rslora": True, "lora_alpha": 8}
    ),
    "diffusers: the same with `rank_pattern` and `alpha_pattern`": lambda f, p: by_diffusers(
        f, p, PATTERNS
    ),
    "diffusers: `save_lora_adapter` of convolutions and embeddings": lambda f, p: by_diffusers(
        f, p, {"target_modules": EVERYTHING, "lora_alpha": 12}
    ),
    "diffusers: a pipeline's `save_lora_weights`": pipelines_way,
    "diffusers: its layers of 2023": lambda f, p: by_diffusers(
        f, p, {}, prefix="unet", names=layers
    ),
    "diffusers: its attention processors": lambda f, p: by_diffusers(
        f, p, {}, names=processors
    ),
    "peft: `save_pretrained`": lambda f, p: wrapped(f, p),
    "peft: the same with `use_rslora`": lambda f, p: wrapped(f, p, use_rslora=True),
    "peft: the same with `rank_pattern` and `alpha_pattern`": lambda f, p: wrapped(
        f, p, **PATTERNS
    ),
    "kohya": kohya,
    "kohya: without alpha": lambda f, p: kohya(f, p, alpha=None),
}  # fmt: skip
SILENT = ("layers of 2023", "attention processors", "without alpha")  # no word of alpha
REFUSED = {
    "`.bin`, `.pt`: pickles": (None, "is a pickle"),
    "DoRA": ({"unet.mid_block.to_q.lora_magnitude_vector": 2}, "DoRA's"),
    "LyCORIS: LoHa, LoKr, OFT, full weights": (
        {"lora_unet_mid_block_attentions_0_to_q.lokr_w1": 2}, "LyCORIS's",
    ),
    "biases (`lora_bias`)": ({"unet.mid_block.to_q.lora_B.bias": 2}, "are biases"),
    "Custom Diffusion": ({"mid_block.to_q_custom_diffusion.weight": 2}, "Custom Diffusion's"),
    "a text encoder's": ({"lora_te_text_model_encoder.lora_down.weight": 2}, "text encoder"),
    "the original code base's": (
        {"lora_unet_input_blocks_1_1_to_q.lora_down.weight": 2}, "original code base",
    ),
    "kohya: of another model": (
        {"lora_unet_double_blocks_0_img.lora_down.weight": 2}, "for another model",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tiny):
    """The embeddings that the decoder is given: positive, negative."""
    draw = torch.Generator().manual_seed(5)
    return {
        name: torch.randn(1, 32, generator=draw)
        for name in ("image_embeds", "negative_image_embeds")
    }


def drawn(decoder, told):
    pictures = decoder(
        **told,
        height=64,
        width=64,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    ).images
    return np.rint(pictures * 255).astype(int)


def by_others(tiny, unet, told):
    import diffusers

    pipeline = diffusers.KandinskyV22Pipeline(
        unet=unet, scheduler=tiny.decoder.scheduler, movq=tiny.decoder.movq
    )
    pipeline.set_progress_bar_config(disable=True)
    return drawn(pipeline, told)


def by_us(k, told):
    with k.alone():
        return drawn(k.decoder, told)


@pytest.mark.parametrize("row", READ)
def test_it_is_as_strong_as_its_authors_reload_says(tiny, tiny_folder, told, tmp_path, row):
    path, unet = READ[row](tiny_folder, tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", KandiWarning)
        light = tiny.with_adapter(path)
    said = [str(w.message) for w in said if w.category is KandiWarning]
    ours, theirs = by_us(light, told), by_others(tiny, unet, told)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - by_us(tiny, told)).max() > 2, "it does something"
    if row.endswith(SILENT):
        assert len(said) == 1 and "does not say its alpha" in said[0]
    else:
        assert not said
        half = by_us(tiny.with_adapter(path, 0.5), told)
        assert np.abs(ours - half).max() > 1, "the strength can be seen"


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_not_read_says_why(tmp_path, row):
    names, why = REFUSED[row]
    path = tmp_path / ("x.bin" if names is None else "x.safetensors")
    if names is None:
        torch.save({}, path)
    else:
        save_file({name: torch.ones(size, size) for name, size in names.items()}, path)
    with pytest.raises(KandiError, match=why) as error:
        Adapter.load(path)
    assert "\n" not in str(error.value)
    if names is None:
        with pytest.raises(KandiError, match=r"safetensors\.torch\.save_file"):
            Adapter.load(tmp_path)


def test_the_page_has_a_row_a_format_and_a_row_a_refusal():
    rows = re.findall(r"^\| (?!---)(.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [row for row in rows if row not in ("format", "what")] == [*READ, *REFUSED]


def test_the_line_of_the_page_makes_a_file_of_a_pickle(tiny_folder, tmp_path, monkeypatch):
    (line,) = re.findall(r'^python -c "(.+)"$', PAGE.read_text("utf-8"), re.MULTILINE)
    torch.save(state_of(trained(tiny_folder)), tmp_path / "old.bin")
    monkeypatch.chdir(tmp_path)
    exec(line)
    with pytest.warns(KandiWarning, match="alpha"):
        assert Adapter.load(tmp_path / "new.safetensors").parts == ["decoder"]


def test_every_layer_has_a_name_that_can_be_taken_apart():
    from kandi_nb.model.adapters.layouts import _with_dots

    for key in ("mini-2.2", "mini-2.1"):
        k = kn.load(key)
        for role in k.spec.roles:
            pipeline = k.pipeline(role)
            network = pipeline.prior if role == "prior" else pipeline.unet
            for name, layer in network.named_modules():
                if hasattr(layer, "weight") and layer.weight.ndim in (2, 4):
                    assert _with_dots(name.replace(".", "_"), "it") == name


def test_a_kohya_file_of_the_prior_is_the_priors(tiny, tmp_path):
    flat = "lora_unet_transformer_blocks_0_attn1_to_q"
    (place,) = (n for n, _ in tiny.prior.prior.named_modules() if n.endswith("0.attn1.to_q"))
    width = tiny.prior.prior.get_submodule(place).in_features
    tensors = {
        f"{flat}.lora_down.weight": torch.ones(2, width),
        f"{flat}.lora_up.weight": torch.ones(width, 2),
        f"{flat}.alpha": torch.tensor(1.0),
    }
    save_file(tensors, tmp_path / "p.safetensors")
    adapter = Adapter.load(tmp_path / "p.safetensors")
    assert adapter.parts == ["prior"]
    assert float(adapter.weights["prior"][place].up[0, 0]) == 0.5
    assert tiny.with_adapter(adapter).adapters


def test_time_embeddings_belong_to_the_rest_of_the_file(tmp_path):
    pair = {"lora_A.weight": torch.ones(2, 4), "lora_B.weight": torch.ones(4, 2)}
    alone = {f"time_embedding.linear_1.{n}": w for n, w in pair.items()}
    save_file(alone, tmp_path / "a.safetensors")
    with pytest.raises(KandiError, match="does not say whether"):
        Adapter.load(tmp_path / "a.safetensors")
    both = alone | {f"proj_in.{n}": w.clone() for n, w in pair.items()}
    save_file(both, tmp_path / "b.safetensors")
    with pytest.warns(KandiWarning):
        assert Adapter.load(tmp_path / "b.safetensors").parts == ["prior"]


def test_a_configuration_of_another_file_is_left_alone(tiny, tiny_folder, told, tmp_path):
    path, unet = READ["diffusers: its attention processors"](tiny_folder, tmp_path)
    config = {"lora_alpha": 32, "r": 4, "peft_type": "LORA"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.warns(KandiWarning, match="alpha"):
        light = tiny.with_adapter(path)
    assert np.abs(by_us(light, told) - by_others(tiny, unet, told)).max() <= 1
    other = tmp_path / "peft"
    wrapped(tiny_folder, other)
    (other / "adapter_config.json").write_text(json.dumps(config | {"r": 16}))
    with pytest.raises(KandiError, match=r"rank 16 for .* have 4; it belongs to another file"):
        Adapter.load(other)


BAD = {
    "alpha": ({}, {"alpha": torch.tensor(torch.nan)}, "alpha is nan, no finite number"),
    "huge": ({"r": 1e-9, "lora_alpha": 1}, {}, "rank 1e-09"),
    "too large": ({}, {"alpha": torch.tensor(3e38)}, "numbers too large"),
    "alphas": ({}, {"alpha": torch.ones(2)}, "no finite number"),
    "infinite": ({"r": 2, "lora_alpha": float("inf")}, {}, "lora_alpha is inf"),
    "text": ({"r": 2, "lora_alpha": "much"}, {}, "lora_alpha is 'much'"),
    "without": ({"r": 2}, {}, "lora_alpha is None"),
    "pattern": (
        {"r": 2, "lora_alpha": 2, "alpha_pattern": {"to_q": float("nan")}}, {}, "to_q is nan",
    ),
    "expression": (
        {"r": 2, "lora_alpha": 2, "rank_pattern": {"(a+)+$": 2}}, {}, "no plain name",
    ),
    "dora": ({"r": 2, "lora_alpha": 2, "use_dora": True}, {}, "asks for DoRA"),
    "list": ([], {}, "cannot be read"),
}  # fmt: skip


def test_settings_nested_too_deep_cannot_be_read(tmp_path):
    with pytest.raises(KandiError, match="cannot be read"):
        scales_in(tmp_path / "x", {"lora_adapter_metadata": "[" * 100_000})


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("to_q", True),
        (r"attentions\.0\.to_q$", True),
        ("o_q", False),
        ("^mid.attentions.0.to_q", True),
        ("^attentions.0.to_q", False),
    ],
)
def test_a_pattern_is_the_end_of_a_name_or_all_of_it(tmp_path, pattern, fits):
    said = {"r": 2, "lora_alpha": 2, "alpha_pattern": {pattern: 8}}
    scale_of = scales_in(tmp_path / "x", {"lora_adapter_metadata": json.dumps(said)})
    assert scale_of("decoder", "mid.attentions.0.to_q", 2) == (4 if fits else 1)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_alpha_is_refused_when_it_is_read(tmp_path, case):
    said, more, message = BAD[case]
    place = "mid_block.attentions.0.to_q"
    tensors = {
        f"{place}.lora_A.weight": torch.ones(2, 2),
        f"{place}.lora_B.weight": torch.full((2, 2), 9.0),
        **{f"{place}.{name}": tensor for name, tensor in more.items()},
    }
    metadata = {"lora_adapter_metadata": json.dumps(said)} if said != {} else None
    save_file(tensors, tmp_path / "bad.safetensors", metadata)
    with pytest.raises(KandiError, match=message):
        Adapter.load(tmp_path / "bad.safetensors")
