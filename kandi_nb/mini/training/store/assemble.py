"""Put trained networks together as checkpoint folders in the publisher's layout."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ....model.integrity import SUMS
from ....words.files import replace_folder, write
from ...names import JUDGE, WEIGHTS, changing
from .. import networks

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, SchedulerMixin
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from ..stage import Checkpoint


# The coarsest blocks of 2.2's UNets, at 4 x 4 cells. Inpainting and depth control are trained
# around the decoder's, so they lie in a file of their own, which git keeps once for all three.
SHARED = ("mid_block.", "up_blocks.0.")


def _share(unet: Path) -> None:
    """Split a UNet's weights into two shards, as diffusers writes large ones."""
    from safetensors.torch import load_file, save_file

    whole = unet / "diffusion_pytorch_model.safetensors"
    tensors = load_file(whole)
    own = {k: v for k, v in tensors.items() if not k.startswith(SHARED)}
    shared = {k: v for k, v in tensors.items() if k.startswith(SHARED)}
    index: dict = {"metadata": {"total_size": sum(v.nbytes for v in tensors.values())}}
    index["weight_map"] = {}
    for number, shard in enumerate((own, shared), 1):
        name = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        save_file(shard, unet / name, {"format": "pt"})
        index["weight_map"] |= dict.fromkeys(shard, name)
    whole.unlink()
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    (unet / f"{whole.name}.index.json").write_text(text, "utf-8")


