"""Folders from strangers: nothing that they name is imported, run or waited for."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest

import kandi_nb as kn
from kandi_nb.model import integrity
from kandi_nb.model.bundled import folders_of
from kandi_nb.tasks.depth import depth_of
from kandi_nb.words.errors import KandiError
from kandi_nb.words.families import FAMILIES
from kandi_nb.words.models import SPECS

PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"
PROGRAM = "import pathlib; pathlib.Path({!r}).write_text('run')\nclass Evil: pass\n"


class Folder:
    """A copy of a model's folder that a stranger has worked on."""

    def __init__(self, source, root):
        self.root, self.canary = root / "model", root / "canary"
        shutil.copytree(source, self.root, copy_function=os.link)

    def write(self, path, content):
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def change(self, path, **entries):
        self.write(path, json.dumps(json.loads((self.root / path).read_text()) | entries))

    def link(self, path, target):
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).symlink_to(target)

    def program(self, path):
        self.write(path, PROGRAM.format(str(self.canary)))


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return Folder(tiny_folder, tmp_path)


def foreign_module(folder):
    folder.program("../evil_module.py")
    folder.change(f"{DECODER}/model_index.json", unet=["evil_module", "Evil"])


def foreign_class(folder):
    folder.change(f"{PRIOR}/model_index.json", tokenizer=["transformers", "AutoTokenizer"])


def class_of_another_role(folder):
    folder.change(f"{DECODER}/model_index.json", movq=["transformers", "T5EncoderModel"])


def class_of_another_family(folder):
    folder.change(f"{DECODER}/model_index.json", unet=["diffusers", "Kandinsky3UNet"])


def scheduler_that_is_none(folder):
    folder.change(f"{DECODER}/model_index.json", scheduler=["os", "EvilScheduler"])


def another_component(folder):
    folder.change(f"{DECODER}/model_index.json", helper=["diffusers", "VQModel"])


def pipeline_of_its_own(folder):
    folder.program(f"{DECODER}/evil.py")
    folder.change(f"{DECODER}/model_index.json", _class_name=["evil", "Evil"])


def component_with_a_program(folder):
    folder.program(f"{PRIOR}/tokenizer/transformers.py")


def map_of_a_tokenizer(folder):
    folder.program(f"{PRIOR}/evil.py")
    wanted = {"AutoTokenizer": ["evil.Evil", None]}
    folder.change(f"{PRIOR}/tokenizer/tokenizer_config.json", auto_map=wanted)


def map_of_a_network(folder):
    folder.change(f"{PRIOR}/text_encoder/config.json", auto_map={"AutoModel": "evil.Evil"})


def map_in_a_corner(folder):
    held = {"vision": [{"auto_map": {"AutoConfig": "evil.Evil"}}]}
    folder.change(f"{PRIOR}/image_processor/preprocessor_config.json", more=held)


def kernels_from_the_hub(folder):
    folder.change(f"{PRIOR}/text_encoder/config.json", attn_implementation="evil/kernel")


def endless_layers(folder):
    folder.change(f"{PRIOR}/text_encoder/config.json", num_hidden_layers=10**9)


def endless_layers_of_a_block(folder):
    folder.change(f"{DECODER}/unet/config.json", layers_per_block=10**8)


def endless_layers_of_one_block(folder):
    folder.change(f"{DECODER}/unet/config.json", transformer_layers_per_block=[1, [10**8]])


def no_timesteps(folder):
    folder.change(f"{DECODER}/scheduler/scheduler_config.json", num_train_timesteps=0)


def unknown_prediction(folder):
    folder.change(f"{PRIOR}/scheduler/scheduler_config.json", prediction_type="evil")


def shards_elsewhere(folder):
    names = {"conv_in.weight": "../../../elsewhere.safetensors"}
    file = f"{DECODER}/unet/diffusion_pytorch_model.safetensors"
    (folder.root / file).rename(folder.root.parent / "elsewhere.safetensors")
    folder.write(f"{file}.index.json", json.dumps({"metadata": {}, "weight_map": names}))


def shards_that_are_no_names(folder):
    (folder.root / f"{DECODER}/unet/diffusion_pytorch_model.safetensors").unlink()
    index = f"{DECODER}/unet/diffusion_pytorch_model.safetensors.index.json"
    folder.write(index, json.dumps({"weight_map": {"conv_in.weight": ["a", 5]}}))


def pipe_for_words(folder):
    (folder.root / f"{PRIOR}/tokenizer/merges.txt").unlink()
    os.mkfifo(folder.root / f"{PRIOR}/tokenizer/merges.txt")


