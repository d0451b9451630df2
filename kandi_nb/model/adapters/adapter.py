"""`Adapter`, what a model was taught beside its weights: a few low-rank matrices and a card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, shortened, shown
from ...words.files import expanded, write
from ..hub import first_line
from .known import remember
from .layouts import Weights, named, parts_of, sorted_out

if TYPE_CHECKING:
    from ...words.tables import Table

_CARD = "kandi_nb"  # key of the card in a file's metadata
_PEFT = "adapter_config.json"  # beside the weights that peft saves
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True, eq=False, repr=False)
class Adapter:
    """Hold what a model was taught: `k.with_adapter(adapter)` draws with it.

    `weights` are low-rank pairs by part ("prior", "decoder") and place, `card` says how they
    came about: model, words, captions, hashes of the pictures, steps, seconds, losses; empty
    for files of others. `snapshots` are earlier states of the same teaching, which are not
    saved with it.
    """

    name: str
    weights: Weights
    card: Mapping[str, Any] = field(default_factory=dict)
    snapshots: tuple[Adapter, ...] = ()

    def __post_init__(self) -> None:
        remember(self)

    def __repr__(self) -> str:
        words = ", ".join(self.words[:3])
        about = [repr(self.name), " and ".join(self.parts), f"{self.numbers:,} numbers"]
        taught = self.card.get("seconds")
        about += [f"for {self.card['model']}"] if "model" in self.card else []
        about += [f"taught “{words}”"] if words else []
        about += [f"in {taught:.0f} s"] if taught is not None else []
        return f"Adapter({', '.join(about)})"

    @property
    def parts(self) -> list[str]:
        """Return the parts of a model that it changes: "prior", "decoder" or both."""
        return list(parts_of(self.weights))

    @property
    def numbers(self) -> int:
        """Return how many numbers it holds."""
        return sum(
            tensor.numel()
            for places in self.weights.values()
            for pair in places.values()
            for tensor in pair
        )

    @property
    def words(self) -> list[str]:
        """Return the words that it taught, in lower case, which the model did not know."""
        return list(self.card.get("words", ()))

    @property
    def losses(self) -> Table:
        """Return the loss over the steps of each part: part, step, seconds, loss."""
        from ...words.tables import Table

        return Table([dict(row) for row in self.card.get("losses", ())])

    @cached_property
    def mark(self) -> str:
        """Return the SHA-256 of its weights: places, shapes and numbers, whatever the file."""
        digest = hashlib.sha256()
        for name, tensor in sorted(named(self.weights).items()):
            digest.update(f"{name} {list(tensor.shape)} ".encode())
            digest.update(tensor.float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def renamed(self, name: str) -> Adapter:
        """Return it under another name, as two of one name cannot be used together."""
        if not isinstance(name, str) or not name.strip():
            raise KandiError(f"an adapter's name is a text, not {shown(name)}")
        return dataclasses.replace(self, name=name)

    def only(self, part: str) -> Adapter:
        """Return what it holds of one part, "prior" or "decoder"; raise KandiError."""
        if part not in self.weights:
            raise KandiError(f"{self.name} has a part for {' and '.join(self.parts)} alone")
        return dataclasses.replace(self, weights={part: self.weights[part]}, snapshots=())

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write a .safetensors file with the card, and return its path.

        Diffusers reads it too, with peft installed: `unet.load_lora_adapter(path,
        prefix="unet")` and `prior.load_lora_adapter(path, prefix="prior")`. Raises KandiError
        where the file exists or cannot be written.
        """
        from safetensors.torch import save

        target = expanded(path)
        if target.suffix != ".safetensors":
            raise KandiError(f"{target} must end in .safetensors: adapters are no pickles")
        card = json.dumps({"name": self.name, **self.card}, ensure_ascii=False)
        data = save(named(self.weights), {"format": "pt", _CARD: card})
        return write(target, data, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike, *, name: str | None = None) -> Adapter:
        """Read an adapter from a .safetensors file: ours, diffusers' or peft's, or its folder.

        `name` is that of the card, else of the file, unless given. Raises KandiError for
        pickles, and for weights that are no LoRA of a prior or a decoder.
        """
        from safetensors import SafetensorError, safe_open

        source = _file(path)
        try:
            with safe_open(source, "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                card = _card(file.metadata())
        except (SafetensorError, OSError, ValueError) as error:
            raise KandiError(
                f"{source} cannot be read as an adapter ({first_line(error)}); give a LoRA "
                "file that ends in .safetensors"
            ) from None
        weights = sorted_out(tensors, str(source), _alpha(source.parent / _PEFT))
        known = card.pop("name", None) or source.stem
        return cls(name or shortened(str(known), 80), weights, card)


def _file(path: Any) -> Path:
    """Return the file to read; raise KandiError for what is none, and for pickles."""
    source = expanded(path)
    if source.is_dir():
        inside = sorted(source.glob("*.safetensors"))
        if len(inside) != 1:
            raise KandiError(
                f"{source} holds {len(inside)} .safetensors files; name one of them"
            )
        source = inside[0]
    if not source.exists():
        raise KandiError(f"there is no adapter {source}; check the path")
    with source.open("rb") as file:
        head = file.read(2)
    # A zip archive is what torch.save writes; 0x80 begins every pickle of protocol 2 and later.
    if source.suffix.lower() in _PICKLES or head == b"PK" or head[:1] == b"\x80":
        raise KandiError(
            f"{source} is a pickle, which may run any code when it is read; ask its author for "
            "a .safetensors file"
        )
    return source


def _card(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the card of a file; files of others have none."""
    try:
        card = json.loads((metadata or {}).get(_CARD, "{}"))
    except ValueError:
        return {}
    return card if isinstance(card, dict) else {}


def _alpha(config: Path) -> float | None:
    """Return alpha as peft wrote it beside its weights; None without such a file."""
    if not config.is_file():
        return None
    try:
        said = json.loads(config.read_text("utf-8"))
        alpha, rank = float(said["lora_alpha"]), float(said["r"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise KandiError(f"{config} cannot be read ({error!r}); mend or remove it") from None
    if said.get("use_dora") or said.get("alpha_pattern") or said.get("rank_pattern"):
        raise KandiError(
            f"{config} asks for DoRA or for ranks by pattern, which are not supported; save "
            "the adapter from diffusers: pipeline.unet.save_lora_adapter(folder)"
        )
    return alpha * rank**0.5 if said.get("use_rslora") else alpha
