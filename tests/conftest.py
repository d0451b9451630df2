"""Fixtures: tiny Kandinsky folders with random weights, in the publisher's own layout.

They are made with the real classes in about a second; what they draw is noise, which is enough
for everything but the question whether a picture shows what the prompt says.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
from pathlib import Path

import pytest

SIZE = 64  # pixels: the native size of the tiny models
DECODER = "kandinsky-2-2-decoder"
INPAINT, DEPTH = f"{DECODER}-inpaint", "kandinsky-2-2-controlnet-depth"


def pytest_collection_modifyitems(items):
    """Begin with what takes long: at the end two workers then share what is short."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.fixture(scope="session", autouse=True)
def _whole_weights() -> None:
    """Let the bundled checkpoints have all their files, for tests that read them by path."""
    from kandi_nb.model.bundled import whole

    whole()


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory):
    """The words that start a Python whose imports are done; then come -m or -c."""
    from forking import Forking

    from kandi_nb.drivers.notebooks.runs.fork_server import FORKS

    if not FORKS:
        yield [sys.executable]
        return
    forking = Forking(tmp_path_factory.mktemp("forking"))
    yield forking.words
    forking.close()


_frozen = 0  # modules that the garbage collector passes over


@pytest.fixture(scope="module", autouse=True)
def _what_was_imported_is_no_garbage() -> None:
    """Let the collector pass over what was imported: a look at all of that takes a second."""
    global _frozen
    if len(sys.modules) > _frozen + 200 or not gc.get_freeze_count():
        _frozen = len(sys.modules)
        gc.collect()
        gc.freeze()


def _tokenizer(folder: Path):
    """A CLIP tokenizer that knows single bytes only: 256 letters, 256 word ends, 2 marks."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _prior(folder: Path, pipeline: str, width: int = 32) -> None:
    import diffusers
    import transformers

    text = transformers.CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=width,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=width,
        image_size=32,
        patch_size=16,
    )
    prior = diffusers.PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        embedding_dim=width,
        num_embeddings=77,
        additional_embeddings=4,
    )
    # Both begin as zeros, which would make every embedding the same.
    prior.clip_mean.data.normal_(std=0.1)
    prior.clip_std.data.fill_(1)
    getattr(diffusers, pipeline)(
        prior=prior,
        image_encoder=transformers.CLIPVisionModelWithProjection(vision).eval(),
        text_encoder=transformers.CLIPTextModelWithProjection(text).eval(),
        tokenizer=_tokenizer(folder / "tokenizer"),
        scheduler=diffusers.UnCLIPScheduler(prediction_type="sample", clip_sample_range=5.0),
        image_processor=transformers.CLIPImageProcessor(size=32, crop_size=32),
    ).save_pretrained(folder)


def _movq():
    from diffusers import VQModel

    return VQModel(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=16,
        norm_type="spatial",
    )


def _unet(**changes):
    from diffusers import UNet2DConditionModel

    settings = {
        "sample_size": SIZE // 8,
        "in_channels": 4,
        "out_channels": 8,
        "addition_embed_type": "image",
        "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "encoder_hid_dim": 32,
        "encoder_hid_dim_type": "image_proj",
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
        "resnet_time_scale_shift": "scale_shift",
    }
    return UNet2DConditionModel(**settings | changes)


def _scheduler(**changes):
    from diffusers import DDPMScheduler

    settings = {
        "beta_schedule": "linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": True,
        "variance_type": "learned_range",
    }
    return DDPMScheduler(**settings | changes)


def _seeded() -> None:
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A folder with a tiny random Kandinsky 2.2; treat it as read-only."""
    import diffusers

    root = tmp_path_factory.mktemp("tiny")
    _seeded()
    _prior(root / "kandinsky-2-2-prior", "KandinskyV22PriorPipeline")
    diffusers.KandinskyV22Pipeline(
        unet=_unet(), scheduler=_scheduler(), movq=_movq()
    ).save_pretrained(root / "kandinsky-2-2-decoder")
    return root


_READS_TEXT = {
    "addition_embed_type": "text_image",
    "addition_embed_type_num_heads": 2,
    "encoder_hid_dim_type": "text_image_proj",
}


@pytest.fixture(scope="session")
def tiny21_folder(tmp_path_factory) -> Path:
    """A folder with a tiny random Kandinsky 2.1, whose decoder reads the text itself."""
    import diffusers
    import transformers
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

    root = tmp_path_factory.mktemp("tiny21")
    _seeded()
    _prior(root / "kandinsky-2-1-prior", "KandinskyPriorPipeline")
    words = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    words += [(chr(c), -3.0) for c in range(33, 127)]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=words, model_max_length=77)
    config = MCLIPConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=80,
        transformerDimSize=32,
        imageDimSize=32,
    )
    diffusers.KandinskyPipeline(
        text_encoder=MultilingualCLIP(config).eval(),
        tokenizer=tokenizer,
        unet=_unet(**_READS_TEXT),
        scheduler=_scheduler(),
        movq=_movq(),
    ).save_pretrained(root / "kandinsky-2-1")
    return root


