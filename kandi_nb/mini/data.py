"""What the stages learn from: rendered scenes, and what frozen parts make of them.

Everything here can be made again from the recipe, so it lies in an ignored folder and is made
when missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from . import loop, parts, trained
from .blends import Blend, blends, render_blend
from .names import WEIGHTS
from .render import render
from .world import Scene, scenes

CHUNK = 500


def _draw(part: Sequence[Scene], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    drawn = [render(scene, size) for scene in part]
    return tuple(
        np.stack([getattr(d, f) for d in drawn]) for f in ("image", "silhouette", "depth")
    )


def _blend(part: Sequence[Blend], size: int) -> np.ndarray:
    return np.stack([render_blend(blend, size) for blend in part])


def _store(path: Path, array: np.ndarray) -> None:
    scratch = path.with_suffix(".part")
    with open(scratch, "wb") as file:
        np.save(file, array, allow_pickle=False)
    os.replace(scratch, path)


@dataclass
class Data:
    """The first ``count`` training scenes, drawn at ``size`` pixels, and their codes."""

    folder: Path
    count: int = 40_000
    size: int = 64
    weights: Path = WEIGHTS

    @cached_property
    def scenes(self) -> list[Scene]:
        return list(scenes(self.count))

    @cached_property
    def blends(self) -> list[Blend]:
        """The mixtures of training scenes, six to ten scenes."""
        return list(blends(self.scenes, 6 * self.count // 10))

    @cached_property
    def blended(self) -> np.ndarray:
        """uint8 (m, size, size, 3): what the mixtures show."""
        path = self.folder / f"mixtures-{self.size}-{self.count}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            chunks = [self.blends[i : i + CHUNK] for i in range(0, len(self.blends), CHUNK)]
            print(f"rendering {len(self.blends)} mixtures …", flush=True)
            with ProcessPoolExecutor(os.cpu_count()) as pool:
                drawn = list(pool.map(partial(_blend, size=self.size), chunks))
            _store(path, np.concatenate(drawn))
        return np.load(path)

    def _rendered(self, name: str) -> np.ndarray:
        paths = {
            n: self.folder / f"{n}-{self.size}-{self.count}.npy"
            for n in ("pictures", "silhouettes", "depths")
        }
        if not all(path.exists() for path in paths.values()):
            self.folder.mkdir(parents=True, exist_ok=True)
            chunks = [self.scenes[i : i + CHUNK] for i in range(0, self.count, CHUNK)]
            print(f"rendering {self.count} scenes at {self.size} px …", flush=True)
            with ProcessPoolExecutor(os.cpu_count()) as pool:
                drawn = list(pool.map(partial(_draw, size=self.size), chunks))
            for number, path in enumerate(paths.values()):
                _store(path, np.concatenate([d[number] for d in drawn]))
        return np.load(paths[name])

    @cached_property
    def pictures(self) -> np.ndarray:
        """uint8 (n, size, size, 3)."""
        return self._rendered("pictures")

    @cached_property
    def silhouettes(self) -> np.ndarray:
        """uint8 (n, size, size), 255 on the object."""
        return self._rendered("silhouettes")

    @cached_property
    def depths(self) -> np.ndarray:
        """uint8 (n, size, size), 255 near."""
        return self._rendered("depths")

    def _coded(
        self,
        name: str,
        pictures: Callable[[], np.ndarray],
        code: Callable[[torch.Tensor], torch.Tensor],
        device: str,
    ) -> torch.Tensor:
        """Run ``code`` on pictures, or read what was kept of it under the same name."""
        path = self.folder / f"{name}-{self.size}-{self.count}.npy"
        if not path.exists():
            every, found = pictures(), []
            print(f"{name} of {len(every)} pictures …", flush=True)
            with torch.inference_mode():
                for start in range(0, len(every), 100):
                    batch = torch.from_numpy(every[start : start + 100]).to(device)
                    batch = batch.permute(0, 3, 1, 2).float().div(127.5).sub(1)
                    found.append(
                        code(batch.contiguous(memory_format=torch.channels_last)).float().cpu()
                    )
            _store(path, torch.cat(found).numpy())
        return torch.from_numpy(np.load(path))

    def latents(self, device: str = "cpu", blended: bool = False) -> torch.Tensor:
        """Return the MoVQ's latents (n, 4, size / 8, size / 8), float32, of all pictures.

        Those of the mixtures, (m, 4, …), with ``blended``.
        """
        weights = trained.weights_of("movq", self.folder, self.weights)
        encoder = {k: v for k, v in weights.items() if k.startswith(("encoder", "quant_conv"))}
        model = trained.loaded(parts.movq(self.size), weights).to(device)
        # Half precision, where the machine is made for it, moves a latent by some thousandths.
        dtype = loop.fast_dtype(device)
        model = model.to(dtype, memory_format=torch.channels_last)
        name = f"{'mixture-' if blended else ''}latents-{trained.digest(encoder)}"
        pictures = (lambda: self.blended) if blended else (lambda: self.pictures)
        return self._coded(name, pictures, lambda x: model.encode(x.to(dtype)).latents, device)

    def embeddings(self, device: str = "cpu") -> torch.Tensor:
        """Return CLIP's picture embeddings (n, 128), float32."""
        vision = trained.clip_towers(self.folder, self.weights)[1].to(device)
        name = f"embeddings-{trained.digest(vision.state_dict())}"
        return self._coded(
            name, lambda: self.pictures, lambda x: vision(_to_clip(x)).image_embeds, device
        )

    def mixtures(self, device: str = "cpu") -> torch.Tensor:
        """Return what a mixture of two pictures' embeddings is, for each blend: (m, 128)."""
        every = self.embeddings(device)
        one, other = every[[b.one for b in self.blends]], every[[b.other for b in self.blends]]
        share = torch.tensor([b.share for b in self.blends])[:, None]
        return share * one + (1 - share) * other


def _to_clip(x: torch.Tensor) -> torch.Tensor:
    if x.shape[-1] == 64:
        return x
    return torch.nn.functional.interpolate(x, size=64, mode="bicubic", antialias=True)
