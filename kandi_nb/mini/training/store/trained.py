"""Where a stage finds what earlier stages learned: its training folder, else what has landed.

A clone holds the landed weights but no checkpoints, so any later stage can start there. The
landed files are float16 and are read as float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ....words.errors import KandiError
from ... import names
from .. import loop, networks, tokenizers
from ..tokenizers import make_clip_tokenizer

if TYPE_CHECKING:
    import torch
    from diffusers import KandinskyV22PriorPipeline
    from torch import nn
    from transformers import PreTrainedTokenizerBase

# Kind → its class, the folder where it has landed, how to learn it, and a file that is written
# last or with all others.
_TOKENIZERS = {
    "clip": ("CLIPTokenizer", names.PRIOR, make_clip_tokenizer, "merges.txt"),
    "xlm-r": (
        "XLMRobertaTokenizer",
        names.DECODER_21,
        tokenizers.make_xlm_r_tokenizer,
        "tokenizer_config.json",
    ),
    "t5": (
        "T5Tokenizer",
        names.KANDINSKY_3,
        tokenizers.make_t5_tokenizer,
        "tokenizer_config.json",
    ),
}

_ENCODERS = {"text-2.1": networks.multilingual_clip, "text-3": networks.t5}


@dataclass(frozen=True)
class Trained:
    """What earlier stages learned: checkpoints in ``folder``, or what landed in ``weights``."""

    folder: Path
    weights: Path = names.WEIGHTS

    def checkpointed(self, stage: str) -> bool:
        """Tell whether the training folder has a checkpoint of the stage."""
        return (self.folder / f"{stage}.safetensors").exists()

    def weights_of(self, stage: str) -> dict[str, torch.Tensor]:
        """Return a stage's weights, float32, by their names in its module.

        Raises KandiError, which names the command to type, where the stage neither has a
        checkpoint nor landed.
        """
        if self.checkpointed(stage):
            return loop.average_weights(self.folder, stage)
        if weights := self.landed_weights(stage):
            return weights
        raise _missing(stage)

    def landed_weights(self, stage: str) -> dict[str, torch.Tensor]:
        """Return the weights that a stage has landed, float32; none if a file is not there."""
        from safetensors.torch import load_file

        weights: dict[str, torch.Tensor] = {}
        for prefix, folder in names.LANDED.get(stage, {}).items():
            files = [
                path
                for path in sorted((self.weights / folder).glob("*.safetensors"))
                if ".fp16." not in path.name  # the same once more
            ]
            if not files:
                return {}
            for file in files:
                weights |= {f"{prefix}{k}": v.float() for k, v in load_file(file).items()}
        return weights

    def begin(self, module: nn.Module, stage: str) -> None:
        """Fill a stage's module with what the stage has landed.

        What the stage does not train stays as it is. Raises KandiError where nothing has
        landed, or nothing that could be trained on (a prior lands with more positions than are
        trained).
        """
        weights = self.landed_weights(stage)
        if not weights:
            raise KandiError(f"stage {stage} has nothing in {self.weights} to begin with")
        frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
        mine = {name: weight for name, weight in weights.items() if name not in frozen}
        if wrong := module.load_state_dict(mine, strict=False).unexpected_keys:
            raise KandiError(f"what stage {stage} has landed does not fit it: {wrong[:3]}")

    def clip_towers(self) -> tuple[nn.Module, nn.Module]:
        """Return the trained text and picture towers, frozen."""
        weights = self.weights_of("clip")
        return (
            networks.load_weights(networks.clip_text(), weights, "text."),
            networks.load_weights(networks.clip_vision(), weights, "vision."),
        )

    def no_prompt(self) -> torch.Tensor:
        """Return the embedding (128,) that the pipelines take for "nothing asked"."""
        import torch

        vision = self.clip_towers()[1]
        with torch.inference_mode():
            return vision(torch.zeros(1, 3, 64, 64)).image_embeds[0].clone()

    def encoder(self, stage: str) -> nn.Module:
        """Return the trained text encoder of the stage `text-2.1` or `text-3`, frozen."""
        return networks.load_weights(_ENCODERS[stage](), self.weights_of(stage), "encoder.")

    def prior(self, device: str = "cpu") -> KandinskyV22PriorPipeline:
        """Return the prior that has landed, as its pipeline.

        Raises KandiError, which names the command to type, where there is none.
        """
        from diffusers import KandinskyV22PriorPipeline

        folder = self.weights / names.PRIOR
        if not (folder / "model_index.json").exists():
            raise _missing("prior")
        pipe = KandinskyV22PriorPipeline.from_pretrained(folder).to(device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def tokenizer_folder(self, kind: str) -> Path:
        """Return the folder of the tokenizer "clip", "xlm-r" or "t5"; learn one if need be.

        It stays what it is when captions change, as the text encoders that learned with it do.
        """
        from filelock import FileLock

        _, landed, make, last = _TOKENIZERS[kind]
        folder = self.folder / ("tokenizer" if kind == "clip" else kind)
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"tokenizer-{kind}.lock"):  # one learns it, others wait
            for place in (folder, self.weights / landed / "tokenizer"):
                if (place / last).exists():
                    return place
            make(folder)
        return folder

    def tokenizer(self, kind: str) -> PreTrainedTokenizerBase:
        """Return the tokenizer "clip", "xlm-r" or "t5"."""
        import transformers

        class_name = _TOKENIZERS[kind][0]
        return getattr(transformers, class_name).from_pretrained(self.tokenizer_folder(kind))


def _missing(stage: str) -> KandiError:
    return KandiError(f"stage {stage} has to come first: python -m kandi_nb.mini.train {stage}")


def digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Return eight characters that name weights: what they code is kept under that name."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(weights[name].float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:8]
