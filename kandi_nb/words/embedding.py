"""`Embedding`: what pictures are drawn from, to hold: named, added, compared, saved."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from .bounds import as_real
from .errors import KandiError, one_line, quote, shorten
from .fields import floats
from .files import expand_path, refuse_device, write

if TYPE_CHECKING:
    import numpy as np
    import torch

_ENDING = ".safetensors"
_KEY = "embedding"  # of the tensor in a file; anything else that travels is "latents"
_NOTES = "kandi_nb"  # of the JSON beside it


@dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """Hold image embeddings: a row each, with its name and how it came about.

    `tensor` is float32 [n, dim] on the CPU, `names` and `recipes` have one entry a row. `model`
    is the key of the model that made it and `mark` says which weights of its prior: rows of
    different ones cannot be added, nor drawn by another. `e[i]` and slices are embeddings, too;
    `a + b`, `a - b`, `2 * a` and `a / 2` compute with the numbers, and one row goes with many.
    """

    tensor: torch.Tensor
    names: tuple[str, ...]
    recipes: tuple[Mapping[str, Any], ...]
    model: str = ""
    mark: str = ""
    # Tells what rows are nearest to, in words that the model knows; not saved.
    words: Callable[[torch.Tensor], list[str]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "words": None}  # a loaded model's own, which does not travel

    def __len__(self) -> int:
        return len(self.tensor)

    def __iter__(self) -> Iterator[Embedding]:
        return (self[n] for n in range(len(self)))

    def __getitem__(self, index: Any) -> Embedding:
        try:
            places = range(len(self))[index]
        except (TypeError, IndexError):
            raise KandiError(
                f"{quote(index)} is none of the {len(self)} rows; count from 0, or take a "
                "slice. Numbers are in .tensor"
            ) from None
        places = [places] if isinstance(places, int) else list(places)
        return dataclasses.replace(
            self,
            tensor=self.tensor[places],
            names=tuple(self.names[n] for n in places),
            recipes=tuple(self.recipes[n] for n in places),
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        numbers = self.tensor.numpy()
        return numbers.astype(dtype) if dtype is not None else numbers.copy()

    @property
    def shape(self) -> tuple[int, int]:
        """Return (rows, numbers a row)."""
        return tuple(self.tensor.shape)

    @property
    def norm(self) -> torch.Tensor:
        """Return the length of each row, float32 [n]."""
        return self.tensor.norm(dim=1)

    def __repr__(self) -> str:
        near = self._nearest()
        lines = [
            f"{shorten(one_line(name))}: norm {length:.1f}"
            + (f", nearest to “{word}”" if word else "")
            for name, length, word in zip(self.names, self.norm.tolist(), near, strict=False)
        ]
        more = [f"… and {len(self) - len(lines)} more"] if len(lines) < len(self) else []
        rows, dim = self.shape
        head = f"Embedding({rows} × {dim}{f', {self.model}' if self.model else ''})"
        return "\n  ".join([head, *lines, *more])

    def _nearest(self, most: int = 8) -> list[str]:
        """Return the nearest known words of the first rows; empty ones where nobody can say."""
        try:
            if self.words is not None:
                return self.words(self.tensor[:most])
        except KandiError:  # the model is at work: numbers can be looked at all the same
            pass
        return [""] * min(most, len(self))

    def __add__(self, other: Any) -> Embedding:
        return self._with(other, 1, "+")

    def __sub__(self, other: Any) -> Embedding:
        return self._with(other, -1, "−")

    def __mul__(self, factor: Any) -> Embedding:
        if not isinstance(factor, Real) or isinstance(factor, bool):
            return NotImplemented
        tensor = self.tensor * (as_real(factor) or 0)
        if as_real(factor) is None or not tensor.isfinite().all():
            raise KandiError(
                f"an embedding times {quote(factor)} is not finite; take another number"
            )
        factor = float(factor)
        return dataclasses.replace(
            self,
            tensor=tensor,
            names=tuple(f"{factor:g} × {_whole(name)}" for name in self.names),
            recipes=tuple(sum_recipe([recipe], [factor]) for recipe in self.recipes),
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Embedding:
        if not isinstance(divisor, Real) or isinstance(divisor, bool):
            return NotImplemented
        number = as_real(divisor)
        return self * (1 / number if number else math.nan)

    def __neg__(self) -> Embedding:
        return self * -1

    def _with(self, other: Any, sign: int, word: str) -> Embedding:
        if not isinstance(other, Embedding):
            return NotImplemented
        refuse_strangers(self, other)
        if len(self) != len(other) and 1 not in (len(self), len(other)):
            raise KandiError(
                f"embeddings of {len(self)} and {len(other)} rows do not go together; one of "
                "them must have one row, or both as many"
            )
        count = max(len(self), len(other))
        pairs = [(n % len(self), n % len(other)) for n in range(count)]
        return dataclasses.replace(
            self,
            tensor=self.tensor + sign * other.tensor,
            names=tuple(
                f"{self.names[a]} {word} "
                f"{_whole(other.names[b]) if sign < 0 else other.names[b]}"
                for a, b in pairs
            ),
            recipes=tuple(
                sum_recipe([self.recipes[a], other.recipes[b]], [1, sign]) for a, b in pairs
            ),
            words=self.words or other.words,
        )

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Any:
        """Write a safetensors file with names, recipe and the model's mark; return its path.

        Raises KandiError when the name does not end in .safetensors or is taken.
        """
        target = expand_path(path)
        if target.suffix.lower() != _ENDING:
            raise KandiError(
                f"{target} must end in {_ENDING}: embeddings are kept in such files"
            )
        return write(target, to_bytes(self), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Embedding:
        """Return the embedding that `save` wrote; raise KandiError for any other file."""
        target = expand_path(path)
        try:
            refuse_device(target, target, "an embedding")
            data = target.read_bytes()
        except OSError as error:
            raise KandiError(
                f"{target} cannot be read ({error.strerror}); check the path"
            ) from None
        held = from_bytes(data, str(target))
        if not isinstance(held, cls):
            raise KandiError(
                f"{target} holds latents, no embedding; hand them over as latents="
            )
        return held


def _whole(name: str) -> str:
    """Return a name as one term: a sum in brackets."""
    return f"({name})" if " + " in name or " − " in name else name


def sum_recipe(
    recipes: Iterable[Mapping[str, Any]], weights: Iterable[float]
) -> dict[str, Any]:
    """Return the recipe of a weighted sum."""
    return {"how": "sum", "weights": list(weights), "items": list(recipes)}


def refuse_strangers(first: Embedding, second: Embedding) -> None:
    """Raise KandiError unless both are of one model."""
    if first.shape[1] != second.shape[1] or (
        first.mark and second.mark and first.mark != second.mark
    ):
        raise KandiError(
            f"these embeddings are of two models ({_origin(first)} and {_origin(second)}), "
            "whose numbers mean different things; make both with one"
        )


def _origin(embedding: Embedding) -> str:
    name = embedding.model or "an unknown one"
    return f"{name}, {embedding.shape[1]} numbers, weights {embedding.mark[:12] or 'unknown'}"


def stack_rows(embeddings: Iterable[Embedding]) -> Embedding:
    """Return the rows of several embeddings of one model as one embedding."""
    import torch

    every = list(embeddings)
    for other in every[1:]:
        refuse_strangers(every[0], other)
    return dataclasses.replace(
        every[0],
        tensor=torch.cat([each.tensor for each in every]),
        names=tuple(name for each in every for name in each.names),
        recipes=tuple(recipe for each in every for recipe in each.recipes),
    )


def as_embedding(value: Any, name: str) -> Embedding:
    """Return an embedding, the file of one, or numbers [n, dim] as an embedding.

    Raises KandiError, which names the argument, for anything else.
    """
    if isinstance(value, Embedding):
        return value
    if isinstance(value, (str, os.PathLike)):
        return Embedding.load(value)
    rows = floats(value, f"{name} is what kn.embed or kn.mixture gives")
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.numel() or not rows.isfinite().all():
        raise KandiError(
            f"{name} is finite numbers [n, dim], as kn.embed gives, not a shape "
            f"{list(rows.shape)}; check them"
        )
    names = tuple(f"row {n}" for n in range(1, len(rows) + 1))
    return Embedding(rows, names, tuple({"numbers": "given"} for _ in names))


def to_bytes(held: Embedding | torch.Tensor) -> bytes:
    """Return an embedding, or a tensor of latents, as a safetensors file."""
    from safetensors.torch import save

    if not isinstance(held, Embedding):
        return save({"latents": held.contiguous()})
    notes = {name: getattr(held, name) for name in ("names", "recipes", "model", "mark")}
    text = json.dumps(notes, ensure_ascii=False)
    return save({_KEY: held.tensor.contiguous()}, {_NOTES: text})


def from_bytes(data: bytes, source: str) -> Embedding | torch.Tensor:
    """Return what `to_bytes` wrote; raise KandiError, with the `source`, for other bytes."""
    import torch
    from safetensors.torch import load

    try:
        tensors = load(data)
        ((name, numbers),) = tensors.items()
        finite = numbers.numel() and numbers.isfinite().all()
        if numbers.dtype != torch.float32 or not finite:
            raise ValueError("its numbers are damaged")
        if name != _KEY:
            return numbers
        head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        notes = json.loads(head["__metadata__"][_NOTES])
        names, recipes = map(tuple, (notes["names"], notes["recipes"]))
        texts = [*names, notes["model"], notes["mark"]]
        if numbers.ndim != 2 or not len(numbers) == len(names) == len(recipes):
            raise ValueError("its rows and names do not agree")
        if not all(isinstance(t, str) for t in texts):
            raise ValueError("its names are damaged")
        if not all(isinstance(recipe, dict) for recipe in recipes):
            raise ValueError("its recipes are damaged")
    except Exception as error:  # damaged by hand in any way: cut, other keys, other types
        reason = str(error) if type(error) is ValueError else type(error).__name__
        raise KandiError(
            f"{source} holds no embedding that can be read ({shorten(reason)}); "
            "take a file that embedding.save wrote"
        ) from None
    return Embedding(numbers, names, recipes, notes["model"], notes["mark"])
