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
from ..words.errors import KandiError, NoAttribute, NoItem, did_you_mean, warn
from ..words.files import file_stem, slug, writable, write_new
from ..words.params import Params
from .diff import labels
from .inputs import MEMORY, Memory, copy_inputs, fingerprint, is_changed, pack_inputs
from .pixels import is_picture, rgb
from .recipe import CHUNK, as_text, make_recipe, png_bytes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

    from ..words.tables import Table
    from .inputs import Input


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
    inputs: list[dict[str, Input]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    layout: tuple[int, int] | None = None
    proof: Table | None = None
    held: list[Any] = field(default_factory=list, compare=False)  # for `latents` and `floats`

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
        self.inputs = copy_inputs(self.inputs or [{} for _ in self.images])
        texts = map(as_text, self.recipes)
        self.images = list(map(_remembering, self.images, texts, self.inputs))

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            try:
                return self.images[index]
            except IndexError:
                many = f"{len(self)} picture{'s' * (len(self) != 1)}"
                raise NoItem(f"no result[{index}]: there are {many}, counted from 0") from None
        return dataclasses.replace(
            self,
            images=self.images[index],
            params=self.params[index],
            inputs=self.inputs[index],
            held=self.held[index],
            layout=None,
            proof=self.proof and self.proof[index],
        )

    def __getattr__(self, name: str) -> Any:
        """Say how pictures are shown; called for unknown names alone."""
        if name == "show":
            raise NoAttribute(
                "a Result shows itself: end a cell with its name, or display(result); "
                "result[0].show() opens one picture elsewhere"
            )
        hint = did_you_mean(name, [n for n in dir(type(self)) if n[0] != "_"])
        raise NoAttribute(f"a Result has no {name}; {hint}help(result) says what it has")

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

        self._check_size()
        return np.stack([np.asarray(rgb(image)) for image in self.images])

    def _check_size(self) -> None:
        sizes = {image.size for image in self.images}
        if len(sizes) > 1:
            listed = ", ".join(f"{width} × {height}" for width, height in sorted(sizes))
            raise KandiError(
                f"one array needs pictures of one size, not {listed}; take a slice"
            )
        if not sizes:
            raise KandiError("there are no pictures to make an array of")

    def tensors(self) -> torch.Tensor:
        """Return the pixels, float32 from 0 to 1, [n, 3, height, width]; as `arrays`."""
        import torch

        return torch.from_numpy(self.arrays()).permute(0, 3, 1, 2).float() / 255

    def latents(self) -> torch.Tensor:
        """Return what MoVQ decoded, float32 [n, channels, height / 8, width / 8], on the CPU.

        Raises KandiError where pictures are more than that: pasted into others, cut, drawn in
        windows, changed afterwards, or read from files.
        """
        import torch

        return torch.cat([each.latents.float() for each in self._held_latents()])

    def floats(self) -> np.ndarray:
        """Return the pixels before rounding, float32 [n, height, width, 3] in 0…1.

        They are decoded anew from `latents`, by the model that drew them. Raises KandiError as
        `latents` does, and where that model is gone.
        """
        import numpy as np

        return np.stack([each.floats() for each in self._held_latents()])

    def _held_latents(self) -> list[Any]:
        self._check_size()
        if len(self.held) != len(self) or None in self.held:
            raise KandiError(
                f"what {self.task} gives is no longer what the model decoded, so it has no "
                "latents and floats; kn.generate and kn.mix have them, .tensors() every Result"
            )
        return self.held

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
        named = isinstance(folder, (str, os.PathLike))
        if named and Path(folder).suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            raise KandiError(
                f"save takes a folder, and {folder} is called like a file: "
                f'result.save("outputs", name="{Path(folder).stem}")'
            )
        folder = writable(folder)
        if inputs:
            self.announce_inputs()
        paths: list[Path] = []
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
        if any(pack_inputs(given) is None for given in self.inputs if given):
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


def _remembering(image: Image, recipe: str, inputs: dict[str, Input]) -> Image:
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
