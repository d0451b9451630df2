"""What the stages learn from: rendered scenes, and what frozen parts make of them.

Everything here can be made again from the recipe, so it lies in an ignored folder and is made
when missing.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from ..captions import caption
from ..names import WEIGHTS
from ..world.blends import Blend, blends, render_blend
from ..world.render import render
from ..world.scenes import THINGS, Scene, scenes
from ..world.vocabulary import LANGUAGES, PLACES
from . import loop, trained
from . import networks as parts

CHUNK = 500
# What a sentence can say alone, and its row: a thing, or a place without one.
ALONE = {
    scene: row
    for row, scene in enumerate(
        [*map(Scene, THINGS), *(Scene("nothing", place=place) for place in PLACES)]
    )
}


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
    def _which(self) -> str:
        """Eight characters for the choice of mixtures: what is made of them has that name."""
        return hashlib.sha256(repr(self.blends).encode()).hexdigest()[:8]

    @cached_property
    def blended(self) -> np.ndarray:
        """uint8 (m, size, size, 3): what the mixtures show."""
        path = self.folder / f"mixtures-{self._which}-{self.size}-{self.count}.npy"
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
        # Half precision, where the machine is made for it, moves a latent by some thousandths.
        dtype = loop.fast_dtype(device)
        model = trained.loaded(parts.movq(self.size), weights).to(device)
        model = loop.cast(model, dtype)
        name, pictures = f"latents-{trained.digest(encoder)}", lambda: self.pictures
        if blended:
            name, pictures = f"mixture-{self._which}-{name}", lambda: self.blended
        return self._coded(name, pictures, lambda x: model.encode(x.to(dtype)).latents, device)

    def embeddings(self, device: str = "cpu") -> torch.Tensor:
        """Return CLIP's picture embeddings (n, 128), float32."""
        vision = trained.clip_towers(self.folder, self.weights)[1].to(device)
        name = f"embeddings-{trained.digest(vision.state_dict())}"
        return self._coded(
            name, lambda: self.pictures, lambda x: vision(_to_clip(x)).image_embeds, device
        )

    def mixtures(self, device: str = "cpu") -> torch.Tensor:
        """Return the mixed embeddings of each blend: (m, 128), float32.

        What is mixed are pictures' embeddings. In every second blend the prior's embedding of a
        sentence takes the place of what a sentence says alone: those are what people mix.
        """
        every, said = self.embeddings(device), self.imagined(device)
        draw = random.Random("kandi mixtures")
        mixed = []
        for number, blend in enumerate(self.blends):
            numbers = [blend.one, blend.other]
            both = every[numbers]
            for place, index in enumerate(numbers):
                row = ALONE.get(replace(self.scenes[index], seed=0))
                if number % 2 and row is not None:
                    both[place] = said[row, draw.randrange(said.shape[1])]
            mixed.append(blend.share * both[0] + (1 - blend.share) * both[1])
        return torch.stack(mixed)

    def imagined(self, device: str = "cpu") -> torch.Tensor:
        """Return what the landed prior makes of sentences about one thing or one place alone.

        Embeddings (things and places, n, 128), float32, in the order of `ALONE`, for a sentence
        in every 1,000 scenes, in five languages in turn and each with a seed of its own.
        """
        pipe = trained.prior(self.weights, device)
        digest = trained.digest(pipe.prior.state_dict())
        path = self.folder / f"imagined-{digest}-{self.count}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            draw, each = random.Random("kandi sayings"), max(1, self.count // 1000)
            texts = [
                caption(scene, LANGUAGES[i % len(LANGUAGES)], draw)
                for scene in ALONE
                for i in range(each)
            ]
            print(f"imagining {len(texts)} sentences …", flush=True)
            found = []
            for start in range(0, len(texts), 40):
                some = texts[start : start + 40]
                seeds = [torch.Generator().manual_seed(start + i) for i in range(len(some))]
                found.append(pipe(some, generator=seeds).image_embeds.float().cpu())
            _store(path, torch.cat(found).view(len(ALONE), each, -1).numpy())
        return torch.from_numpy(np.load(path))


def _to_clip(x: torch.Tensor) -> torch.Tensor:
    if x.shape[-1] == 64:
        return x
    return torch.nn.functional.interpolate(x, size=64, mode="bicubic", antialias=True)
