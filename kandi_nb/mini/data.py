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

from . import loop, parts
from .render import render
from .world import Scene, scenes

CHUNK = 500


def _draw(part: Sequence[Scene], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    drawn = [render(scene, size) for scene in part]
    return tuple(
        np.stack([getattr(d, f) for d in drawn]) for f in ("image", "silhouette", "depth")
    )


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

    @cached_property
    def scenes(self) -> list[Scene]:
        return list(scenes(self.count))

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
        self, name: str, stage: str, code: Callable[[torch.Tensor], torch.Tensor], device: str
    ) -> torch.Tensor:
        """Run ``code`` on all pictures, or read what the same checkpoint made of them."""
        path = self.folder / f"{name}-{self.size}-{self.count}.npy"
        checkpoint = self.folder / f"{stage}.safetensors"
        if not path.exists() or path.stat().st_mtime < checkpoint.stat().st_mtime:
            print(f"{name} of {self.count} pictures …", flush=True)
            found = []
            with torch.inference_mode():
                for start in range(0, self.count, 100):
                    batch = torch.from_numpy(self.pictures[start : start + 100]).to(device)
                    batch = batch.permute(0, 3, 1, 2).float().div(127.5).sub(1)
                    found.append(
                        code(batch.contiguous(memory_format=torch.channels_last)).float().cpu()
                    )
            _store(path, torch.cat(found).numpy())
        return torch.from_numpy(np.load(path))

    def latents(self, device: str = "cpu") -> torch.Tensor:
        """Return the MoVQ's latents (n, 8, size / 8, size / 8), float32."""
        model = parts.movq().eval()
        model.load_state_dict(loop.averaged(self.folder, "movq"))
        # Half precision moves a latent by some thousandths and halves the time.
        model = model.to(device, torch.bfloat16).to(memory_format=torch.channels_last)
        return self._coded(
            "latents", "movq", lambda x: model.encode(x.bfloat16()).latents, device
        )

    def embeddings(self, device: str = "cpu") -> torch.Tensor:
        """Return CLIP's picture embeddings (n, 128), float32."""
        vision = clip_towers(self.folder)[1].to(device)
        return self._coded(
            "embeddings", "clip", lambda x: vision(_to_clip(x)).image_embeds, device
        )


def _to_clip(x: torch.Tensor) -> torch.Tensor:
    if x.shape[-1] == 64:
        return x
    return torch.nn.functional.interpolate(x, size=64, mode="bicubic", antialias=True)


def clip_towers(folder: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the trained text and picture towers, frozen."""
    weights = loop.averaged(folder, "clip")
    towers = []
    for name, tower in (("text.", parts.clip_text()), ("vision.", parts.clip_vision())):
        tower.load_state_dict(
            {k[len(name) :]: v for k, v in weights.items() if k.startswith(name)}
        )
        towers.append(tower.eval().requires_grad_(False))
    return tuple(towers)