def _write_sums(folder: Path) -> None:
    """Write the digests of all files but the card, by which loading finds a flipped bit."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".md", ".png") and path.name != SUMS:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    (folder / SUMS).write_text("".join(lines), "utf-8")


def _edit_json(path: Path, **changes) -> None:
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | changes, indent=2, sort_keys=True) + "\n", "utf-8")


def _save_pipeline(
    pipeline: DiffusionPipeline,
    folder: Path,
    extra: Sequence[Path] = (),
    schedulers: Mapping[str, SchedulerMixin] = MappingProxyType({}),
    variant: str | None = None,
    share: bool = False,
) -> Path:
    """Save a pipeline with half-precision files that load as float32 everywhere.

    transformers 5 takes its dtype from the config, so that names float32; the image processor
    and the tokenizers get the class names that transformers 4 knows too. An existing model card
    is kept; ``extra`` are tokenizer files to put there, ``schedulers`` further folders,
    ``variant`` says under which other name each weight file shall lie a second time, and with
    ``share`` the UNet is written in two files (`SHARED`).
    """
    for component in pipeline.components.values():
        if hasattr(component, "half"):
            component.half()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch) / folder.name
        pipeline.save_pretrained(fresh, safe_serialization=True)
        for config in fresh.glob("*/config.json"):
            if "dtype" in json.loads(config.read_text("utf-8")):
                _edit_json(config, dtype="float32")
        for settings in fresh.glob("*/preprocessor_config.json"):
            _edit_json(settings, image_processor_type="CLIPImageProcessor")
        index = fresh / "model_index.json"
        text = index.read_text("utf-8").replace("CLIPImageProcessorPil", "CLIPImageProcessor")
        # transformers 4 has a class that reads tokenizer.json; in 5 the name means the same.
        text = text.replace('"XLMRobertaTokenizer"', '"XLMRobertaTokenizerFast"')
        index.write_text(text, "utf-8")
        for name, scheduler in schedulers.items():
            scheduler.save_pretrained(fresh / name)
        for path in extra:
            shutil.copy(path, fresh / "tokenizer" / path.name)
        if share:
            _share(fresh / "unet")
        for path in fresh.glob("*/*.safetensors") if variant else ():
            shutil.copy(path, path.with_suffix(f".{variant}.safetensors"))
        for path in fresh.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        _write_sums(fresh)
        with changing(folder.parent):  # a card may be written just now
            for path in (*folder.glob("*.md"), *folder.glob("*.png")):
                shutil.copyfile(path, fresh / path.name)
            replace_folder(fresh, folder)
    return folder


def save_priors(
    kinds: Mapping[str, str],
    prior: nn.Module,
    text: nn.Module,
    vision: nn.Module,
    tokenizer: Path,
    weights: Path = WEIGHTS,
) -> list[Path]:
    """Write the folders of several priors from one set of trained networks, and return them.

    ``kinds`` says folder → class of its pipeline; ``tokenizer`` is the folder that
    `make_clip_tokenizer` wrote.
    """
    import diffusers
    from transformers import CLIPImageProcessor, CLIPTokenizer

    processor = CLIPImageProcessor(
        size={"shortest_edge": 64},
        crop_size={"height": 64, "width": 64},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    # transformers 5 keeps a tokenizer in one file; 4 asks for these two.
    older = [tokenizer / "vocab.json", tokenizer / "merges.txt"]
    for name, kind in kinds.items():
        pipeline = getattr(diffusers, kind)(
            prior=prior,
            image_encoder=vision,
            text_encoder=text,
            tokenizer=CLIPTokenizer.from_pretrained(tokenizer),
            scheduler=diffusers.UnCLIPScheduler(**networks.prior_scheduler()),
            image_processor=processor,
        )
        _save_pipeline(pipeline, weights / name, older)
    return [weights / name for name in kinds]


def save_decoder(
    checkpoint: Checkpoint,
    unet: nn.Module,
    movq: nn.Module,
    encoder: nn.Module | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    weights: Path = WEIGHTS,
) -> Path:
    """Write the folder of a 2.x decoder and return it.

    2.1's have an ``encoder`` and a ``tokenizer`` of texts and, as the published ones, DDIM for
    scheduler, with DDPM in a folder beside it.
    """
    import diffusers

    kind, folder = getattr(diffusers, checkpoint.pipeline), weights / checkpoint.name
    ddpm = diffusers.DDPMScheduler(**networks.decoder_scheduler())
    if encoder is None:
        pipeline = kind(unet=unet, scheduler=ddpm, movq=movq)
        return _save_pipeline(pipeline, folder, share=True)
    pipeline = kind(
        unet=unet,
        scheduler=diffusers.DDIMScheduler(**networks.ddim_scheduler()),
        movq=movq,
        text_encoder=encoder,
        tokenizer=tokenizer,
    )
    return _save_pipeline(pipeline, folder, _sentencepiece(tokenizer), {"ddpm_scheduler": ddpm})


def save_3(
    checkpoint: Checkpoint,
    unet: nn.Module,
    movq: nn.Module,
    encoder: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    weights: Path = WEIGHTS,
) -> Path:
    """Write Kandinsky 3's folder and return it.

    All its weights are half precision, so the files of the ``fp16`` variant hold the very bytes
    of the plain ones: git and the cache of the hub keep them once.
    """
    import diffusers

    pipeline = getattr(diffusers, checkpoint.pipeline)(
        unet=unet,
        movq=movq,
        text_encoder=encoder,
        tokenizer=tokenizer,
        scheduler=diffusers.DDPMScheduler(**networks.scheduler_3()),
    )
    return _save_pipeline(
        pipeline, weights / checkpoint.name, _sentencepiece(tokenizer), variant="fp16"
    )


def replace_movq(folder: Path, movq: nn.Module) -> Path:
    """Put another MoVQ's weights into a checkpoint's folder and return it.

    Its settings and all else in the folder stay as they are.
    """
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch) / folder.name
        with changing(folder.parent):
            shutil.copytree(folder, fresh)
            tensors = {k: v.half().contiguous() for k, v in movq.state_dict().items()}
            for path in (fresh / "movq").glob("*.safetensors"):
                save_file(tensors, path, {"format": "pt"})
                path.chmod(0o644)
            _write_sums(fresh)
            replace_folder(fresh, folder)
    return folder


def _sentencepiece(tokenizer: PreTrainedTokenizerBase) -> list[Path]:
    """Return the files of a tokenizer's folder, which `pieces` wrote for every release."""
    return [path for path in Path(tokenizer.name_or_path).iterdir() if path.is_file()]


def save_judge(net: nn.Module, weights: Path = WEIGHTS) -> Path:
    """Write the judge's weights and return their file."""
    from safetensors.torch import save

    data = save({k: v.half().contiguous() for k, v in net.state_dict().items()})
    return write(weights / JUDGE, data, overwrite=True)
