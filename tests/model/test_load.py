"""Loading by key and by folder, and finding damaged weights before they draw garbage."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import types
from pathlib import Path

import pytest
from conftest import COMMITS

import kandi_nb as kn
from kandi_nb.model import hub, integrity
from kandi_nb.model.caches import LRUCache
from kandi_nb.model.loading.assemble import native_size, without_gc
from kandi_nb.model.loading.load import load
from kandi_nb.words import models
from kandi_nb.words.errors import KandiError
from kandi_nb.words.models import SPECS, WEIGHTS

ROOT = Path(__file__).parents[2]
PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"


def test_a_folder_loads_with_all_that_k_holds(tiny_folder):
    import torch

    tiny = load(tiny_folder, device="cpu")  # of its own: others may have asked for more roles
    assert tiny.spec.family == "2.2"
    assert tiny.spec.key == f"{tiny_folder.name}/"
    assert tiny.spec.native_size == 64
    assert (tiny.device, tiny.dtype) == ("cpu", torch.float32)
    assert set(tiny.revision) == {"prior", "decoder"}
    assert all(len(mark) == 12 for mark in tiny.revision.values())
    assert "64 × 64" in repr(tiny)
    assert "\n" not in repr(tiny)


def test_every_way_to_name_a_folder(tiny_folder, tiny, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "kandinsky-community")
    marks = {role: tiny.revision[role] for role in ("prior", "decoder")}
    for way in (tmp_path, str(tmp_path), tmp_path / "kandinsky-community" / DECODER):
        assert load(way, device="cpu").revision == marks


@pytest.mark.parametrize("folder", ["tiny21_folder", "tiny3_folder"])
def test_the_other_families_take_the_same_way(request, folder):
    k = load(request.getfixturevalue(folder), device="cpu")
    assert k.spec.family == {"tiny21_folder": "2.1", "tiny3_folder": "3"}[folder]
    assert (k.prior is None) == (k.spec.family == "3")


def test_dtype_is_what_was_asked_for(tiny_folder):
    import torch

    k = load(tiny_folder, device="cpu", dtype="bfloat16")
    networks = [k.prior.prior, k.prior.text_encoder, k.decoder.unet, k.decoder.movq]
    assert {network.dtype for network in networks} == {torch.bfloat16}


def test_loading_says_nothing_and_shows_no_bar(tiny_folder, capfd):
    from diffusers.utils import logging as diffusers_logging

    load(tiny_folder, device="cpu")
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")
    assert diffusers_logging.is_progress_bar_enabled()  # put back for the user's own code


@pytest.mark.parametrize("on", [True, False])
def test_the_garbage_collector_is_afterwards_as_it_was(on, tiny_folder, monkeypatch):
    before, while_loading = gc.isenabled(), []
    monkeypatch.setattr(
        "kandi_nb.model.loading.kandinsky.assemble",
        lambda *args: while_loading.append(gc.isenabled()),
    )
    (gc.enable if on else gc.disable)()
    try:
        with pytest.raises(AttributeError):  # what came back is no pipeline
            load(tiny_folder)
        assert while_loading and not any(while_loading)
        assert gc.isenabled() == on
    finally:
        (gc.enable if before else gc.disable)()


def test_the_fingerprint_follows_the_weights(tiny, tiny_copy):
    file = tiny_copy / DECODER / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    k = load(tiny_copy, device="cpu")
    assert k.revision["prior"] == tiny.revision["prior"]
    assert k.revision["decoder"] != tiny.revision["decoder"]


def test_the_fingerprint_of_large_folders_looks_at_their_ends(tiny_copy, monkeypatch):
    monkeypatch.setattr(integrity, "_WHOLE", 0)
    before = integrity.fingerprint(tiny_copy / DECODER, "")
    file = tiny_copy / DECODER / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert integrity.fingerprint(tiny_copy / DECODER, "") != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kandinsky22", "did you mean kandinsky-2.2"),
        ("no-such-model", "known: mini-2.2, mini-2.1, mini-3, kandinsky-2.2"),
        (3, "a model key or a folder, not 3"),
        (Path("nowhere"), "there is no folder nowhere; .*mini-2.2"),
        ("./nowhere", "there is no folder"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(KandiError, match=message):
        load(name)


def test_a_strange_folder_shows_the_layout(tmp_path):
    (tmp_path / "kandinsky").mkdir()
    with pytest.raises(KandiError, match=f"FOLDER/{PRIOR} and FOLDER/{DECODER}"):
        load(tmp_path)


@pytest.mark.parametrize("given", ["", "kandinsky-community", f"kandinsky-community/{PRIOR}"])
def test_a_folder_with_one_stage_alone_names_the_other(tmp_path, given):
    (tmp_path / "kandinsky-community" / PRIOR).mkdir(parents=True)
    with pytest.raises(KandiError, match=f"holds {PRIOR}, but not {DECODER}, which kandinsky"):
        load(tmp_path / given)


def test_several_models_in_one_folder_need_a_choice(tmp_path, tiny_folder, tiny3_folder):
    shutil.copytree(tiny_folder, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tiny3_folder, tmp_path, dirs_exist_ok=True)
    with pytest.raises(KandiError, match="several models") as caught:
        load(tmp_path)
    calls = re.findall(r'kn\.load\("([^"]+)"\)', str(caught.value))
    assert [Path(call).name for call in calls] == ["kandinsky-2-2-decoder", "kandinsky-3"]
    assert load(tmp_path / "kandinsky-3", device="cpu").spec.family == "3"


@pytest.mark.parametrize(("side", "size"), [(64, 64), (512, 512), (32, 1024), (None, 1024)])
def test_a_decoder_whose_unet_says_no_size_is_asked_through_its_movq(side, size):
    """Kandinsky 3: 32 is what every MoVQ says that was not told anything else."""
    movq = types.SimpleNamespace(sample_size=side, block_out_channels=(1,) * 4)
    networks = {
        "unet": types.SimpleNamespace(config=types.SimpleNamespace()),
        "movq": types.SimpleNamespace(config=movq),
    }
    decoder = type("Kandinsky3Pipeline", (types.SimpleNamespace,), {})(**networks)
    assert native_size(decoder, SPECS["kandinsky-3"]) == size


def test_the_bundled_kandinsky_3_knows_its_size():
    assert load(WEIGHTS / "kandinsky-3", device="cpu").spec.native_size == 64


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _drop_tensor(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(file)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, file, {"format": "pt"})


def _empty_vocabulary(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()


UNET = "unet/diffusion_pytorch_model.safetensors"
DAMAGES = {
    "missing weights": (DECODER, UNET, Path.unlink, "is missing"),
    "half-written weights": (DECODER, UNET, _cut, "bytes instead of"),
    "weights that are a web page": (
        DECODER,
        UNET,
        lambda file: file.write_text("<html>not found</html>"),
        "no safetensors file or was cut short",
    ),
    "broken header": (
        DECODER,
        UNET,
        lambda file: file.write_bytes(struct.pack("<Q", 9) + b"{not json"),
        "broken header",
    ),
    "empty weights": (DECODER, UNET, lambda file: file.write_bytes(b""), "is empty"),
    "missing diffusers tensor": (DECODER, UNET, _drop_tensor, "lacks weights"),
    "missing transformers tensor": (
        PRIOR,
        "text_encoder/model.safetensors",
        _drop_tensor,
        "lacks weights",
    ),
    "missing config": (DECODER, "movq/config.json", Path.unlink, "is missing"),
    "half-written config": (DECODER, "movq/config.json", _cut, "half-written"),
    "missing part": (DECODER, "movq", shutil.rmtree, "is missing"),
    "missing index": (PRIOR, "model_index.json", Path.unlink, "is missing"),
    "empty vocabulary": (PRIOR, "tokenizer", _empty_vocabulary, "vocabulary files are missing"),
    "half-written vocabulary": (PRIOR, "tokenizer/tokenizer.json", _cut, "half-written"),
    "empty merges": (
        PRIOR,
        "tokenizer/merges.txt",
        lambda file: file.write_text(""),
        "is empty",
    ),
}


COMPONENTS = {
    "unet": DECODER,
    "movq": DECODER,
    "prior": PRIOR,
    "text_encoder": PRIOR,
    "image_encoder": PRIOR,
}


def poison(folder: Path, value: float) -> None:
    """Put one number into the middle of the last weight of a component's folder."""
    from safetensors.torch import load_file, save_file

    (file,) = folder.glob("*.safetensors")
    weights = load_file(file)
    name = list(weights)[-1]
    weights[name].view(-1)[weights[name].numel() // 2] = value
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("component", COMPONENTS)
def test_weights_that_are_no_numbers_are_named(tiny_copy, component, value):
    target = tiny_copy / COMPONENTS[component] / component
    poison(target, value)
    with pytest.raises(
        integrity.Damaged, match="weights that are not finite in float32"
    ) as found:
        load(tiny_copy, device="cpu")
    said = str(found.value)
    assert str(target) in said
    assert "copy the folder again" in said
    assert "\n" not in said


def test_a_number_too_large_for_float16_is_no_weight(tiny_copy):
    poison(tiny_copy / DECODER / "unet", 1e6)
    load(tiny_copy, device="cpu")
    with pytest.raises(KandiError, match="not finite in float16"):
        load(tiny_copy, device="cpu", dtype="float16")


def test_nothing_is_drawn_with_weights_that_are_no_numbers(tiny_copy, tmp_path, capsys):
    from kandi_nb.cli import main

    poison(tiny_copy / DECODER / "movq", float("nan"))
    out = tmp_path / "out"
    code = main(["draw", "a fox", "--model", str(tiny_copy), "-o", str(out / "fox.png")])
    assert code != 0
    assert "movq" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_named(tiny_copy, damage):
    stage, name, break_it, message = DAMAGES[damage]
    target = tiny_copy / stage / name
    break_it(target)
    with pytest.raises(integrity.Damaged, match=message) as found:
        load(tiny_copy, device="cpu")
    said = str(found.value)
    assert str(target) in said or str(target.parent) in said
    assert "copy the folder again" in said
    assert "\n" not in said


@pytest.mark.filterwarnings("ignore:memory is short on cpu")
def test_a_want_of_memory_is_not_called_damage(tiny_folder, monkeypatch):
    import diffusers
    import torch

    def starve(*args, **named):
        torch.empty(2**60)

    for owner, name in (
        (diffusers.VQModel, "from_pretrained"),
        (diffusers.KandinskyV22Pipeline, "from_pretrained"),
        (torch.nn.Module, "to"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, starve)
            with pytest.raises(
                KandiError, match=r"^cpu has too little memory for .*; close"
            ) as e:
                load(tiny_folder, device="cpu")
        assert not isinstance(e.value, integrity.Damaged)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize("limit", ["absent", 10**12, 78, 0, -1, None, "77", 1e30])
def test_a_tokenizer_without_a_sensible_limit_takes_its_encoders(tiny, tiny_copy, limit):
    file = tiny_copy / PRIOR / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    settings["model_max_length"] = limit
    if limit == "absent":
        settings.pop("model_max_length")
    file.write_text(json.dumps(settings))
    k = load(tiny_copy, device="cpu")
    assert k.prior.tokenizer.model_max_length == 77
    params = kn.Params("a red fox", steps=2, prior_steps=2)
    assert (kn.embed(k, params).tensor == kn.embed(tiny, params).tensor).all()


def test_a_limit_below_the_encoders_places_is_kept(tiny_copy):
    file = tiny_copy / PRIOR / "tokenizer" / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": 40}))
    assert load(tiny_copy, device="cpu").prior.tokenizer.model_max_length == 40


def test_load_and_check_say_the_same_of_a_broken_torchvision(tmp_path):
    import torch

    number = f"0.99{torch.__version__.removeprefix(torch.__version__.partition('+')[0])}"
    (tmp_path / "torchvision").mkdir()
    fault = 'OSError("libcudart.so.12: cannot open shared object file")'
    (tmp_path / "torchvision" / "__init__.py").write_text(f"raise {fault}")
    data = tmp_path / f"torchvision-{number}.dist-info"
    data.mkdir()
    (data / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: torchvision\nVersion: {number}\nRequires-Dist: torch\n"
    )
    code = (
        "import kandi_nb as kn\n"
        "(row,) = [row for row in kn.check() if row['what'] == 'torchvision']\n"
        "print(f\"torchvision {row['found']}; {row['remedy']}\")\n"
        "try: kn.load('mini-2.2', device='cpu')\n"
        "except kn.KandiError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout.splitlines()
    assert len(said) == 2 and said[0] == said[1], done.stdout + done.stderr
    assert said[0].endswith("pip uninstall -y torchvision (nothing here needs it)")
    assert "cannot be imported" in said[0]


def test_a_torchvision_for_another_torch_is_told_by_its_metadata(monkeypatch):
    from kandi_nb.model import check

    monkeypatch.setattr(check, "_version", {"torchvision": "0.9", "torch": "2.13.0"}.get)
    monkeypatch.setattr(check.importlib.metadata, "requires", lambda name: ["torch==1.0"])
    fault, remedy = check.torchvision_fault()
    assert fault == "0.9 wants torch==1.0, here is 2.13.0"
    assert remedy == "pip uninstall -y torchvision (nothing here needs it)"


def test_no_time_goes_into_looks_for_garbage_while_libraries_load_and_at_the_end():
    code = (
        "import gc, sys\n"
        "import kandi_nb as kn\n"
        "from kandi_nb.cli import main\n"
        "load, looks = kn.load, []\n"
        "gc.callbacks.append(lambda phase, info: looks.append(phase))\n"
        "k = load('mini-2.2', device='cpu')\n"
        "during, young, frozen = len(looks), len(gc.get_objects(0)), gc.get_freeze_count()\n"
        "sys.argv = ['kandi-nb', '--version']\n"
        "main()\n"
        "print(during, young, frozen, gc.isenabled(), gc.get_freeze_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    during, young, frozen, on, at_the_end = done.stdout.split()[-5:]
    assert during == "0", done.stderr
    assert int(young) < 10_000, "what was loaded counts as old"
    assert (frozen, on) == ("0", "True"), "the collector is as it was"
    assert int(at_the_end) > 100_000, "a command ends without a look at all modules"


def test_what_somebody_froze_stays_frozen():
    gc.freeze()
    try:
        with without_gc():
            assert not gc.isenabled()
        assert gc.isenabled() and gc.get_freeze_count()
    finally:
        gc.unfreeze()
    gc.disable()
    try:
        with without_gc():
            pass
        assert not gc.isenabled(), "who switched it off keeps it off"
    finally:
        gc.enable()


def test_a_package_that_cannot_be_imported_is_not_the_weights_fault(tiny_folder, monkeypatch):
    import diffusers

    def broken(*words, **named):
        raise ModuleNotFoundError("No module named 'nowhere'")

    monkeypatch.setattr(diffusers.VQModel, "from_pretrained", broken)
    with pytest.raises(KandiError, match=r"No module named 'nowhere'.*kandi-nb check") as found:
        load(tiny_folder, device="cpu")
    assert not isinstance(found.value, integrity.Damaged)


def test_pickled_weights_are_not_read(tiny_copy):
    file = tiny_copy / DECODER / UNET
    file.rename(file.with_suffix(".bin"))
    with pytest.raises(integrity.Damaged, match=r"safetensors is missing \(pickled"):
        load(tiny_copy)


def test_checksums_find_a_single_flipped_bit(tiny_copy):
    stage = tiny_copy / DECODER
    names = [UNET, "model_index.json"]
    lines = [f"{hashlib.sha256((stage / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (stage / "SHA256SUMS").write_text("".join(lines))
    integrity.check_folder(stage, "")
    content = bytearray((stage / UNET).read_bytes())
    content[-1] ^= 1
    (stage / UNET).write_bytes(content)
    with pytest.raises(integrity.Damaged, match="checksum differs"):
        integrity.check_folder(stage, "")


def test_an_inpainting_unet_is_no_plain_decoder(tiny_copy):
    import conftest

    shutil.rmtree(tiny_copy / DECODER / "unet")
    conftest._unet(in_channels=9).save_pretrained(tiny_copy / DECODER / "unet")
    with pytest.raises(KandiError, match=r"an inpainting UNet .*in_channels 9 instead of 4"):
        load(tiny_copy, device="cpu")


def test_sharded_weights_load_and_a_missing_shard_is_named(tiny, tiny_copy):
    unet = tiny_copy / DECODER / "unet"
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    tiny.decoder.unet.save_pretrained(unet, max_shard_size="1MB")
    shards = sorted(unet.glob("*.safetensors"))
    assert len(shards) > 1
    load(tiny_copy, device="cpu")
    shards[1].unlink()
    with pytest.raises(integrity.Missing, match=shards[1].name):
        load(tiny_copy, device="cpu")


def test_bundled_damage_says_how_to_restore(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "WEIGHTS", tmp_path / "weights")
    shutil.copytree(tiny_folder, tmp_path / "weights")
    assert load("mini-2.2", device="cpu").spec.key == "mini-2.2"
    _cut(tmp_path / "weights" / DECODER / UNET)
    with pytest.raises(integrity.Damaged, match=rf"{DECODER}.*git checkout -- .*weights \("):
        load("mini-2.2", device="cpu")


def test_published_models_are_downloaded_at_their_pin_and_then_cached(published, monkeypatch):
    from huggingface_hub import constants

    k = load("kandinsky-community/kandinsky-2-2-decoder", device="cpu")
    assert (k.spec.key, k.spec.native_size) == ("kandinsky-2.2", 512)
    assert k.revision == COMMITS
    published.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load("kandinsky-2.2", device="cpu").revision == COMMITS
    assert published.asked == [], "the cache comes first"


def test_what_the_cache_lacks_is_downloaded(published, tmp_path):
    load("kandinsky-2.2", device="cpu")
    file = next((tmp_path / "hub").glob(f"*decoder/snapshots/*/{UNET}"))
    file.resolve().unlink()
    file.unlink()
    published.asked.clear()
    assert load("kandinsky-2.2", device="cpu").revision == COMMITS
    assert published.brought() == [UNET]


def test_without_cache_and_network_there_is_one_way_out(published):
    published.down = True
    with pytest.raises(KandiError) as found:
        load("kandinsky-2.2")
    said = str(found.value)
    assert "kandi-nb fetch kandinsky-2.2" in said and "\n" not in said
    assert 'kn.load("mini-2.2")' in said


def test_damage_in_the_cache_is_not_papered_over(published, tmp_path):
    load("kandinsky-2.2", device="cpu")
    _cut(next((tmp_path / "hub").glob(f"*decoder/snapshots/*/{UNET}")).resolve())
    published.asked.clear()
    with pytest.raises(integrity.Damaged, match=r"bytes instead of.*kandi-nb fetch"):
        load("kandinsky-2.2")
    assert published.asked == []


def test_a_download_that_does_not_fit_is_refused(published, monkeypatch):
    usage = type("Usage", (), {"free": 2e6})
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(KandiError, match=r"needs 0.01 GB more of disk.* 0.00 GB left"):
        load("kandinsky-2.2")
    assert published.brought() == []


def test_variants_fall_back_to_the_plain_file(tiny_copy):
    part = tiny_copy / DECODER / "unet"
    (name,) = [f.name for f in integrity.weight_files(part, "fp16")]
    assert name == "diffusion_pytorch_model.safetensors"
    shutil.copy(part / name, part / "diffusion_pytorch_model.fp16.safetensors")
    (name,) = [f.name for f in integrity.weight_files(part, "fp16")]
    assert name == "diffusion_pytorch_model.fp16.safetensors"


def test_recent_forgets_what_was_used_longest_ago():
    kept = LRUCache(2)
    kept["a"], kept["b"] = 1, 2
    assert kept["a"] == 1
    kept["c"] = 3
    assert list(kept) == ["a", "c"]


def test_the_tiny_index_lists_what_the_published_one_does(tiny_folder):
    index = json.loads((tiny_folder / PRIOR / "model_index.json").read_text())
    assert {name for name in index if name[0] != "_"} == {
        "image_encoder",
        "image_processor",
        "prior",
        "scheduler",
        "text_encoder",
        "tokenizer",
    }


def test_a_loaded_model_is_neither_copied_nor_pickled(tiny):
    import copy
    import pickle

    for take in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(KandiError) as raised:
            take(tiny)
        words = str(raised.value)
        assert "k.with_scheduler" in words and "kn.load(" in words and "\n" not in words
