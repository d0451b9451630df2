"""The recipe inside a picture: everything that is needed to make the same pixels again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..words.bounds import first_duplicate
from ..words.errors import KandiError, quote
from ..words.families import FAMILIES
from ..words.fields import FIELDS
from ..words.files import expand_path
from ..words.models import SPECS
from ..words.params import Params
from . import inputs as carried_inputs
from .pixels import is_picture, rgb
from .reading.formats import TooLarge, open_picture, reason

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from .inputs import Input

CHUNK = "kandi_nb"  # keyword of the PNG's iTXt chunk, and of the same text in Image.info
SCHEMA = 3
_KINDS = {
    "task": str,
    "model": str,
    "params": dict,
    "size": list,
    "inputs": dict,
    "options": dict,
    "revision": dict,
    "versions": dict,
}


def make_recipe(
    params: Params,
    *,
    task: str,
    model: str,
    size: tuple[int, int],
    inputs: Mapping[str, Input],
    options: Mapping[str, Any],
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
        "inputs": carried_inputs.describe_inputs(inputs),
        "options": dict(options),
        "revision": dict(revision),
        "versions": dict(versions),
    }


def as_text(recipe: Mapping[str, Any]) -> str:
    """Return a recipe as the JSON that stands in a file."""
    return json.dumps(recipe, ensure_ascii=False, default=str)


def png_bytes(
    image: Image,
    recipe: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Input] | None = None,
) -> bytes:
    """Return the picture as a PNG file.

    The recipe stands in an iTXt chunk as UTF-8 JSON; `inputs`, the pictures that the task
    started from, in a private chunk, unless they are too large for it.
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if recipe is not None:
        info.add_itxt(CHUNK, as_text(recipe))
    if inputs and (packed := carried_inputs.pack_inputs(inputs)):
        info.add(carried_inputs.CHUNK, packed)
    if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}:
        image = rgb(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def recipe(source: str | os.PathLike | Image) -> dict[str, Any]:
    """Return the recipe of a picture: of a PNG that `Result.save` wrote, or of `result[i]`.

    Keys: schema, task, model, params, size, inputs, options, revision, versions. Raises
    KandiError when the file is no PNG, the picture was changed since it was drawn (of a file:
    has another size), or there is no recipe that this release can read.
    """
    text, _, size = _read_source(source)
    name = _name(source)
    if not text:
        raise KandiError(
            f"{name} holds no recipe: result.save did not write it, or a program saved it "
            "again without its metadata; use the original file"
        )
    try:
        found = check_recipe(json.loads(text, object_pairs_hook=_unique_keys))
    except (ValueError, RecursionError, KandiError) as error:  # a number may be too long
        raise KandiError(
            f"the recipe in {name} cannot be read ({error}); use the original file"
        ) from None
    if list(size) != found["size"]:
        raise KandiError(
            f"{name} has {size[0]} × {size[1]} pixels and its recipe drew {found['size'][0]} × "
            f"{found['size'][1]}: it was cropped or resized since; use the original file"
        )
    return found


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs of JSON as a dict; raise KandiError for a name that stands there twice."""
    if (twice := first_duplicate(name for name, _ in pairs)) is not None:
        raise KandiError(f"{quote(twice)} stands there twice")
    return dict(pairs)


def recipe_of(picture: Image) -> dict[str, Any] | None:
    """Return the recipe of a picture in memory, None when it has none or was changed since."""
    try:
        return recipe(picture)
    except KandiError:
        return None


def inputs_in(source: str | os.PathLike | Image) -> dict[str, Input]:
    """Return name → picture of the inputs that travel with a picture; raise KandiError."""
    inputs = _read_source(source)[1]
    if isinstance(inputs, Mapping):
        return dict(inputs)
    return carried_inputs.unpack_inputs(inputs, _name(source)) if inputs else {}


def _name(source: Any) -> Any:
    return "this picture" if is_picture(source) else source


def _read_source(
    source: str | os.PathLike | Image,
) -> tuple[str | None, bytes | Mapping[str, Input] | None, tuple[int, int]]:
    """Return the recipe's text, if there is one, the inputs as kept, and the file's size."""
    if is_picture(source):
        return *_of_picture(source), source.size
    path = expand_path(source)
    if not path.exists():
        raise KandiError(f"there is no file {path}; check the name")
    try:
        with open_picture(path, "the file", ["PNG"]) as opened:
            image: Any = opened  # a PngImageFile, which has more than other pictures
            # Some programs move text behind the pixels, where only .text finds it.
            text = image.info.get(CHUNK) or image.text.get(CHUNK)
            chunks = dict(chunk[:2] for chunk in image.private_chunks)
    except TooLarge:
        raise KandiError(
            f"{path} is far larger than any picture drawn here; recipes live in the PNG files "
            "that result.save writes"
        ) from None
    except (KandiError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise KandiError(
            f"{path} is not a whole PNG picture ({reason(error)}); recipes live in the PNG "
            "files that result.save writes"
        ) from None
    if text and _count_recipes(path) > 1:
        raise KandiError(f"{path} holds several recipes; use the file that result.save wrote")
    return text, chunks.get(carried_inputs.CHUNK), image.size


def _count_recipes(path: Path) -> int:
    count, mark = 0, CHUNK.encode() + b"\0"
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            end = file.tell() + int.from_bytes(head[:4], "big") + 4  # behind its checksum
            count += head[4:] in (b"iTXt", b"tEXt", b"zTXt") and file.read(len(mark)) == mark
            file.seek(end)
    return count


def _of_picture(picture: Image) -> tuple[str | None, bytes | Mapping[str, Input] | None]:
    """Return the same of a picture in memory, of a Result or opened from its file."""
    from PIL.PngImagePlugin import PngImageFile

    memory = picture.info.get(carried_inputs.MEMORY)
    opened = memory is None and isinstance(picture, PngImageFile)
    if opened or CHUNK not in picture.info:
        chunks = dict(chunk[:2] for chunk in getattr(picture, "private_chunks", []))
        return picture.info.get(CHUNK), chunks.get(carried_inputs.CHUNK)
    # PIL hands the text on to copies, whatever was done to their pixels.
    if memory is None or carried_inputs.is_changed(picture):
        raise KandiError(
            "this picture was changed after it was drawn, so its recipe no longer makes it; "
            "take the picture of the Result, or the path of its file"
        )
    return picture.info[CHUNK], memory.inputs


def check_recipe(found: Any) -> dict[str, Any]:
    """Return a recipe in the present schema; raise KandiError for what is none."""
    if not isinstance(found, Mapping) or type(found.get("schema")) is not int:
        raise KandiError("it has no schema number")
    if found["schema"] > SCHEMA:
        raise KandiError(
            f"schema {found['schema']} is of a newer release of kandi_nb: update it"
        )
    found = {"inputs": {}, "options": {}, "revision": {}, "versions": {}, **found}
    for name, kind in _KINDS.items():
        if not isinstance(found.get(name), kind):
            raise KandiError(f"its {name!r} is missing or damaged")
    size = found["size"]
    if not _is_size(size):
        raise KandiError(f"its 'size' is {quote(size)}, not a width and a height")
    for name, described in found["inputs"].items():
        if not _is_input(described):
            raise KandiError(f"what it says of the input {quote(name)} is damaged")
    if found["schema"] == 1:
        found = _from_schema_1(found)
    if found["schema"] == 2:
        found = _from_schema_2(found)
    count = Params.from_dict(found["params"]).count
    if count != 1:
        raise KandiError(f"its 'count' is {count}, but each picture has a recipe of its own")
    return found


def _is_size(size: Any) -> bool:
    return (
        isinstance(size, list)
        and len(size) == 2
        and all(type(side) is int and side > 0 for side in size)
    )


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)


def _is_input(described: Any) -> bool:
    return (
        isinstance(described, dict)
        and (_is_size(described.get("size")) or _is_shape(described.get("shape")))
        and isinstance(described.get("sha256"), str)
        and isinstance(described.get("file", ""), str)
        and isinstance(described.get("name", ""), str)
    )


def _from_schema_1(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe of the first schema, whose only task was generate, as one of today.

    It wrote a strength that had no effect, and no size where the model's own was drawn.
    """
    width, height = found["size"]
    params = dict(found["params"]) | {"strength": None, "width": width, "height": height}
    return {**found, "schema": 2, "params": params}


def _from_schema_2(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe of the second schema as one of today.

    There `generate` handed guidance on to Kandinsky 3's pipeline, which adds one to it, and
    does without guidance up to 1. The other tasks, and the other families, had today's weight.
    """
    guidance = found["params"].get("guidance", FIELDS["guidance"].default)
    number = isinstance(guidance, (int, float)) and not isinstance(guidance, bool)
    offset = _guidance_offset(found)
    if found["task"] == "generate" and offset and number and guidance > 1:
        found = {**found, "params": {**found["params"], "guidance": guidance + offset}}
    return {**found, "schema": SCHEMA}


def _guidance_offset(found: Mapping[str, Any]) -> int:
    """Return what the pipelines add to guidance of the family that made a picture.

    The name of a folder does not say which that is, the parts of the model do.
    """
    if found["model"] in SPECS:
        return FAMILIES[SPECS[found["model"]].family].guidance_offset
    if not found["revision"] or "prior" in found["revision"]:
        return 0
    return next(row.guidance_offset for row in FAMILIES.values() if not row.has_prior)
