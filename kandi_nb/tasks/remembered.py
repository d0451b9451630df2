"""The embedding of a black picture, kept on disk for models whose image encoder stays away."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..words.embedding import Embedding
from ..words.errors import KandiError
from ..words.files import slug

if TYPE_CHECKING:
    import torch

    from ..model.loading.kandinsky import Kandinsky


class Remembered:
    """Read and write one embedding of a model, in the folder that the hub's library has for it.

    It belongs to the weights, the number format and the kind of device that made it. What
    cannot be read or written is no fault: it is computed then.
    """

    def __init__(self, k: Kandinsky) -> None:
        self.k, self.mark = k, str(k.revision.get("prior", ""))

    @property
    def path(self) -> Path:
        """Return the file, whose name says what it belongs to."""
        from huggingface_hub import cached_assets_path

        folder = cached_assets_path("kandi_nb", "embeddings", "of-a-black-picture")
        options = self.k.options
        kind = f"{options['dtype']} {options['device']} {options.get('quantisation', '')}"
        return folder / f"{slug(f'{self.mark[:32]} {kind}', 80)}.safetensors"

    def read(self) -> torch.Tensor | None:
        """Return the embedding, [1, dim], None if there is none of these weights."""
        with suppress(KandiError, OSError):
            held = Embedding.load(self.path)
            width = self.k.prior.prior.config.embedding_dim
            if held.mark == self.mark and tuple(held.shape) == (1, width):
                return held.tensor.to(device=self.k.device, dtype=self.k.dtype)
        return None

    def write(self, embedding: torch.Tensor) -> None:
        """Keep an embedding, [1, dim], for later processes."""
        kept = Embedding(
            embedding.float().cpu().clone(),
            names=("a black picture",),
            recipes=({"how": "black picture"},),
            model=self.k.spec.key,
            mark=self.mark,
        )
        with suppress(KandiError, OSError):
            kept.save(self.path, overwrite=True)
