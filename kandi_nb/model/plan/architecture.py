"""The networks of a model, built without weights from their published configurations.

`configs/` holds the architectures, each with where its figures come from.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, quote
from ...words.families import FAMILIES, PICTURE_DECODER
from ...words.models import ModelSpec
from .. import integrity
from ..find import restorable

if TYPE_CHECKING:
    import torch

CONFIGS = Path(__file__).parents[2] / "words" / "configs"


@dataclass(frozen=True)
class Part:
    """Name one network of a model: its stage, class and configuration, as JSON text.

    `family` is a key of `FAMILIES`, `stage` "prior" or "decoder"; `file_bytes` is the size of
    the published weights, where it is known.
    """

    family: str
    stage: str
    name: str
    class_name: str
    config: str
    file_bytes: int | None = None
    stored: str = "float32"

    @property
    def kind(self) -> str:
        """Return what it is for, see `Family.kind_of`."""
        return FAMILIES[self.family].kind_of(self.name)

    @property
    def phase(self) -> str:
        """Return when it runs, see `Family.phase_of`."""
        return FAMILIES[self.family].phase_of(self.stage, self.name)


def parts(known: ModelSpec, folders: Mapping[str, Path]) -> tuple[Part, ...]:
    """Return the networks of a model, from its folders or the published architectures.

    Raises KandiError where there are neither.
    """
    if folders:
        return tuple(
            Part(
                known.family,
                stage,
                name,
                class_name,
                (folder / name / "config.json").read_text("utf-8"),
            )
            for stage, folder in folders.items()
            if stage in known.ids  # what `load` reads at once
            for name, (_, class_name) in _components(known, stage, folder).items()
            if integrity.is_model(class_name)
        )
    file = CONFIGS / f"{known.key}.json"
    if not file.exists():
        published = ", ".join(path.stem for path in sorted(CONFIGS.glob("kandinsky-*.json")))
        raise KandiError(
            f"nobody wrote down the architecture of {known.key}; known: {published}, the "
            "bundled models, and folders with their config.json files"
        )
    architecture = json.loads(file.read_text("utf-8"))
    return tuple(
        Part(
            known.family,
            stage,
            name,
            row["class"],
            json.dumps(row["config"]),
            row["file_bytes"],
            row["stored"],
        )
        for stage in ("prior", "decoder")
        for name, row in architecture.get(stage, {}).items()
    )


def _text(folder: Path) -> str:
    return (folder / "config.json").read_text("utf-8")


def _components(known: ModelSpec, role: str, folder: Path) -> dict[str, tuple[str, str]]:
    """Return component → (library, class) of a folder whose configurations may be read."""
    with restorable(known, local=True):
        found = integrity.components(folder, known.family, role)
        for name in found:
            integrity.check_settings(folder / name)
    return found


def build(part: Part) -> Any:
    """Return the network of a part, with random weights, on the device of the context."""
    import diffusers
    import transformers

    config = json.loads(part.config)
    if part.class_name == "MultilingualCLIP":
        module = importlib.import_module("diffusers.pipelines.kandinsky.text_encoder")
        cls = module.MultilingualCLIP
    else:
        cls = getattr(diffusers, part.class_name, None)
        cls = cls or getattr(transformers, part.class_name, None)
    if cls is None:
        raise KandiError(f"{part.name} has an unknown class, {quote(part.class_name)}")
    if hasattr(cls, "config_class") and cls.config_class is not None:
        return cls(cls.config_class.from_dict(config)).eval()
    return cls.from_config(config).eval()


def narrow(network: Any, dtype: torch.dtype) -> Any:
    """Bring a network into a number format as the loader does, and return it.

    Transformers keeps some layers of a float16 model in float32: of T5 a quarter.
    """
    import torch

    torch.nn.Module.to(network, dtype)
    wide = getattr(network, "_keep_in_fp32_modules", None) or ()
    for name, layer in network.named_modules():
        if dtype == torch.float16 and name.rpartition(".")[2] in wide:
            layer.to(torch.float32)
    return network


def call(part: Part, network: Any, height: int, width: int, count: int) -> Any:
    """Run a network once on inputs of the right shape, as a pipeline does with guidance on.

    The inputs are on the device of the context, or on the CPU.
    """
    import torch

    dtype, config = network.dtype, network.config
    both = 2 * count  # guidance: with the prompt and without it
    zeros = functools.partial(torch.zeros, dtype=dtype)
    row = FAMILIES[part.family]
    latents = (height // row.latent_factor, width // row.latent_factor)  # [h/f, w/f]
    with torch.no_grad():
        if part.kind == "image_encoder":
            return network(zeros(count, 3, config.image_size, config.image_size))
        if part.kind == "text_encoder":
            words = torch.zeros(both, row.tokens, dtype=torch.long)
            # The class around XLM-R only averages; its mask cannot be read without numbers.
            return getattr(network, "transformer", network)(words)
        if part.kind == PICTURE_DECODER:
            return network.decode(
                zeros(count, config.latent_channels, *latents), force_not_quantize=True
            )
        if part.kind == "prior":
            width_of = config.embedding_dim
            return network(
                zeros(both, width_of),
                timestep=1,
                proj_embedding=zeros(both, width_of),
                encoder_hidden_states=zeros(both, row.tokens, width_of),
                attention_mask=torch.ones(both, row.tokens, dtype=torch.bool),
            )
        sample = zeros(both, config.in_channels, *latents)  # [2 n, c, h/f, w/f]
        return network(sample, 1, **_conditions(config, zeros, both, row.tokens))


def _conditions(config: Any, zeros: Any, both: int, tokens: int) -> dict[str, Any]:
    """Return what a UNet is told beside the latents and the timestep."""
    import torch

    kind = getattr(config, "encoder_hid_dim_type", None)
    if kind == "image_proj":
        return {
            "encoder_hidden_states": None,
            "added_cond_kwargs": {"image_embeds": zeros(both, config.encoder_hid_dim)},
        }
    if kind == "text_image_proj":
        wide = config.cross_attention_dim
        return {
            "encoder_hidden_states": zeros(both, tokens, config.encoder_hid_dim),
            "added_cond_kwargs": {
                "text_embeds": zeros(both, wide),
                "image_embeds": zeros(both, wide),
            },
        }
    return {
        "encoder_hidden_states": zeros(both, tokens, config.encoder_hid_dim),
        "encoder_attention_mask": torch.ones(both, tokens),
    }
