"""What differs: two recipes compared, and a few words beside each picture of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..words.embedding import Embedding
from ..words.errors import KandiError, quote
from ..words.params import FIELDS, Params
from ..words.tables import Table
from .pixels import is_picture
from .recipe import check_recipe, recipe


def diff(a: Any, b: Any) -> Table:
    """Return a table (name, a, b) of the settings that differ.

    Each side is a Params, a Result or one of its pictures, a recipe dict or the path of a PNG
    with a recipe. Params know nothing of model, inputs, options and versions; against them
    only the params are compared.
    """
    left, right = _settings(a), _settings(b)
    if isinstance(a, Params) or isinstance(b, Params):
        names = list(FIELDS)
    else:
        names = [*left, *(name for name in right if name not in left)]
    rows = [
        {"name": name, "a": left.get(name), "b": right.get(name)}
        for name in names
        if left.get(name) != right.get(name)
    ]
    return Table(rows, ("name", "a", "b"), empty="no differences")


def _settings(source: Any) -> dict[str, Any]:
    """Return name → value of every setting that a source knows, flat and in a fixed order."""
    if isinstance(source, Params):
        return source.to_dict()
    if isinstance(source, (str, os.PathLike)) or is_picture(source):
        source = recipe(source)
    recipes = getattr(source, "recipes", None)
    if recipes is None and isinstance(source, Mapping):
        recipes = [check_recipe(source)]
    if not recipes:
        raise KandiError(
            f"diff compares Params, Results, PNG files and recipes, not {quote(source)}"
        )
    flat = [_flat(one) for one in recipes]
    return {name: _common([one.get(name) for one in flat]) for name in flat[0]}


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": one["task"],
        "model": one["model"],
        **Params.from_dict(one["params"]).to_dict(),
        "size": " × ".join(map(str, one["size"])),
        **{f"input {name}": _input(each) for name, each in one["inputs"].items()},
        **{f"revision of {role}": value for role, value in one["revision"].items()},
        **one["options"],
        **({"adapters": _adapters(one["options"])} if one["options"].get("adapters") else {}),
        **{f"version of {package}": value for package, value in one["versions"].items()},
    }


def _common(values: list[Any]) -> Any:
    """Return the one value that a run's pictures share, or all of them when they differ."""
    return values[0] if all(value == values[0] for value in values) else values


def _input(described: Mapping[str, Any]) -> str:
    """Return a few words for an input picture: its file, its size, the start of its hash."""
    size = " × ".join(map(str, described.get("size") or described["shape"]))
    words = [described.get("file") or described.get("name"), size, described["sha256"][:12]]
    return ", ".join(filter(None, words))


def _adapters(options: Mapping[str, Any]) -> Any:
    """Return a few words for adapters: name and scale, and the start of the hash."""
    try:
        return ", ".join(
            f"{each['name']} × {each['scale']:g} ({each['sha256'][:12]})"
            for each in options["adapters"]
        )
    except (KeyError, TypeError, ValueError):  # a recipe that somebody changed by hand
        return options["adapters"]


def labels(
    params: Sequence[Params],
    *,
    leave_out: Sequence[str] = (),
    inputs: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Return one label per Params: the settings that differ, or prompt and seed when none does.

    Settings in `leave_out` are never named, for they stand elsewhere, such as before the row.
    Where `inputs` hold embeddings that differ, or that stand for the prompts, their names come
    first: they say what was mixed, and in which shares.

    >>> labels([Params("a cat", seed=0), Params("a cat", seed=1)])
    ['seed 0', 'seed 1']
    """
    differing = [n for n in FIELDS if len({getattr(p, n) for p in params}) > 1]
    mixed = _embedding_names(inputs)
    alike = len(set(mixed)) < 2
    if alike and all(p.prompt for p in params):
        mixed = []
    usual = ["prompt", "seed"] if alike else []
    names = [n for n in differing or usual if n not in leave_out]
    settings = [[_label(p, n) for n in names if n != "prompt" or p.prompt] for p in params]
    first = [[name] if name else [] for name in mixed] or [[] for _ in params]
    return [" · ".join([*a, *b]) for a, b in zip(first, settings, strict=True)]


def _embedding_names(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each picture's embeddings are called: "a cat, not a hat"."""
    words = {"embedding": "", "negative_embedding": "not "}
    return [
        ", ".join(
            f"{word}{each[name].names[0]}"
            for name, word in words.items()
            if isinstance(each.get(name), Embedding)
        )
        for each in inputs
    ]


def _label(params: Params, name: str) -> str:
    value = getattr(params, name)
    if name == "prompt":
        return value
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
    return f"{name.replace('_', ' ')} {text}"
