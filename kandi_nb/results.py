"""What a task gives back: pictures with everything that is known of how they were made."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import KandiError
from .params import Params
from .recipes import diff, labels, make_recipe, png_bytes, recipe
from .writing import file_stem, slug, writable, write_new

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Result", "diff", "package_versions", "recipe"]


@dataclass(repr=False)
class Result:
    """Hold the pictures of a run, the Params of each one and what the run cost.

    `params[i]` has `count=1` and the seed of picture i. `model` is a key or a folder,
    `revision` says which weights (role → commit or checksum), `versions` package → version;
    `seconds` is wall time, `peak_mb` the peak memory in 2²⁰ bytes or None if unknown.
    In a notebook it shows itself as a labelled grid.
    """

    images: list[Image]
    params: list[Params]
    model: str
    revision: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mb: float | None = None
    task: str = "generate"

    def __post_init__(self) -> None:
        if len(self.images) != len(self.params):
            raise KandiError(
                f"a Result needs one Params per picture, not {len(self.params)} for "
                f"{len(self.images)} pictures"
            )
        for image, made in zip(self.images, self.recipes, strict=True):
            # On this very object: `.info` would go on to copies that other pixels have.
            image.kandi_recipe = made

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __repr__(self) -> str:
        count = f"{len(self)} picture{'s' if len(self) != 1 else ''}"
        sizes = dict.fromkeys(f"{i.width} × {i.height}" for i in self.images)
        memory = f", {self.peak_mb:.0f} MB" if self.peak_mb is not None else ""
        parts = [f"{count} of {' and '.join(sizes)}" if sizes else count, self.model]
        return f"Result({', '.join(parts)}, {self.seconds:.2f} s{memory})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .show import grid

        html = grid(self)._repr_html_() if self.images else "<p>no pictures</p>"
        return {"text/html": html, "text/plain": repr(self)}

    @property
    def labels(self) -> list[str]:
        """Return one short label a picture: the settings in which the pictures differ."""
        return labels(self.params)

    @property
    def recipes(self) -> list[dict[str, Any]]:
        """Return one recipe a picture, as `recipe` reads it from a saved file."""
        return [
            make_recipe(
                params,
                task=self.task,
                model=self.model,
                size=image.size,
                revision=self.revision,
                versions=self.versions,
            )
            for image, params in zip(self.images, self.params, strict=True)
        ]

    def save(self, folder: str | os.PathLike, name: str | None = None) -> list[Path]:
        """Write each picture as a PNG with its recipe inside; return the paths.

        Files are called `<prompt>-<seed>.png`, or after `name` (one picture `<name>.png`, more
        `<name>-<seed>.png`); a taken name gets -2, -3…: nothing is ever overwritten. Raises
        KandiError when the folder cannot be written to.
        """
        stem = None if name is None else file_stem(name)
        folder = writable(folder)
        paths = []
        for image, made in zip(self.images, self.recipes, strict=True):
            prompt, seed = made["params"]["prompt"], made["params"]["seed"]
            called = f"{slug(prompt) if stem is None else stem}-{seed}"
            if stem is not None and len(self) == 1:
                called = stem
            paths.append(write_new(folder, called, ".png", png_bytes(image, made)))
        return paths


def package_versions() -> dict[str, str]:
    """Return package → version of what pixels depend on, without importing any of it."""
    # Our own is asked of the package, which may run from a bare source folder.
    ours = getattr(sys.modules[__package__], "__version__", "unknown")
    found = {"kandi_nb": ours}
    for package in ("torch", "diffusers", "transformers"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
