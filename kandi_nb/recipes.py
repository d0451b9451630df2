"""The recipe inside a picture: everything that is needed to make the same pixels again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import KandiError, shown
from .params import FIELDS, Params
from .pixels import rgb
from .tables import Table
from .writing import expanded

if TYPE_CHECKING:
    from PIL.Image import Image

    from .results import Result

CHUNK = "kandi_nb"  # keyword of the PNG's iTXt chunk
SCHEMA = 1
_KINDS = {
    "task": str,
    "model": str,
    "params": dict,
    "size": list,
    "revision": dict,
    "versions": dict,
}


def make_recipe(
    params: Params,
    *,
    task: str,
    model: str,
    size: tuple[int, int],
    revision: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return the recipe of one picture as a dict for JSON; size is (width, height)."""
    return {
        "schema": SCHEMA,
        "task": task,
        "model": str(model),
        "params": params.to_dict(),
        "size": list(size),
        "revision": dict(revision),
        "versions": dict(versions),
    }


def png_bytes(image: Image, recipe: Mapping[str, Any] | None = None) -> bytes:
    """Return the picture as a PNG file, the recipe in an iTXt chunk as UTF-8 JSON."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if recipe is not None:
        info.add_itxt(CHUNK, json.dumps(recipe, ensure_ascii=False, default=str))
    if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}:
        image = rgb(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def recipe(path: str | os.PathLike) -> dict[str, Any]:
    """Return the recipe inside a PNG that `Result.save` wrote.

    Keys: schema, task, model, params, size, revision, versions. Raises KandiError when the
    file is no PNG or holds no recipe that this release can read.
    """
    from PIL import Image, UnidentifiedImageError

    path = expanded(path)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Some programs move text behind the pixels, where only .text finds it.
            text = image.info.get(CHUNK) or image.text.get(CHUNK)
    except FileNotFoundError:
        raise KandiError(f"there is no file {path}; check the name") from None
    except Image.DecompressionBombError:
        raise KandiError(
            f"{path} is far larger than any picture drawn here; recipes live in the PNG files "
            "that result.save writes"
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise KandiError(
            f"{path} is not a whole PNG picture ({error}); recipes live in the PNG files that "
            "result.save writes"
        ) from None
    if not text:
        raise KandiError(
            f"{path} holds no recipe: result.save did not write it, or a program saved it "
            "again without its metadata; use the original file"
        )
    try:
        return _checked(json.loads(text))
    except (ValueError, RecursionError, KandiError) as error:  # a number may be too long
        raise KandiError(
            f"the recipe in {path} cannot be read ({error}); use the original file"
        ) from None


def _checked(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict) or type(found.get("schema")) is not int:
        raise KandiError("it has no schema number")
    if found["schema"] > SCHEMA:
        raise KandiError(
            f"schema {found['schema']} is of a newer release of kandi_nb: update it"
        )
    found = {"revision": {}, "versions": {}, **found}
    for name, kind in _KINDS.items():
        if not isinstance(found.get(name), kind):
            raise KandiError(f"its {name!r} is missing or damaged")
    size = found["size"]
    if len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise KandiError(f"its 'size' is {shown(size)}, not a width and a height")
    count = Params.from_dict(found["params"]).count
    if count != 1:
        raise KandiError(f"its 'count' is {count}, but each picture has a recipe of its own")
    return found


def diff(a: Any, b: Any) -> Table:
    """Return a table (name, a, b) of the settings that differ.

    Each side is a Params, a Result, a recipe dict or the path of a PNG with a recipe. Params
    know nothing of model and versions; against them only the params are compared.
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


def _settings(source: Params | Result | Mapping | str | os.PathLike) -> dict[str, Any]:
    """Return name → value of every setting that a source knows, flat and in a fixed order."""
    if isinstance(source, Params):
        return source.to_dict()
    if isinstance(source, (str, Path)) or hasattr(source, "__fspath__"):
        source = recipe(source)
    recipes = getattr(source, "recipes", None)
    if recipes is None and isinstance(source, Mapping):
        recipes = [_checked(dict(source))]
    if not recipes:
        raise KandiError(
            f"diff compares Params, Results, PNG files and recipes, not {shown(source)}"
        )
    flat = [_flat(one) for one in recipes]
    return {name: _common([one.get(name) for one in flat]) for name in flat[0]}


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": one["task"],
        "model": one["model"],
        **Params.from_dict(one["params"]).to_dict(),
        "size": " × ".join(map(str, one["size"])),
        **{f"revision of {role}": value for role, value in one["revision"].items()},
        **{f"version of {package}": value for package, value in one["versions"].items()},
    }


def _common(values: list[Any]) -> Any:
    """Return the one value that a run's pictures share, or all of them when they differ."""
    return values[0] if all(value == values[0] for value in values) else values


def labels(params: Sequence[Params], *, leave_out: Sequence[str] = ()) -> list[str]:
    """Return one label per Params: the settings that differ, or prompt and seed when none does.

    Settings in `leave_out` are never named, for they stand elsewhere, such as before the row.

    >>> labels([Params("a cat", seed=0), Params("a cat", seed=1)])
    ['seed 0', 'seed 1']
    """
    differing = [n for n in FIELDS if len({getattr(p, n) for p in params}) > 1]
    names = [n for n in differing or ["prompt", "seed"] if n not in leave_out]
    return [" · ".join(_label(p, n) for n in names) for p in params]


def _label(params: Params, name: str) -> str:
    value = getattr(params, name)
    if name == "prompt":
        return value
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
    return f"{name.replace('_', ' ')} {text}"
