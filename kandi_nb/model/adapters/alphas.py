"""How strongly the pairs of a file count: alpha, ranks and patterns, as peft configures them.

peft writes them beside its weights (adapter_config.json), diffusers into the file's metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...words.bounds import as_real
from ...words.errors import KandiError, quote
from .layouts import OTHERS

_METADATA = "lora_adapter_metadata"  # where diffusers' save_lora_adapter puts them
_PEFT = {"adapter_model.safetensors": "adapter_config.json"}  # weights → what peft says of them
# A layer's name as peft has them in patterns: its dots may be escaped, ^ and $ may bound it.
_PLAIN = re.compile(r"\^?\w(?:[\w-]|\\?\.)*\$?")

ScaleOf = Callable[[str, str, int], float | None]  # part, place, rank → scale, None for unknown


def scales_in(source: Path, metadata: Mapping[str, str]) -> ScaleOf:
    """Return what tells the scale of each place of a file; raise KandiError for bad numbers."""
    said, where = _settings_of_file(source, metadata)
    if said is None:
        return lambda part, place, rank: None
    configs = {part: _Config(of_part, where) for part, of_part in _by_part(said).items()}

    def scale_of(part: str, place: str, rank: int) -> float | None:
        config = configs.get(part) or configs.get("")
        return config.scale(place, rank) if config else None

    return scale_of


def _settings_of_file(source: Path, metadata: Mapping[str, str]) -> tuple[Any, str]:
    """Return the settings that belong to a file, None without any, and where they stand."""
    config = source.parent / _PEFT.get(source.name, "")
    inside = _METADATA in metadata
    if not inside and not config.is_file():
        return None, ""
    where = f"the metadata of {source}" if inside else str(config)
    try:
        said = json.loads(metadata[_METADATA] if inside else config.read_text("utf-8"))
        if not isinstance(said, dict):
            raise ValueError("no settings")
    except (OSError, ValueError, RecursionError) as error:
        raise KandiError(f"{where} cannot be read ({error}); mend or remove it") from None
    return said, where


def _by_part(said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of each part, "" for those of all: diffusers may have "unet.r"."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in said.items():
        first, _, rest = name.partition(".")
        part = OTHERS.get(first, "") if rest else ""
        parts.setdefault(part, {})[rest if part else name] = value
    return parts


class _Config:
    """Hold what peft's LoraConfig says of strengths; `where` is for its errors."""

    def __init__(self, said: Mapping[str, Any], where: str) -> None:
        kind = said.get("peft_type", "LORA")
        if kind != "LORA" or said.get("use_dora") or said.get("lora_bias"):
            other = "DoRA" if said.get("use_dora") else "lora_bias" if kind == "LORA" else kind
            raise KandiError(f"{where} asks for {other}, which is not supported; train a LoRA")
        self.where = where
        self.alpha = self._number("lora_alpha", said.get("lora_alpha"))
        self.rank = self._number("r", said.get("r"))
        self.alphas = self._pattern("alpha_pattern", said)
        self.ranks = self._pattern("rank_pattern", said)
        self.root = bool(said.get("use_rslora"))

    def scale(self, place: str, rank: int) -> float:
        """Return how strongly a pair of a rank counts at a place: alpha / rank, or its root."""
        stated = _of(self.ranks, place, self.rank)
        if stated != rank:
            raise KandiError(
                f"{self.where} says rank {stated:g} for {place}, and the weights have {rank}; "
                "it belongs to another file: remove it"
            )
        return _of(self.alphas, place, self.alpha) / (rank**0.5 if self.root else rank)

    def _pattern(self, name: str, said: Mapping[str, Any]) -> dict[str, float]:
        patterns = said.get(name) or {}
        if not isinstance(patterns, dict):
            raise KandiError(f"{self.where}: {name} is {quote(patterns)}, no mapping")
        for pattern in patterns:
            if not _PLAIN.fullmatch(pattern):
                raise KandiError(
                    f"{self.where}: {quote(pattern)} in {name} is no plain name of a layer, "
                    "and expressions are not run; write names out"
                )
        return {key: self._number(f"{name} {key}", value) for key, value in patterns.items()}

    def _number(self, name: str, value: Any) -> float:
        number = as_real(value)
        if number is None:
            raise KandiError(
                f"{self.where}: {name} is {quote(value)}, no finite number; take another file"
            )
        return number


def _of(patterns: Mapping[str, float], place: str, default: float) -> float:
    """Return the number of the first name that a place ends in, or is, after a ^."""
    for pattern, number in patterns.items():
        name = pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")
        if place == name or (pattern[0] != "^" and place.endswith(f".{name}")):
            return number
    return default
