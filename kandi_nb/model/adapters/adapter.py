"""`Adapter`, what a model was taught beside its weights: a few low-rank matrices and a card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, quote, shorten, warn
from ...words.files import expand_path, refuse_device, write
from ..hub import first_line
from .alphas import scales_in
from .layouts import Weights, names_for_diffusers, parts_of, sorted_out

if TYPE_CHECKING:
    from ...words.tables import Table

_CARD = "kandi_nb"  # key of the card in a file's metadata
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
        _ALIVE.add(self)

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
        for name, tensor in sorted(names_for_diffusers(self.weights).items()):
            digest.update(f"{name} {list(tensor.shape)} ".encode())
            digest.update(tensor.float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def renamed(self, name: str) -> Adapter:
        """Return it under another name, as two of one name cannot be used together."""
        if not isinstance(name, str) or not name.strip():
            raise KandiError(f"an adapter's name is a text, not {quote(name)}")
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

        target = expand_path(path)
        if target.suffix != ".safetensors":
            raise KandiError(f"{target} must end in .safetensors: adapters are no pickles")
        card = json.dumps({"name": self.name, **self.card}, ensure_ascii=False)
        data = save(names_for_diffusers(self.weights), {"format": "pt", _CARD: card})
        return write(target, data, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike, *, name: str | None = None) -> Adapter:
        """Read an adapter from a .safetensors file: ours, diffusers', peft's or kohya's.

        A folder may be named that holds one. What is added counts as alpha / rank, where file
        or configuration say alpha; else as it is, with a warning: see docs/adapters.md. `name`
        is that of the card, else of the file, unless given. Raises KandiError for pickles, for
        weights that are no LoRA of a prior or a decoder, and for an alpha that is no number.
        """
        from safetensors import SafetensorError, safe_open

        source = _file(path)
        try:
            with safe_open(source, "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
        except (SafetensorError, OSError, ValueError) as error:
            raise KandiError(
                f"{source} cannot be read as an adapter ({first_line(error)}); give a LoRA "
                "file that ends in .safetensors"
            ) from None
        card = _card(metadata)
        weights, unknown = sorted_out(tensors, str(source), scales_in(source, metadata))
        if unknown and _CARD not in metadata:
            warn(
                f"{source.name} does not say its alpha, so what it adds counts as it is; where "
                "that is too much or too little, give another scale"
            )
        known = card.pop("name", None) or source.stem
        return cls(name or shorten(str(known), 80), weights, card)


# Adapters of this process, for as long as anybody holds them.
_ALIVE: weakref.WeakSet[Adapter] = weakref.WeakSet()


def living_adapter(mark: str) -> Adapter | None:
    """Return an adapter of this process with the SHA-256, if there is one."""
    return next((adapter for adapter in list(_ALIVE) if adapter.mark == mark), None)


def _file(path: Any) -> Path:
    """Return the file to read; raise KandiError for what is none, and for pickles."""
    source = expand_path(path)
    if source.is_dir():
        inside = sorted(source.glob("*.safetensors"))
        pickles = [path for path in sorted(source.iterdir()) if path.suffix in _PICKLES]
        inside = inside or pickles[:1]
        if len(inside) != 1:
            raise KandiError(
                f"{source} holds {len(inside)} .safetensors files; name one of them"
            )
        source = inside[0]
    if not source.exists():
        raise KandiError(f"there is no adapter {source}; check the path")
    refuse_device(source, source, "a LoRA file")
    with source.open("rb") as file:
        head = file.read(2)
    # A zip archive is what torch.save writes; 0x80 begins every pickle of protocol 2 and later.
    if source.suffix.lower() in _PICKLES or head == b"PK" or head[:1] == b"\x80":
        raise KandiError(
            f"{source} is a pickle, which may run any code when it is read; ask its author for "
            "a .safetensors file, or make one by the line in docs/adapters.md "
            "(torch.load(…, weights_only=True), then safetensors.torch.save_file)"
        )
    return source


def _card(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the card of a file; files of others have none."""
    try:
        card = json.loads(metadata.get(_CARD, "{}"))
    except (ValueError, RecursionError):
        return {}
    return card if isinstance(card, dict) else {}
