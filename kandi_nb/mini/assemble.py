"""Put trained parts together as checkpoint folders in the publisher's layout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..integrity import SUMS
from ..writing import write
from . import parts

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"
PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"
INPAINT, DEPTH = "kandinsky-2-2-decoder-inpaint", "kandinsky-2-2-controlnet-depth"


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


def _save_pipeline(pipeline, folder: Path, extra: Sequence[Path] = ()) -> None:
    """Save a pipeline with half-precision files that load as float32 everywhere.

    transformers 5 takes its dtype from the config, so that names float32; the image processor's
    class gets the name that transformers 4 knows too. An existing model card is kept; ``extra``
    are tokenizer files to add.
    """
    for part in pipeline.components.values():
        if hasattr(part, "half"):
            part.half()
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
        named = index.read_text("utf-8").replace("CLIPImageProcessorPil", "CLIPImageProcessor")
        index.write_text(named, "utf-8")
        for path in extra:
            shutil.copy(path, fresh / "tokenizer" / path.name)
        for path in (*folder.glob("*.md"), *folder.glob("*.png")):
            shutil.copy(path, fresh / path.name)
        for path in fresh.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        _write_sums(fresh)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        os.replace(fresh, folder)


def save_prior(
    prior: nn.Module,
    text: nn.Module,
    vision: nn.Module,
    tokenizer: Path,
    weights: Path = WEIGHTS,
) -> Path:
    """Write the 2.2 prior's folder from its trained parts and return it.

    ``tokenizer`` is the folder that `make_clip_tokenizer` wrote.
    """
    from diffusers import KandinskyV22PriorPipeline, UnCLIPScheduler
    from transformers import CLIPImageProcessor, CLIPTokenizer

    processor = CLIPImageProcessor(
        size={"shortest_edge": 64},
        crop_size={"height": 64, "width": 64},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    pipeline = KandinskyV22PriorPipeline(
        prior=prior,
        image_encoder=vision,
        text_encoder=text,
        tokenizer=CLIPTokenizer.from_pretrained(tokenizer),
        scheduler=UnCLIPScheduler(**parts.prior_scheduler()),
        image_processor=processor,
    )
    # transformers 5 keeps a tokenizer in one file; 4 asks for these two.
    older = [tokenizer / "vocab.json", tokenizer / "merges.txt"]
    _save_pipeline(pipeline, weights / PRIOR, older)
    return weights / PRIOR


def save_decoder(
    unet: nn.Module, movq: nn.Module, weights: Path = WEIGHTS, name: str = DECODER
) -> Path:
    """Write the folder of a 2.2 decoder of any ``name`` and return it."""
    import diffusers

    pipelines = {
        DECODER: diffusers.KandinskyV22Pipeline,
        INPAINT: diffusers.KandinskyV22InpaintPipeline,
        DEPTH: diffusers.KandinskyV22ControlnetPipeline,
    }
    scheduler = diffusers.DDPMScheduler(**parts.decoder_scheduler())
    pipeline = pipelines[name](unet=unet, scheduler=scheduler, movq=movq)
    _save_pipeline(pipeline, weights / name)
    return weights / name


def save_judge(net: nn.Module, weights: Path = WEIGHTS) -> Path:
    """Write the judge's weights and return their file."""
    from safetensors.torch import save

    data = save({k: v.half().contiguous() for k, v in net.state_dict().items()})
    return write(weights / "judge" / "model.safetensors", data, overwrite=True)
