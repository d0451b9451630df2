"""What a task gives back: pictures with everything that is known of how they were made."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.embedding import Embedding
from ..words.errors import KandiError, warn
from ..words.files import file_stem, slug, writable, write_new
from ..words.params import Params
from .diff import labels
from .inputs import MEMORY, Memory, fingerprint, is_changed, kept, packed
from .pixels import is_picture, rgb
from .recipe import CHUNK, as_text, make_recipe, png_bytes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

    from ..words.tables import Table


@dataclass(repr=False)
class Result:
    """Hold the pictures of a run, the Params of each one and what the run cost.

    `params[i]` is what picture i was really made with, `inputs[i]` what it started from: name →
    PIL picture, Embedding or latents. `model` is a key or a folder's name, `revision` says
    which weights (role → commit or checksum), `options` what else may change pixels (dtype,
    device, scheduler), `versions` package → version. `seconds` is wall time, `peak_mb` the peak
    memory in 2²⁰ bytes or None if unknown. `layout` is (rows, columns) of a grid, if it is one,
    `proof` a table of what was kept, or None. `result[i]` is picture i, whose recipe is in its
    `info`; a slice is a Result. In a notebook it shows itself as a labelled grid.
    """

    images: list[Image]
    params: list[Params]
    model: str
    revision: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mb: float | None = None
    task: str = "generate"
    inputs: list[dict[str, Image]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    layout: tuple[int, int] | None = None
    proof: Table | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.params):
            raise KandiError(
                f"a Result needs one Params per picture, not {len(self.params)} for "
                f"{len(self.images)} pictures"
            )
        if self.inputs and len(self.inputs) != len(self.images):
            raise KandiError(
                f"a Result needs one dict of inputs per picture, not {len(self.inputs)} for "
                f"{len(self.images)} pictures"
            )
        self.inputs = kept(self.inputs or [{} for _ in self.images])
        texts = map(as_text, self.recipes)
        self.images = list(map(_remembering, self.images, texts, self.inputs))

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self.images[index]
        return dataclasses.replace(
            self,
            images=self.images[index],
            params=self.params[index],
            inputs=self.inputs[index],
            layout=None,
            proof=self.proof and self.proof[index],
        )

    def __repr__(self) -> str:
        count = f"{len(self)} picture{'s' if len(self) != 1 else ''}"
        sizes = dict.fromkeys(f"{i.width} × {i.height}" for i in self.images)
        memory = f", {self.peak_mb:.0f} MB" if self.peak_mb is not None else ""
        words = [f"{count} of {' and '.join(sizes)}" if sizes else count, self.model]
        return f"Result({', '.join(words)}, {self.seconds:.2f} s{memory})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .grid import grid

        html = grid(self)._repr_html_() if self.images else "<p>no pictures</p>"
        html += self.proof._repr_html_() if self.proof else ""
        return {"text/html": html, "text/plain": repr(self)}

    @property
    def labels(self) -> list[str]:
        """Return one short label a picture: the settings in which the pictures differ."""
        return labels(self.params, inputs=self.inputs)

    @property
    def recipes(self) -> list[dict[str, Any]]:
        """Return one recipe a picture, as `recipe` reads it from a saved file."""
        return [
            make_recipe(
                params,
                task=self.task,
                model=self.model,
                size=image.size,
                inputs=inputs,
                options=self.options,
                revision=self.revision,
                versions=self.versions,
            )
            for image, params, inputs in zip(self.images, self.params, self.inputs, strict=True)
        ]

    def arrays(self) -> np.ndarray:
        """Return the pixels, uint8 [n, height, width, 3]; KandiError if sizes differ."""
        import numpy as np

        sizes = {image.size for image in self.images}
        if len(sizes) > 1:
            listed = ", ".join(f"{width} × {height}" for width, height in sorted(sizes))
            raise KandiError(
                f"one array needs pictures of one size, not {listed}; take a slice"
            )
        if not sizes:
            raise KandiError("there are no pictures to make an array of")
        return np.stack([np.asarray(rgb(image)) for image in self.images])

    def tensors(self) -> torch.Tensor:
        """Return the pixels, float32 from 0 to 1, [n, 3, height, width]; as `arrays`."""
        import torch

        return torch.from_numpy(self.arrays()).permute(0, 3, 1, 2).float() / 255

    def save(
        self, folder: str | os.PathLike, name: str | None = None, *, inputs: bool = True
    ) -> list[Path]:
        """Write each picture as a PNG with its recipe inside; return the paths.

        Files are called `<prompt>-<seed>.png`, or after `name` (one picture `<name>.png`, more
        `<name>-<seed>.png`); a taken name gets -2, -3…: nothing is ever overwritten, and
        a file that holds the same picture and recipe already is named again, not doubled. The
        pictures that the task started from travel inside, so that one file can be replayed;
        with `inputs=False` only their hashes do. A picture that was changed since it was drawn
        is saved without a recipe. Raises KandiError when the folder cannot be written to.
        """
        stem = None if name is None else file_stem(name)
        folder = writable(folder)
        if inputs:
            self.announce_inputs()
        paths = []
        for image, recipe, given in zip(self.images, self.recipes, self.inputs, strict=True):
            prompt, seed = recipe["params"]["prompt"], recipe["params"]["seed"]
            mixture = given.get("embedding")
            name = mixture.names[0] if isinstance(mixture, Embedding) else self.task
            beginning = slug(prompt or name) if stem is None else stem
            called = stem if stem is not None and len(self) == 1 else f"{beginning}-{seed}"
            if is_changed(image):
                warn(f"a picture was changed after it was drawn; {called} has no recipe")
                data = png_bytes(image)
            else:
                data = png_bytes(image, recipe, given if inputs else None)
            paths.append(write_new(folder, called, ".png", data, apart_from=paths))
        return paths

    def announce_inputs(self, remedy: str = "inputs=False") -> None:
        """Say once what goes along with the pictures, and what is too large to."""
        if not any(self.inputs):
            return
        names = dict.fromkeys(name for given in self.inputs for name in given)
        if any(packed(given) is None for given in self.inputs if given):
            warn(
                f"the originals ({', '.join(names)}) are too large to travel in the "
                "PNG: keep them, replay asks for them"
            )
            return
        names = dict.fromkeys(
            name for given in self.inputs for name, held in given.items() if is_picture(held)
        )
        if names:
            print(
                f"the original pictures ({', '.join(names)}) travel inside the PNG; "
                f"{remedy} leaves them out"
            )


def _remembering(image: Image, recipe: str, inputs: dict[str, Image]) -> Image:
    """Return the picture with its recipe in `info`; a copy if it has another one already."""
    known = image.info.get(CHUNK)
    if known == recipe and MEMORY in image.info:
        return image  # such as in a slice; a change since then stays known
    if known is not None:
        image = image.copy()
    image.info[CHUNK] = recipe
    image.info[MEMORY] = Memory(fingerprint(image), inputs)
    return image


def package_versions() -> dict[str, str]:
    """Return package → version of what pixels depend on, without importing any of it."""
    # Our own is asked of the package, which may run from a bare source folder.
    ours = getattr(sys.modules["kandi_nb"], "__version__", "unknown")
    packages = ("torch", "diffusers", "transformers")
    return {"kandi_nb": ours, **{package: _version(package) for package in packages}}


@functools.cache
def _version(package: str) -> str:
    """Return what is installed, read once: of a small picture it was a hundredth."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
