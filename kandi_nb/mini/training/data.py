"""What the stages learn from: rendered scenes, and what frozen networks make of them.

Everything here can be made again, so it lies in an ignored folder and is made when missing. A
file's name holds a digest of the code and the weights that made it: after a change of either it
is made anew. Stages that start at once share the folder: the first paints, the others wait.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from .. import captions
from ..captions import caption
from ..names import WEIGHTS
from ..world import places, vocabulary
from ..world.blends import Blend, blends, render_blend
from ..world.render import SPRITES, render
from ..world.scenes import THINGS, Scene, scenes
from ..world.vocabulary import LANGUAGES, PLACES
from . import loop, networks
from .store.trained import Trained, digest

CHUNK = 500  # scenes that a process draws at a time
# What a sentence can say alone, and its row: a thing, or a place without one.
ALONE = {
    scene: row
    for row, scene in enumerate(
        [*map(Scene, THINGS), *(Scene("nothing", place=place) for place in PLACES)]
    )
}


def _draw(some: Sequence[Scene], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    drawn = [render(scene, size) for scene in some]
    return tuple(
        np.stack([getattr(d, f) for d in drawn]) for f in ("image", "silhouette", "depth")
    )


def _blend(some: Sequence[Blend], size: int) -> np.ndarray:
    return np.stack([render_blend(blend, size) for blend in some])


def digest_of(files: Iterable[Path]) -> str:
    """Return eight characters that name what stands in files, in whatever order they come.

    Text counts without its line ends: git may write those of the system.
    """
    total = hashlib.sha256()
    for file in sorted(files, key=lambda path: path.name):
        content = file.read_bytes()
        total.update(content if file.suffix == ".png" else content.replace(b"\r\n", b"\n"))
    return total.hexdigest()[:8]


# The modules that decide what scenes there are and what pictures show.
WORLD = (vocabulary, places, *map(inspect.getmodule, (Scene, render, blends)))


def world_digest() -> str:
    """Return the digest of the world: of its code and its sprites."""
    return digest_of([*(Path(module.__file__) for module in WORLD), *SPRITES.glob("*.png")])


def captions_digest() -> str:
    """Return the digest of the code that writes sentences."""
    return digest_of(Path(captions.__file__).parent.glob("*.py"))


def _make_missing(paths: Sequence[Path], make: Callable[[], Iterable[np.ndarray]]) -> None:
    """Keep the arrays that ``make`` gives in files, one each, unless all files are there.

    Who finds another process making them waits for it. The system frees the lock of a process
    that was killed, and what that one half wrote is written over.
    """
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with FileLock(paths[0].with_suffix(".lock")):
        if all(path.exists() for path in paths):
            return
        for path, array in zip(paths, make(), strict=True):
            part = path.with_suffix(".part")
            with open(part, "wb") as file:
                np.save(file, array, allow_pickle=False)
            os.replace(part, path)


@dataclass
class Data:
    """The first ``count`` training scenes, drawn at ``size`` pixels, and their codes."""

    folder: Path
    count: int = 40_000
    size: int = 64
    weights: Path = WEIGHTS

    @property
    def store(self) -> Trained:
        """What earlier stages learned."""
        return Trained(self.folder, self.weights)

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

    def _path(self, name: str) -> Path:
        """Return the file of what is made of this many pictures of this world and this size."""
        return self.folder / f"{name}-{world_digest()}-{self.size}-{self.count}.npy"

    @cached_property
    def blended_pictures(self) -> np.ndarray:
        """uint8 (m, size, size, 3): what the mixtures show."""

        path = self._path(f"mixtures-{self._which}")

        def paint() -> Iterable[np.ndarray]:
            print(f"rendering {len(self.blends)} mixtures …", flush=True)
            yield np.concatenate(self._draw_all(_blend, self.blends))

        _make_missing([path], paint)
        return np.load(path)

    def _draw_all(self, draw: Callable, subjects: Sequence) -> list:
        """Return what ``draw`` makes of some subjects at a time, on all cores, in order."""
        chunks = [subjects[i : i + CHUNK] for i in range(0, len(subjects), CHUNK)]
        if len(chunks) == 1:  # a pool would take longer to start
            return [draw(subjects, size=self.size)]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(partial(draw, size=self.size), chunks))

    def _render(self, name: str) -> np.ndarray:
        paths = {kind: self._path(kind) for kind in ("pictures", "silhouettes", "depths")}

        def paint() -> Iterable[np.ndarray]:
            print(f"rendering {self.count} scenes at {self.size} px …", flush=True)
            for chunks in zip(*self._draw_all(_draw, self.scenes), strict=True):
                yield np.concatenate(chunks)

        _make_missing(list(paths.values()), paint)
        return np.load(paths[name])

    @cached_property
    def pictures(self) -> np.ndarray:
        """uint8 (n, size, size, 3)."""
        return self._render("pictures")

    @cached_property
    def silhouettes(self) -> np.ndarray:
        """uint8 (n, size, size), 255 on the object."""
        return self._render("silhouettes")

    @cached_property
    def depths(self) -> np.ndarray:
        """uint8 (n, size, size), 255 near."""
        return self._render("depths")

    def _encode(
        self,
        name: str,
        pictures: Callable[[], np.ndarray],
        code: Callable[[torch.Tensor], torch.Tensor],
        device: str,
    ) -> torch.Tensor:
        """Run ``code`` on pictures, or read what was kept of it under the same name."""

        path = self._path(name)

        def encode() -> Iterable[np.ndarray]:
            every, codes = pictures(), []
            print(f"{name} of {len(every)} pictures …", flush=True)
            with torch.inference_mode():
                for start in range(0, len(every), 100):
                    batch = torch.from_numpy(every[start : start + 100]).to(device)
                    batch = batch.permute(0, 3, 1, 2).float().div(127.5).sub(1)
                    batch = batch.contiguous(memory_format=torch.channels_last)
                    codes.append(code(batch).float().cpu())
            yield torch.cat(codes).numpy()

        _make_missing([path], encode)
        return torch.from_numpy(np.load(path))

    def latents(self, device: str = "cpu", blended: bool = False) -> torch.Tensor:
        """Return the MoVQ's latents (n, 4, size / 8, size / 8), float32, of all pictures.

        Those of the mixtures, (m, 4, …), with ``blended_pictures``.
        """
        weights = self.store.weights_of("movq")
        encoder = {k: v for k, v in weights.items() if k.startswith(("encoder", "quant_conv"))}
        # Half precision, where the machine is made for it, moves a latent by some thousandths.
        dtype = loop.fast_dtype(device)
        model = networks.load_weights(networks.movq(self.size), weights).to(device)
        model = loop.cast(model, dtype)
        name, pictures = f"latents-{digest(encoder)}", lambda: self.pictures
        if blended:
            name, pictures = f"mixture-{self._which}-{name}", lambda: self.blended_pictures
        return self._encode(name, pictures, lambda x: model.encode(x.to(dtype)).latents, device)

    def embeddings(self, device: str = "cpu") -> torch.Tensor:
        """Return CLIP's picture embeddings (n, 128), float32."""
        vision = self.store.clip_towers()[1].to(device)
        name = f"embeddings-{digest(vision.state_dict())}"
        return self._encode(
            name, lambda: self.pictures, lambda x: vision(_to_clip(x)).image_embeds, device
        )

    def mixtures(self, device: str = "cpu") -> torch.Tensor:
        """Return the mixed embeddings of each blend: (m, 128), float32.

        What is mixed are pictures' embeddings. In every second blend the prior's embedding of a
        sentence takes the place of what a sentence says alone: those are what people mix.
        """
        every, sentences = self.embeddings(device), self.imagine(device)
        draw = random.Random("kandi mixtures")
        mixed = []
        for number, blend in enumerate(self.blends):
            numbers = [blend.one, blend.other]
            both = every[numbers]
            for place, index in enumerate(numbers):
                row = ALONE.get(replace(self.scenes[index], seed=0))
                if number % 2 and row is not None:
                    both[place] = sentences[row, draw.randrange(sentences.shape[1])]
            mixed.append(blend.share * both[0] + (1 - blend.share) * both[1])
        return torch.stack(mixed)

    def imagine(self, device: str = "cpu") -> torch.Tensor:
        """Return what the landed prior makes of sentences about one thing or one place alone.

        Embeddings (things and places, n, 128), float32, in the order of `ALONE`, for a sentence
        in every 1,000 scenes, in five languages in turn and each with a seed of its own.
        """
        pipe = self.store.prior(device)
        weights = pipe.prior.state_dict() | pipe.text_encoder.state_dict()
        digests = f"{digest(weights)}-{captions_digest()}"
        path = self.folder / f"imagined-{digests}-{self.count}.npy"

        def imagine() -> Iterable[np.ndarray]:
            draw, each = random.Random("kandi sayings"), max(1, self.count // 1000)
            texts = [
                caption(scene, LANGUAGES[i % len(LANGUAGES)], draw)
                for scene in ALONE
                for i in range(each)
            ]
            print(f"imagining {len(texts)} sentences …", flush=True)
            embeddings = []
            for start in range(0, len(texts), 40):
                some = texts[start : start + 40]
                seeds = [torch.Generator().manual_seed(start + i) for i in range(len(some))]
                embeddings.append(pipe(some, generator=seeds).image_embeds.float().cpu())
            yield torch.cat(embeddings).view(len(ALONE), each, -1).numpy()

        _make_missing([path], imagine)
        return torch.from_numpy(np.load(path))


def _to_clip(x: torch.Tensor) -> torch.Tensor:
    if x.shape[-1] == 64:
        return x
    return torch.nn.functional.interpolate(x, size=64, mode="bicubic", antialias=True)
