"""Caches: the latest of many things in memory, and one embedding on disk."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.embedding import Embedding
from ..words.errors import KandiError
from ..words.files import slug

if TYPE_CHECKING:
    import torch


class LRUCache(OrderedDict):
    """Hold at most `limit` entries and drop the ones used longest ago."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __getitem__(self, key: Any) -> Any:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.limit:
            self.popitem(last=False)


class DiskCache:
    """Read and write the embedding of a black picture, in the hub's library's folder for it.

    So the image encoder may stay away. `k` is a loaded model; what is read belongs to the
    weights, the number format and the kind of device that made it. What cannot be read or
    written is no fault: it is computed then.
    """

    def __init__(self, k: Any) -> None:
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
