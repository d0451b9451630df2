"""Which adapters count how much: what people give for them, read and checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...words.bounds import real
from ...words.errors import KandiError, Unsupported, quote
from ...words.models import ModelSpec
from .adapter import Adapter


class ScaledAdapter(NamedTuple):
    """Hold an adapter and how strongly it counts: 0 not at all, 1 as it was taught."""

    adapter: Adapter
    scale: float

    def note(self) -> dict[str, Any]:
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


def scaled_adapters(adapters: Any, scale: Any = 1.0) -> tuple[ScaledAdapter, ...]:
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
    return together(
        ScaledAdapter(_as_adapter(a), _scale(s)) for a, s in zip(each, scales, strict=True)
    )


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
                f"{quote(word)}"
            ) from None
        if path in scales:
            raise KandiError(f"--adapter names {path} twice; leave one out")
        scales[path] = number
    return scales or None


def together(scaled: Iterable[ScaledAdapter]) -> tuple[ScaledAdapter, ...]:
    """Return adapters as one tuple; one that is there twice counts with its latest scale.

    Raises KandiError for two different ones of one name, which a recipe could not tell apart.
    """
    chosen: dict[str, ScaledAdapter] = {}
    for each in scaled:
        name = each.adapter.name
        if name in chosen and chosen[name].adapter.mark != each.adapter.mark:
            raise KandiError(
                f"two adapters are named {quote(name)}; rename one of them: "
                'adapter.renamed("…"), or kn.Adapter.load(path, name="…")'
            )
        chosen[name] = each
    return tuple(chosen.values())


def _as_adapter(adapter: Any) -> Adapter:
    if isinstance(adapter, Adapter):
        return adapter
    if isinstance(adapter, (str, os.PathLike)):
        return Adapter.load(adapter)
    raise KandiError(f"an adapter is a kn.Adapter or a path of one, not {quote(adapter)}")


def _scale(scale: Any) -> float:
    return real("scale", scale, says="an adapter's scale is a number such as 0.8")


def check_takes(spec: ModelSpec) -> None:
    """Raise KandiError, with the reason, for a model that takes no adapters."""
    if reason := spec.generation.no_adapters:
        raise Unsupported(f"{spec.key} takes no adapters: {reason}")