def pipe_for_a_configuration(folder):
    (folder.root / f"{DECODER}/model_index.json").unlink()
    os.mkfifo(folder.root / f"{DECODER}/model_index.json")


def link_to_a_device(folder):
    folder.link(f"{PRIOR}/tokenizer/vocab.json", "/dev/zero")


def deep_configuration(folder):
    folder.write(f"{DECODER}/unet/config.json", '{"a":' + "[" * 200_000 + "]" * 200_000 + "}")


def broken_offsets(folder):
    ends = {"a": 4, "b": "x"}
    tensors = {
        n: {"dtype": "F32", "shape": [1], "data_offsets": [0, e]} for n, e in ends.items()
    }
    header = json.dumps(tensors).encode()
    whole = len(header).to_bytes(8, "little") + header + bytes(4)
    folder.write(f"{DECODER}/unet/diffusion_pytorch_model.safetensors", whole)


def sums_elsewhere(folder):
    folder.write(f"{DECODER}/SHA256SUMS", f"{'0' * 64} *../../../etc/hostname\n")


TAMPERED = {
    foreign_module: "names ['evil_module', 'Evil'] as 'unet'",
    foreign_class: "where CLIPTokenizer or",
    class_of_another_role: "as 'movq', where VQModel",
    class_of_another_family: "where UNet2DConditionModel",
    scheduler_that_is_none: "where a scheduler of diffusers",
    another_component: "where no such part",
    pipeline_of_its_own: "a pipeline of its own",
    component_with_a_program: "is a program",
    map_of_a_tokenizer: "names code to run (auto_map)",
    map_of_a_network: "names code to run (auto_map)",
    map_in_a_corner: "names code to run (auto_map)",
    kernels_from_the_hub: "names kernels to download",
    endless_layers: "asks for 1000000000 layers",
    endless_layers_of_a_block: "asks for 100000000 layers",
    endless_layers_of_one_block: "asks for [1, [100000000]] layers",
    no_timesteps: "was trained on 0 timesteps",
    unknown_prediction: "predicts 'evil', which is unknown",
    shards_elsewhere: "outside its folder",
    shards_that_are_no_names: "outside its folder",
    pipe_for_words: "is no ordinary file",
    pipe_for_a_configuration: "is no ordinary file",
    link_to_a_device: "is no ordinary file",
    deep_configuration: "unreadable",
    broken_offsets: "broken header",
    sums_elsewhere: "outside its folder",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda one: one.__name__)
@pytest.mark.parametrize("memory", ["resident", "auto"])
def test_a_tampered_folder_is_refused_in_one_line_before_anything_is_loaded(
    tamper, memory, folder, monkeypatch
):
    monkeypatch.syspath_prepend(str(folder.root.parent))
    monkeypatch.setattr("sys.stdin", None)  # whoever asks a question fails
    tamper(folder)
    began = time.process_time()
    with pytest.raises(KandiError, match=r"^[^\n]+$") as refused:
        kn.load(folder.root, device="cpu", memory=memory)
    assert TAMPERED[tamper] in str(refused.value)
    assert not folder.canary.exists() and time.process_time() - began < 5


def test_what_is_never_read_is_no_hindrance_and_never_run(folder, tiny):
    folder.program(f"{DECODER}/pipeline.py")
    folder.program(f"{PRIOR}/evil.py")
    folder.write(f"{PRIOR}/tokenizer/chat_template.jinja", "{{ ''.__class__.__mro__ }}")
    lie = {"_class_name": "EvilScheduler"}
    folder.change(f"{DECODER}/scheduler/scheduler_config.json", **lie)
    folder.change(f"{DECODER}/unet/config.json", _class_name="Evil")
    k = kn.load(folder.root, device="cpu")
    assert not folder.canary.exists()
    settings = kn.Params("a fox", steps=2, prior_steps=2)
    ours, theirs = (kn.generate(each, settings).arrays() for each in (k, tiny))
    assert (ours == theirs).all(), "nor does a link to weights elsewhere change anything"


def test_an_estimator_with_code_is_refused(tmp_path):
    from PIL import Image

    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoConfig": "a.B"}}))
    with pytest.raises(KandiError, match="names code to run"):
        depth_of(Image.new("RGB", (8, 8)), model=tmp_path)


@pytest.mark.parametrize("key", [key for key, known in SPECS.items() if known.bundled])
def test_the_bundled_models_are_of_the_known_classes(key):
    known = SPECS[key]
    for role, place in folders_of(known).items():
        stage = "prior" if role == "prior" else "decoder"
        found = integrity.components(place, known.family, stage)
        assert {"scheduler"} | set(FAMILIES[known.family].stages[stage]) == set(found)
