"""Which adapters count how much: what people give for them, read and checked."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...words.errors import KandiError, shown
from ...words.models import ModelSpec
from .adapter import Adapter


class Worn(NamedTuple):
    """Hold an adapter and how strongly it counts: 0 not at all, 1 as it was taught."""

    adapter: Adapter
    scale: float

    def noted(self) -> dict[str, Any]:
        """Return what a recipe says of it."""
        return {
            "name": self.adapter.name,
            "sha256": self.adapter.mark,
            "scale": self.scale,
        }

    @property
    def key(self) -> tuple[str, float]:
        """Return what two have in common that give the same pixels."""
        return self.adapter.mark, self.scale


def worn_of(adapters: Any, scale: Any = 1.0) -> tuple[Worn, ...]:
    """Return adapters with their scales, files read; raise KandiError.

    `adapters` is an Adapter, a path, a list of these, a mapping of these → scale, or None for
    none. `scale` is one number, or a list of one for each.
    """
    if adapters is None:
        return ()
    if isinstance(adapters, Mapping):
        adapters, scale = list(adapters), list(adapters.values())
    each = list(adapters) if isinstance(adapters, (list, tuple)) else [adapters]
    scales = list(scale) if isinstance(scale, (list, tuple)) else [scale] * len(each)
    if len(scales) != len(each):
        raise KandiError(
            f"{len(scales)} scales do not go with {len(each)} adapters; give one for each"
        )
    return together(Worn(_read(a), _scale(s)) for a, s in zip(each, scales, strict=True))


def scales_of(words: Sequence[str]) -> dict[str, float] | None:
    """Return path → scale of FILE[:SCALE]; None for none. Raises KandiError.

    >>> scales_of(["snowman.safetensors:0.8", "C:/hat.safetensors"])
    {'snowman.safetensors': 0.8, 'C:/hat.safetensors': 1.0}
    """
    scales: dict[str, float] = {}
    for word in words:
        path, colon, scale = word.rpartition(":")
        if not colon or "/" in scale or "\\" in scale or scale.endswith(".safetensors"):
            path, scale = word, "1"
        try:
            number = float(scale)
        except ValueError:
            raise KandiError(
                "--adapter is FILE or FILE:SCALE, such as snowman.safetensors:0.8, not "
                f"{shown(word)}"
            ) from None
        if path in scales:
            raise KandiError(f"--adapter names {path} twice; leave one out")
        scales[path] = number
    return scales or None


def together(worn: Iterable[Worn]) -> tuple[Worn, ...]:
    """Return adapters as one tuple; one that is there twice counts with its latest scale.

    Raises KandiError for two different ones of one name, which a recipe could not tell apart.
    """
    chosen: dict[str, Worn] = {}
    for each in worn:
        name = each.adapter.name
        if name in chosen and chosen[name].adapter.mark != each.adapter.mark:
            raise KandiError(
                f"two adapters are named {shown(name)}; rename one of them: "
                'adapter.renamed("…"), or kn.Adapter.load(path, name="…")'
            )
        chosen[name] = each
    return tuple(chosen.values())


def _read(adapter: Any) -> Adapter:
    if isinstance(adapter, Adapter):
        return adapter
    if isinstance(adapter, (str, os.PathLike)):
        return Adapter.load(adapter)
    raise KandiError(f"an adapter is a kn.Adapter or a path of one, not {shown(adapter)}")


def _scale(scale: Any) -> float:
    number = isinstance(scale, numbers.Real) and not isinstance(scale, bool)
    if not number or not math.isfinite(scale):
        raise KandiError(f"an adapter's scale is a number such as 0.8, not {shown(scale)}")
    return float(scale)


def check_takes(spec: ModelSpec) -> None:
    """Raise KandiError, with the reason, for a model that takes no adapters."""
    if "prior" not in spec.roles:
        raise KandiError(
            f"{spec.key} takes no adapters: diffusers reads no LoRA for Kandinsky 3 "
            "(load_lora_weights raises), so what it learned could be used nowhere else; take "
            "kandinsky-2.2 or mini-2.2"
        )