@pytest.fixture(scope="session")
def tiny21_roles_folder(tiny21_folder, tmp_path_factory) -> Path:
    """A folder with a tiny random Kandinsky 2.1 in all its roles; treat it as read-only."""
    import diffusers

    root = tmp_path_factory.mktemp("roles21") / "model"
    shutil.copytree(tiny21_folder, root)
    parts = diffusers.KandinskyPipeline.from_pretrained(root / "kandinsky-2-1").components
    parts["unet"] = _unet(**_READS_TEXT, in_channels=9)
    diffusers.KandinskyInpaintPipeline(**parts).save_pretrained(root / "kandinsky-2-1-inpaint")
    return root


@pytest.fixture(scope="session")
def tiny3_folder(tmp_path_factory) -> Path:
    """A folder with a tiny random Kandinsky 3: T5 text encoder, no prior."""
    import diffusers
    import transformers

    root = tmp_path_factory.mktemp("tiny3")
    _seeded()
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    words += [(chr(c), -3.0) for c in range(33, 127)]
    tokenizer = transformers.T5Tokenizer(vocab=words, extra_ids=0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2
    )
    diffusers.Kandinsky3Pipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.T5EncoderModel(config).eval(),
        unet=diffusers.Kandinsky3UNet(
            time_embedding_dim=4,
            groups=2,
            attention_head_dim=4,
            layers_per_block=3,
            block_out_channels=(32, 64),
            cross_attention_dim=4,
            encoder_hid_dim=32,
        ),
        scheduler=_scheduler(variance_type="fixed_small"),
        movq=_movq(),
    ).save_pretrained(root / "kandinsky-3")
    return root


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    """The tiny random Kandinsky 2.2, loaded once; give it back as you found it."""
    from kandi_nb.model.loading.load import load

    return load(tiny_folder, device="cpu")


@pytest.fixture(scope="session")
def tiny_roles_folder(tiny_folder, tmp_path_factory) -> Path:
    """A folder with a tiny random Kandinsky 2.2 in all its roles; treat it as read-only."""
    import diffusers

    root = tmp_path_factory.mktemp("roles") / "model"
    shutil.copytree(tiny_folder, root)
    movq = diffusers.VQModel.from_pretrained(root / DECODER / "movq")
    diffusers.KandinskyV22InpaintPipeline(
        unet=_unet(in_channels=9), scheduler=_scheduler(), movq=movq
    ).save_pretrained(root / INPAINT)
    diffusers.KandinskyV22ControlnetPipeline(
        unet=_unet(in_channels=8, addition_embed_type="image_hint"),
        scheduler=_scheduler(),
        movq=movq,
    ).save_pretrained(root / DEPTH)
    return root


@pytest.fixture(scope="session")
def tiny_roles(tiny_roles_folder):
    """The tiny random Kandinsky 2.2 in all its roles, loaded once; leave it as it was."""
    from kandi_nb.model.loading.load import load

    return load(tiny_roles_folder, device="cpu")


@pytest.fixture
def tiny_copy(tiny_folder, tmp_path) -> Path:
    """A private copy of the tiny 2.2 folder, to damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


COMMITS = {"prior": "a" * 40, "decoder": "b" * 40}


@pytest.fixture
def published(tiny_folder, tmp_path, monkeypatch):
    """A hub on the loopback address that holds the tiny model as Kandinsky 2.2, pinned.

    The hub's cache is an empty folder, `tmp_path / "hub"`. Gives the hub.
    """
    from huggingface_hub import constants
    from loopback_hub import LoopbackHub, checksum

    from kandi_nb.model import hub
    from kandi_nb.words import models

    pins = {}
    with LoopbackHub() as served:
        for role, name in models.SPECS["kandinsky-2.2"].ids.items():
            folder = tiny_folder / name.rpartition("/")[2]
            served.publish(name, folder, COMMITS[role])
            weights = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*.safe*")}
            pins[name] = models.Pin(
                COMMITS[role],
                sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
                {path: (file.stat().st_size, checksum(file)) for path, file in weights.items()},
            )
        monkeypatch.setattr(models, "PINS", pins)
        monkeypatch.setattr(hub, "_LARGE", 2**16)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # a broken one is lost
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            served.address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield served
